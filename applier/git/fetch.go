package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
)

// Resolve asks the remote what a ref names, and fetches nothing. The remote is asked for a commit named by its hash
// too: whoever may not read the repository learns nothing from what another sync fetched. That such a commit exists
// is found out by Fetch.
func (r *Repository) Resolve(ctx context.Context, c Credentials, ref Ref) (Revision, error) {
	conversation, err := r.dial(ctx, c)
	if err != nil {
		return Revision{}, explainRemote(ctx, r.url, c, err)
	}
	refs, err := conversation.list(ctx)
	if err := errors.Join(err, conversation.close()); err != nil {
		return Revision{}, explainRemote(ctx, r.url, c, err)
	}
	found, err := refs.resolve(ref, redact(r.url))
	if err == nil && found.Commit == "" { // a lightweight tag: what it holds is a commit, or Fetch says so
		found.Commit = found.Object
	}
	return found, err
}

// Fetch brings a commit, its whole history, and the remote's tags to the disk. Nothing is asked of the remote when
// all of it is there. A branch that was rewritten is followed; what it had before stays on disk. A repository on disk
// that can't be read is replaced by a new one, which is in its place only when it is whole.
//
// The tags on disk are those of the remote: one that was moved or removed there is moved or removed here. A revision
// without Tags, such as one that only has its Commit, kept from long ago, is there whatever became of them.
func (r *Repository) Fetch(ctx context.Context, c Credentials, rev Revision) error {
	if rev.Object == "" {
		rev.Object = rev.Commit
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	defer r.leave()
	unlock, err := lock(ctx, r.path+".lock")
	if err != nil {
		return fmt.Errorf("waiting for the repository of %s on disk: %w", redact(r.url), err)
	}
	defer unlock()
	if done, err := r.present(ctx, rev); done || err != nil {
		return err
	}
	r.mu.Lock()
	anew := r.suspect || r.disk == nil
	r.mu.Unlock()
	err = r.update(ctx, c, rev, anew)
	if errors.Is(err, ErrCorrupt) && !anew && ctx.Err() == nil {
		err = r.update(ctx, c, rev, true)
	}
	return explainRemote(ctx, r.url, c, err)
}

// present says whether a revision is on disk with its history and the tags that it was resolved with, and notes what
// the reference names now.
func (r *Repository) present(ctx context.Context, rev Revision) (bool, error) {
	r.mu.Lock()
	d, suspect := r.disk, r.suspect
	r.mu.Unlock()
	if d == nil || suspect {
		return false, nil
	}
	refs, err := d.references()
	if err != nil {
		return false, nil // it is fetched anew
	}
	if rev.Tags != "" && rev.Tags != refs.digest() || !d.has(plumbing.NewHash(rev.Object)) {
		return false, nil
	}
	whole, err := r.whole(ctx, refs, rev.Commit)
	if err != nil || !whole {
		return false, ctx.Err()
	}
	if name := rev.reference(); refs.names[name] != rev.Object {
		refs.names[name] = rev.Object
		return true, writeReferences(r.path, refs)
	}
	return true, nil
}

// reference is where a revision is kept on disk.
func (rev Revision) reference() string {
	if strings.HasPrefix(rev.Name, "refs/") {
		return rev.Name
	}
	return followed + rev.Commit
}

// whole says whether a commit's history is on disk: it is what a reference names, or before it. References are
// written when everything behind them is there.
func (r *Repository) whole(ctx context.Context, refs references, commit string) (bool, error) {
	if _, err := r.Commit(commit); err != nil {
		return false, nil
	}
	for _, hash := range refs.names {
		if hash == commit {
			return true, nil
		}
	}
	var heads []string
	for _, hash := range refs.names {
		target, kind, err := r.peel(hash)
		switch {
		case err != nil:
			return false, nil
		case target == commit:
			return true, nil
		case kind == plumbing.CommitObject: // git lets a tag name a file
			heads = append(heads, target)
		}
	}
	return r.reaches(ctx, heads, commit)
}

// update asks the remote for what is missing: into the repository on disk, or anew into another one beside it that
// takes its place in the end.
func (r *Repository) update(ctx context.Context, c Credentials, rev Revision, anew bool) (err error) {
	if err := leftovers(filepath.Dir(r.path), filepath.Base(r.path)+".new-", filepath.Base(r.path)+".old-"); err != nil {
		return err
	}
	target := r.path
	if anew {
		target, err = os.MkdirTemp(filepath.Dir(r.path), filepath.Base(r.path)+".new-")
		if err == nil {
			err = create(target)
		}
		if err != nil {
			return fmt.Errorf("making a repository for %s: %w", redact(r.url), err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(target)) }() // nothing once it was renamed
	}
	d, refs, err := r.transfer(ctx, c, rev, target, anew)
	if err != nil {
		return err
	}
	if err := writeReferences(target, refs); err != nil {
		d.close()
		return err
	}
	if !anew {
		r.exchange(d)
		return r.tidy()
	}
	d.close()
	if err := r.takePlace(target); err != nil {
		return err
	}
	if d, err = openDisk(osfs.New(r.path)); err != nil {
		return err
	}
	r.exchange(d)
	return nil
}

// takePlace puts a new repository where the old one is. Killed between the two renames, the next run finds none, and
// makes one.
func (r *Repository) takePlace(target string) error {
	old := r.path + ".old-"
	if err := os.Rename(r.path, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(target, r.path); err != nil {
		return err
	}
	return os.RemoveAll(old)
}
