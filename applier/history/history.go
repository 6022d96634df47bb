package history

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"path"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
)

// Kind is what a commit did to an object.
type Kind string

// What a commit does to an object.
const (
	Added   Kind = "Added"
	Changed Kind = "Changed"
	Removed Kind = "Removed"
)

// Change is one commit that changed the object.
type Change struct {
	git.Commit
	Kind Kind
	// File declares the object at that commit, or, where the commit removed it, did
	// before.
	File string
	// Shallow says that the clone ends at this commit, so that an earlier one may have
	// changed the object last.
	Shallow bool
}

// History answers about the objects of one folder.
type History struct {
	Repository *git.Repository
	// Options say how the folder is rendered. What is encrypted is best left so: see
	// [desired.Options].
	Options desired.Options
	// Index keeps what was found. nil: nothing is kept.
	Index *Index
}

// Question is about one object at one commit.
type Question struct {
	Object Object
	Commit string // the full hash
	// File that declares the object there, if that is known; a wrong one does no harm.
	File string
}

// Answer is what is known at the question's commit, and what led there.
type Answer struct {
	// Declared: the folder declares the object at the commit that was asked about.
	Declared bool
	// File that declares it there.
	File string
	// Changes are the commits that changed the object, newest first: the last one, or
	// all. None: the object was never declared, as far as the clone reaches.
	Changes []Change
}

// Last finds the commit that changed the object last. A folder that can't be rendered
// at the question's commit is an error.
func (h *History) Last(ctx context.Context, q Question) (*Answer, error) {
	return h.answer(ctx, q, false)
}

// All finds every commit that changed the object.
func (h *History) All(ctx context.Context, q Question) (*Answer, error) {
	return h.answer(ctx, q, true)
}

func (h *History) answer(ctx context.Context, q Question, all bool) (*Answer, error) {
	folder := path.Clean("./" + h.Options.Path)
	w := &way{
		look: look{repository: h.Repository, options: h.Options, folder: folder, object: q.Object, hint: q.File,
			identities: identities{}},
		found: h.Index.load(folder, h.Options, q.Object),
		known: map[string]*point{},
	}
	answer, err := w.answer(ctx, q.Commit, all)
	if errors.Is(err, errAgain) {
		w.found, w.known = newFindings(w.found.file), map[string]*point{}
		answer, err = w.answer(ctx, q.Commit, all)
	}
	if err != nil {
		return nil, err
	}
	h.Index.save(w.found)
	return answer, nil
}

// errAgain: what an index says leads to a commit that can't be rendered, and was known only by what came after it.
var errAgain = errors.New("the index does not suffice")

// way is a question and what was found for it.
type way struct {
	look
	found *findings
	known map[string]*point // of the commits that are still to be followed
}

func (w *way) answer(ctx context.Context, from string, all bool) (*Answer, error) {
	first, err := w.follow(ctx, from)
	if unrendered := (*unrenderedError)(nil); errors.As(err, &unrendered) {
		return nil, unrendered.err
	}
	if err != nil {
		return nil, err
	}
	answer := &Answer{Declared: first.Declared, File: first.File}
	var pending byDate
	seen := map[string]bool{}
	push := func(l lead) error {
		if l.Change == "" || seen[l.Change] {
			return nil
		}
		seen[l.Change] = true
		change, err := w.change(l.Change)
		heap.Push(&pending, change)
		return err
	}
	if err := push(first); err != nil {
		return nil, err
	}
	for len(pending) > 0 {
		change := heap.Pop(&pending).(Change)
		answer.Changes = append(answer.Changes, change)
		if !all {
			break
		}
		for _, next := range w.found.Changes[change.Hash].Next {
			l, err := w.follow(ctx, next)
			if err == nil {
				err = push(l)
			}
			if unrendered := (*unrenderedError)(nil); errors.As(err, &unrendered) {
				err = errAgain
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return answer, nil
}

// change reads what was found of a commit.
func (w *way) change(hash string) (Change, error) {
	commit, err := w.repository.Commit(hash)
	found := w.found.Changes[hash]
	return Change{Commit: commit, Kind: found.Kind, File: found.File, Shallow: found.shallow}, err
}

// follow goes from a commit to the one that changed the object last.
func (w *way) follow(ctx context.Context, from string) (lead, error) {
	if l, ok := w.found.Leads[from]; ok {
		return l, nil
	}
	at, err := w.start(ctx, from)
	if err != nil {
		return lead{}, err
	}
	l := lead{Declared: at.state.present, File: at.state.file}
	for {
		if known, ok := w.found.Leads[at.commit.Hash]; ok {
			l.Change = known.Change
			break
		}
		s, err := w.step(ctx, at)
		if err != nil {
			return lead{}, err
		}
		if s.missing {
			w.found.shallow = true // a deeper clone knows better
		}
		if s.same != nil {
			at = s.same
			continue
		}
		if at.state.present || len(s.parents) > 0 {
			l.Change = at.commit.Hash
			w.credit(at, s)
		}
		break
	}
	w.found.Leads[from] = l
	return l, nil
}

// start is what is known of the commit at which a way begins.
func (w *way) start(ctx context.Context, from string) (*point, error) {
	if at, ok := w.known[from]; ok {
		delete(w.known, from)
		return at, nil
	}
	commit, err := w.repository.Commit(from)
	if err != nil {
		return nil, err
	}
	s, known, err := w.evaluate(ctx, commit, nil)
	if err != nil {
		return nil, fmt.Errorf("looking for %s at %s: %w", w.object, short(from), err)
	}
	if !known {
		return nil, w.unknown(ctx, commit)
	}
	return &point{commit: commit, state: s}, nil
}

// unrenderedError is why a way can't begin at a commit.
type unrenderedError struct{ err error }

func (e *unrenderedError) Error() string { return e.err.Error() }

// unknown renders once more, for the error.
func (w *way) unknown(ctx context.Context, commit git.Commit) error {
	tree, err := w.repository.Tree(commit.Hash)
	if err != nil {
		return err
	}
	if _, err = desired.Render(ctx, tree, w.options); err == nil {
		err = errors.New("the file that declares it can't be read alone")
	}
	return &unrenderedError{fmt.Errorf("rendering %s at %s: %w", w.folder, short(commit.Hash), err)}
}

// credit remembers that a commit changed the object, and where to go on.
func (w *way) credit(at *point, s step) {
	f := finding{Kind: s.kind(at), File: at.state.file, shallow: s.missing}
	for _, p := range s.parents {
		if f.File == "" {
			f.File = p.state.file
		}
		f.Next = append(f.Next, p.commit.Hash)
		w.known[p.commit.Hash] = p
	}
	w.found.Changes[at.commit.Hash] = f
}

// byDate is a heap of changes, the newest first by the committers' dates.
type byDate []Change

func (b byDate) Len() int      { return len(b) }
func (b byDate) Swap(i, j int) { b[i], b[j] = b[j], b[i] }
func (b byDate) Less(i, j int) bool {
	if order := b[i].Committer.When.Compare(b[j].Committer.When); order != 0 {
		return order > 0
	}
	return b[i].Hash < b[j].Hash
}
func (b *byDate) Push(c any) { *b = append(*b, c.(Change)) }
func (b *byDate) Pop() any {
	last := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	return last
}
