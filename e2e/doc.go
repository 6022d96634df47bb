// Package e2e holds the promises of the README, each a file of tests on the
// real control plane: a real API server, etcd and controller manager, the
// manifests as a user installs them, two webhook processes with the tokens of
// their own pods, and named people with kubectl. What is asserted was seen
// through the API server.
//
// All tests share one control plane (world_test.go). It has four policies, each
// over its own namespaces, so that tests need not change them:
//
//	cluster   Enforce, everything that the others do not govern
//	warn      Warn, namespaces labelled gate=warn
//	audit     Audit, namespaces labelled gate=audit
//	declared  Enforce, objects and fields Declared, namespaces labelled gate=declared
//
// A test makes its own namespaces with [newNamespace] and cleans nothing up.
package e2e
