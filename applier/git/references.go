package git

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// references are what a remote, or a repository on disk, names.
type references struct {
	head   string            // the branch that HEAD names; "" when it names a commit or nothing
	names  map[string]string // full name to the hash it holds; HEAD too
	peeled map[string]string // full name of an annotated tag to what it stands for in the end, where that is known
}

const (
	branches = "refs/heads/"
	tags     = "refs/tags/"
	// followed holds commits that were asked for by their hash, so that it is known that their history is whole.
	followed = "refs/gitlatch/"
)

// tags returns the tags alone.
func (r references) tags() map[string]string {
	only := map[string]string{}
	for name, hash := range r.names {
		if strings.HasPrefix(name, tags) {
			only[name] = hash
		}
	}
	return only
}

// references reads what is on disk.
func (d *disk) references() (references, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := references{names: map[string]string{}, peeled: map[string]string{}}
	refs, err := d.store.IterReferences()
	if err != nil {
		return r, err
	}
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		switch {
		case ref.Type() == plumbing.HashReference:
			r.names[ref.Name().String()] = ref.Hash().String()
		case ref.Name() == plumbing.HEAD:
			r.head = ref.Target().String()
		}
		return nil
	})
	return r, err
}

// writeReferences replaces all references of a repository at once: one file, renamed into its place, so that no two
// of them disagree after a crash and no folder stands where a file is wanted.
func writeReferences(path string, r references) error {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(r.names)) {
		if strings.HasPrefix(name, "refs/") {
			text.WriteString(r.names[name] + " " + name + "\n")
		}
	}
	if err := replace(filepath.Join(path, "packed-refs"), text.String()); err != nil {
		return err
	}
	if r.head == "" {
		return nil
	}
	return replace(filepath.Join(path, "HEAD"), "ref: "+r.head+"\n")
}
