package git

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
)

// transfer brings what is missing of a revision into a repository's folder, and returns a view of it with the
// references that it is to have. Nothing names the new objects yet.
func (r *Repository) transfer(ctx context.Context, c Credentials, rev Revision, target string, anew bool) (*disk, references, error) {
	have := references{names: map[string]string{}}
	if !anew {
		var err error
		if have, err = r.current().references(); err != nil {
			return nil, have, fmt.Errorf("%w: reading the references on disk: %w", ErrCorrupt, err)
		}
	}
	into, err := receive(target, r.limit)
	if err != nil {
		return nil, have, err
	}
	defer into.close()
	named, err := r.exchangeObjects(ctx, c, rev, have, into, false)
	if refused(err) && ctx.Err() == nil {
		named, err = r.exchangeObjects(ctx, c, rev, have, into, true)
	}
	if err != nil {
		return nil, have, err
	}
	d, err := openDisk(osfs.New(target))
	if err != nil {
		return nil, have, err
	}
	if err := d.complete(ctx, rev, have, redact(r.url)); err != nil {
		d.close()
		return nil, have, err
	}
	return d, keep(d, have, named, rev), nil
}

// refused says whether a server did not want to give a commit by its hash: git's own message for it.
func refused(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "not our ref") || strings.Contains(err.Error(), "unadvertised object"))
}

// exchangeObjects has one conversation: what is named there, what is wanted of it, and the pack. A commit that no
// reference names is asked for by its hash where the server offers that, else all branches are.
func (r *Repository) exchangeObjects(ctx context.Context, c Credentials, rev Revision, have references, into *incoming, all bool) (named references, err error) {
	conversation, err := r.dial(ctx, c)
	if err != nil {
		return named, err
	}
	defer func() { err = errors.Join(err, conversation.close()) }()
	if named, err = conversation.list(ctx); err != nil {
		return named, err
	}
	whole := map[string]bool{}
	for _, hash := range have.names {
		whole[hash] = true
	}
	wants := map[string]bool{}
	if s, ok := conversation.(*session); !all && (slices.Contains(slices.Collect(maps.Values(named.names)), rev.Object) || ok && s.anyCommit()) {
		wants[rev.Object] = true
	} else {
		for name, hash := range named.names {
			if name == "HEAD" || strings.HasPrefix(name, branches) {
				wants[hash] = true
			}
		}
	}
	for _, hash := range named.tags() {
		wants[hash] = true
	}
	maps.DeleteFunc(wants, func(hash string, _ bool) bool { return whole[hash] })
	if len(wants) == 0 {
		return named, nil
	}
	haves, err := r.haves(ctx, have)
	if err != nil {
		return named, err
	}
	return named, conversation.fetch(ctx, into, hashes(slices.Sorted(maps.Keys(wants))), haves)
}

// maxHaves bounds what a server is told about what is here already.
const maxHaves = 512

// haves are commits on disk whose history is whole: what references name, and for each branch some before, closer
// together near to it, so that a server which lost the newest in a rewrite still finds a common one.
func (r *Repository) haves(ctx context.Context, have references) ([]plumbing.Hash, error) {
	found := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(have.names)) { // branches come before tags
		target, kind, err := r.peel(have.names[name])
		if err != nil || kind != plumbing.CommitObject || found[target] {
			continue
		}
		if len(found) >= maxHaves || ctx.Err() != nil {
			break
		}
		found[target] = true
		if strings.HasPrefix(name, tags) {
			continue
		}
		if err := r.before(target, found); err != nil {
			return nil, err
		}
	}
	return hashes(slices.Sorted(maps.Keys(found))), ctx.Err()
}

// before adds some of a commit's first parents, and their first parents.
func (r *Repository) before(commit string, found map[string]bool) error {
	for i, next := 0, 1; i < 4096 && len(found) < maxHaves; i++ {
		c, err := r.Commit(commit)
		if errors.Is(err, ErrCommitNotFound) || err == nil && len(c.Parents) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if commit = c.Parents[0]; i+1 == next {
			found[commit] = true
			next += 1 + next/8
		}
	}
	return nil
}

func hashes(texts []string) []plumbing.Hash {
	all := make([]plumbing.Hash, 0, len(texts))
	for _, text := range texts {
		all = append(all, plumbing.NewHash(text))
	}
	return all
}

// keep says which references a repository has after a fetch: the branches that the remote still has, as they were
// when they were fetched; the remote's tags; and what was fetched now.
func keep(d *disk, have, named references, rev Revision) references {
	r := references{head: named.head, names: map[string]string{}}
	for name, hash := range have.names {
		if _, still := named.names[name]; still && !strings.HasPrefix(name, tags) || strings.HasPrefix(name, followed) {
			r.names[name] = hash
		}
	}
	for name, hash := range named.tags() {
		if d.has(plumbing.NewHash(hash)) {
			r.names[name] = hash
		}
	}
	r.names[rev.reference()] = rev.Object
	return r
}
