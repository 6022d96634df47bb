// Package certificates holds what is promised of the webhook's certificates, on a real control plane: that authorities
// and certificates change, replicas restart and certificates expire without a write that gets a wrong answer; that
// cert-manager can issue them; that a cluster whose gate has an expired certificate works and mends itself.
//
// The shared world has three replicas behind a Service, which the API server calls in turn, and certificates that live
// for a minute. The package may import test/world, test/cluster, test/gitlatch, test/process, policy and api, and
// cert-manager's types.
package certificates
