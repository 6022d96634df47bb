// Package replicas tests that two and three webhook processes are one gate: any of
// them may lead, be killed at any moment, or answer one call of a request and not the
// other, and people notice nothing, and the records tell what happened, once.
//
// The API server reaches them through the Service, so that each has its share of the
// calls; where a test needs one replica to do what another did not see, it says which
// may answer ([gitlatch.Gitlatch.Only]). The failure policy is Fail, but for one test:
// what no replica answered is an error, and not a write that nobody saw.
//
// It may import test/world, test/gitlatch, test/cluster, api and client-go.
package replicas
