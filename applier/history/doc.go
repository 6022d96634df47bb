// Package history answers from git alone which commits changed one object: by what
// the folder renders for it, so that it holds through Kustomize and Helm.
//
// # What counts
//
// A commit changed an object when the object that its folder renders differs from
// what every parent's folder renders: another content, or there and not there. The
// file that declares it does not count: a rename is no change. At a merge the rule is
// git log's (git-log(1), "History Simplification"): if the object is the same in a
// parent, that parent is followed, the first of them; a merge that differs from all
// its parents is credited itself.
//
// A commit whose folder can't be rendered tells nothing about the object: the next one
// that renders is compared with the last one that rendered, by first parents. Where
// what decides the object did not change, a file beside it that is broken does not
// matter: in plain YAML only the file that declares the object is read.
//
// Files that SOPS encrypted are compared as they stand in git, so encrypting the same
// values anew is a change.
//
// # Why it is fast, and exact all the same
//
// A render remembers every file that it read, every folder that it listed and every
// path that it asked for. While none of these answers differs between a commit and its
// parent, nothing is rendered. Of the files that did change, those are left out which
// provably can't reach the object; where that can't be proven, the folder is rendered
// and compared. An [Index] on disk keeps what was found, by commit, so that it holds for ever.
//
// It may import applier/git and applier/desired.
package history
