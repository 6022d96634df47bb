// Package program is what the commands that run in a cluster have in common: how a
// command line is read, which errors a person can mend, how the API server is
// reached, and the lease of the leader.
//
// It may import client-go and controller-runtime, and nothing else of Gitlatch.
package program
