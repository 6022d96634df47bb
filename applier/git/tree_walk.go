package git

import (
	"io/fs"
	"slices"
	"strings"
)

// maxLinks is how many links one path may lead through; more are a loop. Linux's own bound.
const maxLinks = 40

// find walks down a path, following links. Each step is taken in the tree alone: what would leave it is an error.
func (t *Tree) find(op, name string, follow bool) (entry, error) {
	if !fs.ValidPath(name) {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	w := &walker{tree: t, follow: follow}
	e, err := w.walk(name)
	if err != nil {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return e, nil
}

// walker is one path on its way.
type walker struct {
	tree   *Tree
	follow bool    // a link at the end too
	at     []entry // the folders above, the root left out
	steps  []string
	linked int       // how many of the steps were put there by a link
	links  int       // followed so far
	link   LinkError // the one that is followed, as it stands in the path
}

func (w *walker) walk(name string) (entry, error) {
	for w.steps = strings.Split(name, "/"); len(w.steps) > 0; {
		if err := w.step(); err != nil {
			return entry{}, err
		}
	}
	return w.here(), nil
}

// step takes the next step of the path.
func (w *walker) step() error {
	name := w.steps[0]
	switch name {
	case ".", "":
	case "..": // only a link says so
		if len(w.at) == 0 {
			return w.fail("leaves the repository")
		}
		w.at = w.at[:len(w.at)-1]
	default:
		next, err := w.child(name)
		if err != nil {
			return err
		}
		if next.kind == link && (len(w.steps) > 1 || w.follow) {
			return w.enter(next)
		}
		w.at = append(w.at, next)
	}
	w.passed()
	return nil
}

// passed puts the step behind.
func (w *walker) passed() {
	w.steps, w.linked = w.steps[1:], max(0, w.linked-1)
}

func (w *walker) here() entry {
	if len(w.at) == 0 {
		return w.tree.root
	}
	return w.at[len(w.at)-1]
}

// child looks a name up in the folder where the walk is.
func (w *walker) child(name string) (entry, error) {
	here := w.here()
	if here.kind != folder {
		return entry{}, w.missing()
	}
	entries, err := w.tree.list(here)
	if err != nil {
		return entry{}, err
	}
	i, ok := slices.BinarySearchFunc(entries, name, func(e entry, name string) int { return strings.Compare(e.name, name) })
	if !ok {
		return entry{}, w.missing()
	}
	return entries[i], nil
}

// missing is a dangling link where a link led here, else a file that isn't there.
func (w *walker) missing() error {
	if w.linked > 0 {
		return w.fail("leads to nothing in the repository")
	}
	return fs.ErrNotExist
}

func (w *walker) fail(reason string) error {
	failed := w.link
	failed.Reason = reason
	return &failed
}

// enter puts a link's target in the place of its step.
func (w *walker) enter(e entry) error {
	path := e.name
	for i := len(w.at) - 1; i >= 0; i-- {
		path = w.at[i].name + "/" + path
	}
	content, err := w.tree.content(path, e)
	if err != nil {
		return err
	}
	if w.linked == 0 {
		w.link = LinkError{Link: path, Target: string(content)}
	}
	w.links++
	switch {
	case w.links > maxLinks:
		return w.fail("leads in a circle")
	case strings.HasPrefix(string(content), "/"):
		return w.fail("leaves the repository")
	case len(content) == 0:
		return w.fail("is empty")
	}
	w.passed()
	target := strings.Split(string(content), "/")
	w.steps, w.linked = append(target, w.steps...), w.linked+len(target)
	return nil
}
