package history

import (
	"errors"
	"path"
	"strings"

	"github.com/gitlatch/gitlatch/applier/git"
)

// watch is all that what was rendered for an object rests on.
type watch struct {
	// everything: the whole repository, since links lead about in it.
	everything bool
	// below is a folder any change in which matters; "": none, "." the whole tree.
	below string
	paths map[string]access
	// folders above the paths: the only ones that have to be compared.
	above map[string]bool
	// bystander says of a file that was read, and changed its content, that it provably
	// can't reach the object. nil: none is.
	bystander func(file string, before, after string) (bool, error)
}

// access is how a path was used, by bits.
type access byte

const (
	read   access = 1 << iota // its content
	asked                     // whether it is there, and what it is
	listed                    // what is in it
)

func newWatch() *watch {
	return &watch{paths: map[string]access{}, above: map[string]bool{}}
}

func (w *watch) reads(name string) { w.add(name, read|asked) }
func (w *watch) asks(name string)  { w.add(name, asked) }
func (w *watch) lists(name string) { w.add(name, listed) }

func (w *watch) add(name string, how access) {
	name = path.Clean(name)
	w.paths[name] |= how
	for above := path.Dir(name); !w.above[above]; above = path.Dir(above) {
		w.above[above] = true
		if above == "." || above == "/" {
			break
		}
	}
	if how == listed {
		w.above[name] = true
	}
}

// all watches everything below a folder.
func (w *watch) all(folder string) {
	w.below = folder
	w.asks(folder)
}

// errReached ends a comparison once something is found that matters.
var errReached = errors.New("it matters")

// reached says whether anything that matters differs between two trees.
func (w *watch) reached(r *git.Repository, before, after string) (bool, error) {
	if before == after {
		return false, nil
	}
	if w.everything {
		return true, nil
	}
	err := r.Changes(before, after, w.enter, func(c git.Change) error {
		matters, err := w.matters(c)
		if err == nil && matters {
			err = errReached
		}
		return err
	})
	if errors.Is(err, errReached) {
		return true, nil
	}
	return false, err
}

func (w *watch) enter(folder string) bool { return w.above[folder] || w.isBelow(folder) }

func (w *watch) isBelow(name string) bool {
	return w.below != "" && (w.below == "." || strings.HasPrefix(name, w.below+"/") || name == w.below)
}

// matters says whether one change may reach the object.
func (w *watch) matters(c git.Change) (bool, error) {
	how := w.paths[c.Path]
	switch {
	case c.Before.Folder && c.After.Folder:
		return false, nil // what differs is in it
	case c.Before.File && c.After.File: // the content alone
		if w.isBelow(c.Path) {
			return true, nil
		}
		if how&read == 0 || w.bystander == nil {
			return how&read != 0, nil
		}
		harmless, err := w.bystander(c.Path, c.Before.Hash, c.After.Hash)
		return !harmless, err
	case strange(c.Before) || strange(c.After): // a link, which may lead anywhere
		return how != 0 || w.above[c.Path] || w.listsAround(c.Path) || w.isBelow(c.Path), nil
	}
	// Something came, went, or became something else.
	return how != 0 || w.listsAround(c.Path) || w.isBelow(c.Path) && !c.Before.Folder && !c.After.Folder, nil
}

func (w *watch) listsAround(name string) bool { return w.paths[path.Dir(name)]&listed != 0 }

// strange tells a link or a submodule.
func strange(n git.Node) bool { return n.Hash != "" && !n.File && !n.Folder }
