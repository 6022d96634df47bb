// Package policy is the judge: [Decide] answers who may write what. The
// webhook prevents, the audit detects and the command line simulates; all
// three ask this package, so they cannot disagree.
//
// It is pure. It imports the API types, apimachinery and structured-merge-diff
// and nothing else of Gitlatch: no context, client, clock or logger. Time and
// looked-up facts come in as values ([Facts]); where a fact that matters is
// not there, the answer denies and says in [Decision.Missing] what to look up.
//
// Begin reading at decide.go: the classes stand there as an ordered slice, and
// each has a file of its own, opened by what it promises.
package policy
