package git

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// kind is what an entry of a tree is.
type kind int

const (
	file kind = iota
	executable
	link
	folder
	submodule
)

// entry is one name in a folder.
type entry struct {
	name string
	kind kind
	hash plumbing.Hash
}

// mode is the entry's type and permissions as they would be once checked out.
func (e entry) mode() fs.FileMode {
	switch e.kind {
	case executable:
		return 0o755
	case link:
		return fs.ModeSymlink | 0o777
	case folder, submodule:
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// parseTree reads a tree object: "<mode> <name>\0<20 bytes>", again and again. Names that no checkout may have are
// refused. The entries come sorted by name, as a file system lists them.
func parseTree(content []byte) ([]entry, error) {
	var entries []entry
	for len(content) > 0 {
		mode, name, hash, rest, err := cutEntry(content)
		if err != nil {
			return nil, err
		}
		content = rest
		kind, ok := kindOf(mode)
		if !ok {
			return nil, fmt.Errorf("an entry of mode %.10q", mode)
		}
		if !validName(string(name)) {
			return nil, fmt.Errorf("an entry with the name %.100q", name)
		}
		entries = append(entries, entry{name: string(name), kind: kind, hash: hash})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(entries); i++ {
		if entries[i].name == entries[i-1].name {
			return nil, fmt.Errorf("two entries with the name %.100q", entries[i].name)
		}
	}
	return entries, nil
}

// cutEntry reads one entry of a tree object.
func cutEntry(content []byte) (mode, name []byte, hash plumbing.Hash, rest []byte, err error) {
	mode, rest, ok := bytes.Cut(content, []byte(" "))
	if !ok {
		return nil, nil, hash, nil, errors.New("an entry without a mode")
	}
	name, rest, ok = bytes.Cut(rest, []byte{0})
	if !ok || len(rest) < len(hash) {
		return nil, nil, hash, nil, errors.New("an entry without a hash")
	}
	copy(hash[:], rest)
	return mode, name, hash, rest[len(hash):], nil
}

func kindOf(mode []byte) (kind, bool) {
	switch string(mode) {
	case "120000":
		return link, true
	case "40000", "040000":
		return folder, true
	case "160000":
		return submodule, true
	}
	if len(mode) != 6 || !bytes.HasPrefix(mode, []byte("100")) { // git itself reads 100664 and the like too
		return file, false
	}
	if (mode[3]-'0')&1 == 1 {
		return executable, true
	}
	return file, true
}

// validName says whether a name stays in its folder.
func validName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// hashBelow finds the hash of a path below a tree, without making entries of what it passes.
func (r *Repository) hashBelow(tree, path string) (string, bool, error) {
	if path == "" || path == "." {
		return tree, true, nil
	}
	for name := range strings.SplitSeq(path, "/") {
		content, err := r.needed(tree, plumbing.TreeObject)
		if err != nil {
			return "", false, err
		}
		found, isFolder, err := find(content, name)
		if err != nil {
			return "", false, r.damaged(tree, err)
		}
		if found.IsZero() {
			return "", false, nil
		}
		rest := path[len(name):]
		if rest == "" {
			return found.String(), true, nil
		}
		if !isFolder {
			return "", false, nil
		}
		tree, path = found.String(), rest[1:]
	}
	return "", false, nil
}

// find looks for a name in a tree object.
func find(content []byte, name string) (hash plumbing.Hash, isFolder bool, err error) {
	for len(content) > 0 {
		mode, entry, hash, rest, err := cutEntry(content)
		if err != nil {
			return hash, false, err
		}
		if string(entry) == name {
			kind, ok := kindOf(mode)
			if !ok {
				return hash, false, fmt.Errorf("an entry of mode %.10q", mode)
			}
			return hash, kind == folder, nil
		}
		content = rest
	}
	return plumbing.ZeroHash, false, nil
}
