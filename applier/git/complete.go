package git

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
)

// complete looks whether a revision is there as a whole: every commit of its history up to those that were whole
// before, and every file of its own tree. A server that sends less is found out here, not in the middle of an apply.
func (d *disk) complete(ctx context.Context, rev Revision, have references, where string) error {
	known := map[string]bool{}
	for _, hash := range have.names {
		known[hash] = true
	}
	kind, _, err := d.object(plumbing.NewHash(rev.Commit))
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return problem(ErrRefNotFound, "reading %s: there is no commit %s: it was never pushed, or the branch that had it was rewritten", where, rev.Commit)
	case err != nil:
		return fmt.Errorf("%w: commit %s: %w", ErrCorrupt, rev.Commit, err)
	case kind != plumbing.CommitObject:
		return problem(ErrRefNotFound, "reading %s: %s names a %s, not a commit", where, rev.Object, kind)
	}
	for next, seen := []string{rev.Commit}, map[string]bool{}; len(next) > 0; {
		hash := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[hash] || known[hash] {
			continue
		}
		seen[hash] = true
		commit, err := d.commit(hash)
		if err != nil {
			return fmt.Errorf("%w: commit %s of the history is missing: %w", ErrCorrupt, hash, err)
		}
		if next = append(next, commit.Parents...); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	commit, err := d.commit(rev.Commit)
	if err != nil {
		return err
	}
	_, err = (&census{disk: d, counted: map[plumbing.Hash]int{}}).count(ctx, plumbing.NewHash(commit.Tree), 0)
	if errors.Is(err, ErrTooLarge) {
		return problem(ErrTooLarge, "reading %s: commit %s: %v", where, rev.Commit, err)
	}
	return err
}

func (d *disk) commit(hash string) (Commit, error) {
	_, content, err := d.object(plumbing.NewHash(hash))
	if err != nil {
		return Commit{}, err
	}
	return parseCommit(hash, content)
}

// A tree of a few kilobytes can name itself often enough for more paths than anybody could ever list.
const (
	maxPaths = 1_000_000
	maxDepth = 500
)

// census looks whether all of a tree is there, and counts its paths. A folder that stands in many places is looked at
// once.
type census struct {
	disk    *disk
	counted map[plumbing.Hash]int
}

func (c *census) count(ctx context.Context, tree plumbing.Hash, depth int) (int, error) {
	if n, ok := c.counted[tree]; ok {
		return n, nil
	}
	if depth > maxDepth {
		return 0, problem(ErrTooLarge, "its folders are more than %d deep", maxDepth)
	}
	_, content, err := c.disk.object(tree)
	if err != nil {
		return 0, fmt.Errorf("%w: tree %s is missing: %w", ErrCorrupt, tree, err)
	}
	entries, err := parseTree(content)
	if err != nil {
		return 0, fmt.Errorf("%w: tree %s: %w", ErrCorrupt, tree, err)
	}
	total := len(entries)
	for _, e := range entries {
		switch {
		case e.kind == submodule:
		case e.kind == folder:
			var below int
			below, err = c.count(ctx, e.hash, depth+1)
			total += below
		case !c.disk.has(e.hash):
			err = fmt.Errorf("%w: file %s is missing", ErrCorrupt, e.name)
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		if total > maxPaths {
			return 0, problem(ErrTooLarge, "it has more than %d files", maxPaths)
		}
	}
	c.counted[tree] = total
	return total, nil
}
