// Package drills holds the emergencies that docs/runbooks has pages for, each a test on a real control plane: a cold
// start, an upgrade that goes wrong, a wrong sync identity, every replica gone, the off switch, the removal of Gitlatch,
// its namespace stuck. What a page says to do is what its test runs, word for word. After each drill the cluster's
// controllers have gone on, whoever may repair has done so, and the records say what happened.
//
// Gitlatch's Pods are made by its Deployments, and a kubelet of test/gitlatch runs them as processes. The package may
// import test, api and reporter/audit, and holds nothing but tests.
package drills
