// Package git reads repositories: it asks a remote what a ref names, fetches into one
// bare repository on disk per remote, shows a commit's tree as a file system without
// ever checking it out, judges signatures, and walks history.
//
// What comes from a remote is believed only as a whole: a pack is indexed here, object by
// object, its checksum compared, and the history and the files of the commit that is asked
// for are looked for, before a reference names it. So whatever a reference on disk names is
// complete, whenever a process ends. [Store] holds the repositories, [Tree] shows files.
//
// It is the only room that knows go-git. It may import nothing else of Gitlatch.
package git
