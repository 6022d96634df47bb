package git

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
)

// MaxFile is the largest file that is read: 32 MiB, many times what an API server takes. A larger one is
// [ErrTooLarge], and the error names it; it may be listed.
const MaxFile = 32 << 20

// Tree is the tree of one commit as a file system, read from git's objects: nothing is ever checked out. Links are
// followed inside the tree; one that leaves it, dangles or loops is a [LinkError]. A submodule is an empty folder. It
// is safe for concurrent use.
type Tree struct {
	repository *Repository
	root       entry
	when       time.Time

	mu      sync.Mutex
	folders map[plumbing.Hash][]entry // read so far
}

var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

// Tree shows a commit's files. Every file's time is the committer's.
func (r *Repository) Tree(commit string) (*Tree, error) {
	c, err := r.Commit(commit)
	if err != nil {
		return nil, err
	}
	root := entry{name: ".", kind: folder, hash: plumbing.NewHash(c.Tree)}
	return &Tree{repository: r, root: root, when: c.Committer.When, folders: map[plumbing.Hash][]entry{}}, nil
}

// LinkError is a symbolic link that leads to no file of the tree.
type LinkError struct {
	Link, Target string
	Reason       string
}

func (e *LinkError) Error() string {
	return fmt.Sprintf("the symbolic link %s to %q %s", e.Link, e.Target, e.Reason)
}

// Hash returns git's hash of a file or folder, and false when there is none: an equal hash means an equal content. A
// link at the path's end is followed; one inside a folder counts as where it points to, not as what is there.
func (t *Tree) Hash(path string) (string, bool) {
	e, err := t.find("hash", path, true)
	return e.hash.String(), err == nil
}

// Open opens a file or a folder.
func (t *Tree) Open(name string) (fs.File, error) {
	e, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	info := &fileInfo{tree: t, path: name, entry: e}
	if info.IsDir() {
		entries, err := t.ReadDir(name)
		return &openFolderFile{info: info, rest: entries}, err
	}
	return &openFile{info: info}, nil
}

// ReadFile returns a file's content.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	e, err := t.find("read", name, true)
	if err != nil {
		return nil, err
	}
	return t.content(name, e)
}

// content reads a file, unless it is too large.
func (t *Tree) content(name string, e entry) ([]byte, error) {
	if e.kind == folder || e.kind == submodule {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a folder")}
	}
	size, err := t.repository.size(e.hash)
	if err == nil && size > MaxFile {
		err = problem(ErrTooLarge, "it has %d bytes, more than the %d that are read", size, MaxFile)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	content, err := t.repository.needed(e.hash.String(), plumbing.BlobObject)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return content, nil
}

// Stat describes what is at a path, links followed.
func (t *Tree) Stat(name string) (fs.FileInfo, error) { return t.describe("stat", name, true) }

// Lstat describes what is at a path, a link as a link.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.describe("lstat", name, false) }

func (t *Tree) describe(op, name string, follow bool) (fs.FileInfo, error) {
	e, err := t.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	info := &fileInfo{tree: t, path: name, entry: e}
	return info, info.measure()
}

// ReadLink returns where a link points to, as it is written.
func (t *Tree) ReadLink(name string) (string, error) {
	e, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if e.kind != link {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	content, err := t.content(name, e)
	return string(content), err
}

// ReadDir lists a folder by name. A link is listed as a link, so that walking a tree ends.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	entries, err := t.list(e)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: err}
	}
	all := make([]fs.DirEntry, 0, len(entries))
	for _, e := range entries {
		all = append(all, &fileInfo{tree: t, path: below(name, e.name), entry: e})
	}
	return all, nil
}

func below(folder, name string) string {
	if folder == "." {
		return name
	}
	return folder + "/" + name
}

// list returns the entries of a folder.
func (t *Tree) list(e entry) ([]entry, error) {
	switch e.kind {
	case submodule:
		return nil, nil
	case folder:
	default:
		return nil, errors.New("is not a folder")
	}
	t.mu.Lock()
	entries, ok := t.folders[e.hash]
	t.mu.Unlock()
	if ok {
		return entries, nil
	}
	content, err := t.repository.needed(e.hash.String(), plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	if entries, err = parseTree(content); err != nil {
		return nil, fmt.Errorf("the folder holds what git must not: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.folders[e.hash] = entries
	return entries, nil
}
