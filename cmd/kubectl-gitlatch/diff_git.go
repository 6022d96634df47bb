package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/live"
)

// working compares a folder on disk.
func (d *diff) working(ctx context.Context, c *differ, keys desired.Keys, closed bool) ([]difference, []live.Object, error) {
	top, below, err := workingCopy(d.path, d.root)
	if err != nil {
		return nil, nil, err
	}
	tree, err := openWorkTree(top)
	if err != nil {
		return nil, nil, err
	}
	defer tree.close()
	return d.folder(ctx, c, tree, d.render.ofPath(below, d.server.syncsIn(), keys, closed))
}

// folder renders and compares. What the API server refuses fails the comparison.
func (d *diff) folder(ctx context.Context, c *differ, tree fs.FS, f folder) ([]difference, []live.Object, error) {
	set, err := desired.Render(ctx, tree, f.options)
	if err != nil {
		return nil, nil, fmt.Errorf("rendering %s: %w", f.name, err)
	}
	objects, err := c.cluster.Prepare(set.Objects, f.prepare)
	if err != nil {
		return nil, nil, err
	}
	found, refused, err := c.compare(ctx, objects)
	for _, key := range slices.SortedFunc(maps.Keys(refused), func(a, b live.Key) int { return cmp.Compare(a.String(), b.String()) }) {
		err = errors.Join(err, refused[key])
	}
	return found, objects, err
}

// commit opens the tree that a sync is compared with, and says which it is.
func (d *diff) commit(sync *v1alpha1.GitSync) (*git.Tree, error) {
	repository, err := git.Open(cmp.Or(d.repo, "."))
	if err != nil {
		return nil, fmt.Errorf("%w: run it in a clone of %s, or pass --repo", err, sync.Spec.URL)
	}
	revision, err := d.resolve(repository, sync)
	if err != nil {
		return nil, fmt.Errorf("%w: is it a clone of %s, and up to date?", err, sync.Spec.URL)
	}
	commit, err := repository.Commit(revision.Commit)
	if err != nil {
		return nil, fmt.Errorf("%w: is it a clone of %s, and up to date?", err, sync.Spec.URL)
	}
	name := ""
	if revision.Name != "" {
		name = " (" + revision.Name + ")"
	}
	d.note("git is %s%s %q", shortHash(commit.Hash), name, line(commit.Subject))
	if applied := sync.Status.LastAppliedCommit; applied != "" && applied != commit.Hash {
		d.note("the applier applied %s last", shortHash(applied))
	}
	return repository.Tree(commit.Hash)
}

var fullHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// resolve says which commit is meant, from what is on disk.
func (d *diff) resolve(repository *git.Repository, sync *v1alpha1.GitSync) (git.Revision, error) {
	switch {
	case d.revision == "HEAD":
		return repository.Local(git.Ref{})
	case fullHash.MatchString(d.revision):
		return repository.Local(git.Ref{Commit: d.revision})
	case d.revision != "":
		found, err := repository.Local(git.Ref{Branch: d.revision})
		if errors.Is(err, git.ErrRefNotFound) {
			if tag, problem := repository.Local(git.Ref{Tag: d.revision}); problem == nil {
				return tag, nil
			}
			err = fmt.Errorf("reading the repository on disk: %q is neither a branch nor a tag of it", strings.TrimSpace(d.revision))
		}
		return found, err
	}
	ref := sync.Spec.Ref
	found, err := repository.Local(git.Ref{Branch: ref.Branch, Tag: ref.Tag, Semver: ref.Semver, Commit: ref.Commit})
	if errors.Is(err, git.ErrRefNotFound) && sync.Status.LastAppliedCommit != "" {
		return repository.Local(git.Ref{Commit: sync.Status.LastAppliedCommit})
	}
	return found, err
}
