// Package world is what end-to-end tests have in common: one control plane and one Gitlatch for all tests of a package
// ([Main]), kubectl as named people with answers that are checked ([World.Kubectl]), clients without a cache, and
// waiting.
//
// The package may import test/cluster, test/gitlatch and api, and is imported by tests alone.
package world
