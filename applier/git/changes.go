package git

import (
	"bytes"

	"github.com/go-git/go-git/v5/plumbing"
)

// Node is what stands at one path of a tree. The zero value is nothing.
type Node struct {
	Hash   string // git's; equal means an equal content
	Folder bool
	// File is a file of content, executable or not. What is neither file nor folder is a
	// link or a submodule.
	File bool
}

// Change is one path at which two trees differ.
type Change struct {
	Path          string
	Before, After Node
}

// Changes visits the paths at which two trees differ, named by [Commit.Tree]. A folder that differs is visited, and
// entered when enter says so; what has the same hash is never read. A file that became a folder, or the other way
// round, is two changes of one path. Permissions are no difference.
func (r *Repository) Changes(before, after string, enter func(folder string) bool, visit func(Change) error) error {
	return r.compare("", before, after, enter, visit)
}

// Blob returns a file's content by its hash, unless it is larger than [MaxFile].
func (r *Repository) Blob(hash string) ([]byte, error) {
	size, err := r.size(plumbing.NewHash(hash))
	if err != nil {
		return nil, err
	}
	if size > MaxFile {
		return nil, problem(ErrTooLarge, "reading %s: it has %d bytes, more than the %d that are read", short(hash), size, MaxFile)
	}
	return r.needed(hash, plumbing.BlobObject)
}

// compare compares two folders; "" is one that isn't there.
func (r *Repository) compare(folder, before, after string, enter func(string) bool, visit func(Change) error) error {
	if before == after {
		return nil
	}
	old, err := r.entriesOf(before)
	if err != nil {
		return err
	}
	new, err := r.entriesOf(after)
	if err != nil {
		return err
	}
	for len(old) > 0 || len(new) > 0 {
		change, restOld, restNew, err := nextChange(old, new)
		if err != nil {
			return r.damaged(after, err)
		}
		old, new = restOld, restNew
		if change.Before == change.After {
			continue
		}
		if folder != "" {
			change.Path = folder + "/" + change.Path
		}
		if err := visit(change); err != nil {
			return err
		}
		if (!change.Before.Folder && !change.After.Folder) || !enter(change.Path) {
			continue
		}
		if err := r.compare(change.Path, folderHash(change.Before), folderHash(change.After), enter, visit); err != nil {
			return err
		}
	}
	return nil
}

func folderHash(n Node) string {
	if n.Folder {
		return n.Hash
	}
	return ""
}

func (r *Repository) entriesOf(tree string) ([]byte, error) {
	if tree == "" {
		return nil, nil
	}
	return r.needed(tree, plumbing.TreeObject)
}

// nextChange takes the next path from two folders, as git sorts them: a folder as if its name ended in a slash.
func nextChange(old, new []byte) (change Change, restOld, restNew []byte, err error) {
	o, restOld, err := nextNode(old)
	if err != nil {
		return Change{}, nil, nil, err
	}
	n, restNew, err := nextNode(new)
	if err != nil {
		return Change{}, nil, nil, err
	}
	switch order := inOrder(o, n); {
	case order < 0:
		return Change{Path: string(o.name), Before: o.node()}, restOld, new, nil
	case order > 0:
		return Change{Path: string(n.name), After: n.node()}, old, restNew, nil
	}
	if o.hash == n.hash && o.kind == n.kind {
		return Change{}, restOld, restNew, nil
	}
	return Change{Path: string(o.name), Before: o.node(), After: n.node()}, restOld, restNew, nil
}

// named is one entry of a tree object, as it stands there.
type named struct {
	name []byte // nil: there is none
	kind kind
	hash plumbing.Hash
}

func nextNode(content []byte) (named, []byte, error) {
	if len(content) == 0 {
		return named{}, nil, nil
	}
	mode, name, hash, rest, err := cutEntry(content)
	if err != nil {
		return named{}, nil, err
	}
	kind, _ := kindOf(mode) // a mode that nobody knows is no link and no folder; reading the tree says so
	if kind == executable {
		kind = file
	}
	return named{name: name, kind: kind, hash: hash}, rest, nil
}

func (n named) node() Node {
	return Node{Hash: n.hash.String(), Folder: n.kind == folder, File: n.kind == file}
}

// inOrder is how git sorts the entries of a folder; what isn't there comes last.
func inOrder(a, b named) int {
	if a.name == nil || b.name == nil {
		return len(b.name) - len(a.name)
	}
	short := min(len(a.name), len(b.name))
	if order := bytes.Compare(a.name[:short], b.name[:short]); order != 0 {
		return order
	}
	return int(a.at(short)) - int(b.at(short))
}

// at is a byte of the name that entries are sorted by.
func (n named) at(i int) byte {
	switch {
	case i < len(n.name):
		return n.name[i]
	case n.kind == folder:
		return '/'
	}
	return 0
}
