// Package git reads repositories: it asks a remote what a ref names, fetches into one
// bare repository on disk per remote, shows a commit's tree as a file system without
// ever checking it out, judges signatures, and walks history.
//
// It is the only room that knows go-git. It may import nothing else of Gitlatch.
package git
