package history

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
)

// look is one question on its way through history. It is for one goroutine.
type look struct {
	repository *git.Repository
	options    desired.Options
	folder     string // of the options, cleaned
	object     Object
	hint       string // the file that declares it at the first commit, as far as anybody knows
	identities identities
}

// state is what a folder renders for the object at one commit.
type state struct {
	value
	file    string // that declares it; "" when it is absent
	watch   *watch // what that rests on
	scanned bool   // plain YAML, and no file of it declares the object
}

// point is a commit and what is known of the object there.
type point struct {
	commit git.Commit
	state  state
}

// evaluate renders what has to be rendered at a commit. known is false where the folder
// can't be.  after is a commit that is known, after this one; nil at the first.
func (l *look) evaluate(ctx context.Context, commit git.Commit, after *point) (s state, known bool, err error) {
	tree, err := l.repository.Tree(commit.Hash)
	if err != nil {
		return state{}, false, err
	}
	in := newRecorder(tree)
	info, err := in.Stat(l.folder)
	if in.failed != nil {
		return state{}, false, in.failed
	}
	if errors.Is(err, fs.ErrNotExist) {
		return state{watch: in.seen}, true, nil
	}
	if err != nil || !info.IsDir() {
		return state{}, false, nil
	}
	plain := true
	for _, name := range markers() {
		if _, err := in.Stat(path.Join(l.folder, name)); !errors.Is(err, fs.ErrNotExist) {
			plain = false
		}
	}
	if in.failed != nil {
		return state{}, false, in.failed
	}
	switch {
	case !plain:
		return l.whole(ctx, in)
	case after != nil && after.state.scanned && !in.seen.everything:
		return l.changed(ctx, in, commit.Tree, after.commit.Tree)
	case after != nil:
		return l.plain(ctx, in, after.state.file)
	}
	return l.plain(ctx, in, l.hint)
}

// whole renders the folder.
func (l *look) whole(ctx context.Context, in *recorder) (state, bool, error) {
	set, err := desired.Render(ctx, in, l.options)
	if err != nil {
		return state{}, false, l.broken(ctx, in, err)
	}
	found, file, err := l.object.in(set.Objects)
	if err != nil {
		return state{}, false, err
	}
	switch set.Form {
	case desired.FormKustomize:
		in.seen.bystander = l.kustomizeBystander(in, file)
	case desired.FormHelm:
		in.seen.bystander = l.helmBystander(in, file)
	}
	return state{value: found, file: file, watch: in.seen}, true, nil
}

// broken is nil when a render failed because of what the commit holds.
func (l *look) broken(ctx context.Context, in *recorder, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case in.failed != nil:
		return in.failed
	case ofRepository(err):
		return err
	}
	return nil
}

// before finds what is known at a parent, or, where the folder can't be rendered there,
// at the first of its ancestors by first parents where it can. nil: at none. same says
// that the object is as it is after. missing says that history isn't on disk any
// further.
func (l *look) before(ctx context.Context, after *point, parent string) (p *point, missing bool, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		commit, err := l.repository.Commit(parent)
		if errors.Is(err, git.ErrCommitNotFound) {
			return nil, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		reached, err := after.state.watch.reached(l.repository, commit.Tree, after.commit.Tree)
		if err != nil {
			return nil, false, fmt.Errorf("comparing %s with %s: %w", short(commit.Hash), short(after.commit.Hash), err)
		}
		if !reached {
			return &point{commit: commit, state: after.state}, false, nil
		}
		s, known, err := l.evaluate(ctx, commit, after)
		if err != nil {
			return nil, false, fmt.Errorf("looking for %s at %s: %w", l.object, short(commit.Hash), err)
		}
		if known {
			return &point{commit: commit, state: s}, false, nil
		}
		if len(commit.Parents) == 0 {
			return nil, false, nil
		}
		parent = commit.Parents[0]
	}
}

// step is what comes of one commit.
type step struct {
	same    *point   // a parent at which the object is the same
	parents []*point // else: all that are known
	missing bool     // a parent isn't on disk
}

// step looks at a commit's parents, in order, and follows the first that is the same.
func (l *look) step(ctx context.Context, at *point) (step, error) {
	var s step
	for _, parent := range at.commit.Parents {
		before, missing, err := l.before(ctx, at, parent)
		if err != nil {
			return step{}, err
		}
		s.missing = s.missing || missing
		if before == nil {
			continue
		}
		if before.state.value == at.state.value {
			s.same = before
			return s, nil
		}
		s.parents = append(s.parents, before)
	}
	return s, nil
}

// kind says what a commit did that differs from all its parents.
func (s step) kind(at *point) Kind {
	switch {
	case !at.state.present:
		return Removed
	case !slices.ContainsFunc(s.parents, func(p *point) bool { return p.state.present }):
		return Added
	}
	return Changed
}

func short(hash string) string { return hash[:min(7, len(hash))] }
