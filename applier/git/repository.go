package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Repository is one repository on disk. It is safe for concurrent use: readers don't wait for a fetch.
type Repository struct {
	url   string // "" for one that is only read
	path  string // the bare repository below a store's folder
	limit int64  // bytes of one transfer
	fence fence  // for a file URL

	gate chan struct{} // full while somebody fetches

	mu      sync.Mutex
	disk    *disk // nil while nothing was fetched
	suspect bool  // something on disk can't be read: the next fetch begins anew
}

// load opens what a store has on disk. What is corrupt is left out, and replaced by the next fetch.
func (r *Repository) load() error {
	if _, err := os.Stat(r.path); errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	err := check(r.path)
	if errors.Is(err, ErrCorrupt) {
		r.suspect = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("checking the repository of %s on disk: %w", redact(r.url), err)
	}
	r.disk, err = openDisk(osfs.New(r.path))
	return err
}

// current is what is on disk now; nil when nothing was fetched.
func (r *Repository) current() *disk {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.disk
}

// exchange puts another view of the disk into place.
func (r *Repository) exchange(next *disk) {
	r.mu.Lock()
	old := r.disk
	r.disk, r.suspect = next, false
	r.mu.Unlock()
	if old != nil {
		old.close()
	}
}

// object returns the kind and the content of an object. One that isn't there is [ErrCommitNotFound]; one that can't
// be read makes the next fetch begin anew.
func (r *Repository) object(hash string) (plumbing.ObjectType, []byte, error) {
	d := r.current()
	if d == nil {
		return plumbing.InvalidObject, nil, notFetched(hash)
	}
	kind, content, err := d.object(plumbing.NewHash(hash))
	for again := r.current(); err != nil && again != d; again = r.current() {
		d = again // it was exchanged, and closed, while it was read
		kind, content, err = d.object(plumbing.NewHash(hash))
	}
	if errors.Is(err, plumbing.ErrObjectNotFound) {
		return plumbing.InvalidObject, nil, notFetched(hash)
	}
	if err != nil {
		return plumbing.InvalidObject, nil, r.damaged(hash, err)
	}
	return kind, content, nil
}

func notFetched(hash string) error {
	return problem(ErrCommitNotFound, "reading %s: it is not on disk: it was never fetched", short(hash))
}

// damaged remembers that something which must be there can't be read.
func (r *Repository) damaged(hash string, err error) error {
	r.mu.Lock()
	r.suspect = true
	r.mu.Unlock()
	return fmt.Errorf("%w: reading object %s: %w: the next fetch begins anew", ErrCorrupt, short(hash), err)
}

// needed reads an object that belongs to a commit on disk, so that it must be there.
func (r *Repository) needed(hash string, want plumbing.ObjectType) ([]byte, error) {
	kind, content, err := r.object(hash)
	if errors.Is(err, ErrCommitNotFound) {
		return nil, r.damaged(hash, plumbing.ErrObjectNotFound)
	}
	if err != nil {
		return nil, err
	}
	if kind != want {
		return nil, r.damaged(hash, fmt.Errorf("it is a %s, not a %s", kind, want))
	}
	return content, nil
}

// size of an object, without reading it.
func (r *Repository) size(hash plumbing.Hash) (int64, error) {
	d := r.current()
	if d == nil {
		return 0, notFetched(hash.String())
	}
	size, err := d.size(hash)
	for again := r.current(); err != nil && again != d; again = r.current() {
		d = again
		size, err = d.size(hash)
	}
	if err != nil {
		return 0, r.damaged(hash.String(), err)
	}
	return size, nil
}

// peel follows tag objects to what they stand for.
func (r *Repository) peel(hash string) (string, plumbing.ObjectType, error) {
	for range 10 { // git allows a tag of a tag; nobody needs ten
		kind, content, err := r.object(hash)
		if err != nil || kind != plumbing.TagObject {
			return hash, kind, err
		}
		target, ok := strings.CutPrefix(string(content[:min(len(content), 47)]), "object ")
		if !ok || !plumbing.IsHash(target) {
			return "", kind, fmt.Errorf("%w: tag object %s names nothing", ErrCorrupt, short(hash))
		}
		hash = target
	}
	return "", plumbing.InvalidObject, fmt.Errorf("%w: a tag of a tag of a tag, and so on, at %s", ErrCorrupt, short(hash))
}

// Local is what Resolve says, from what is on disk; Ref{} is HEAD.
func (r *Repository) Local(ref Ref) (Revision, error) {
	d := r.current()
	if d == nil {
		return Revision{}, notFetched(ref.String())
	}
	refs, err := d.references()
	if err != nil {
		return Revision{}, fmt.Errorf("reading the references on disk: %w", err)
	}
	found, err := refs.resolve(ref, "the repository on disk")
	if err != nil {
		return Revision{}, err
	}
	commit, kind, err := r.peel(found.Object)
	if errors.Is(err, ErrCommitNotFound) {
		return Revision{}, problem(ErrRefNotFound, "reading the repository on disk: there is no %s", ref)
	}
	if err != nil {
		return Revision{}, err
	}
	if kind != plumbing.CommitObject {
		return Revision{}, problem(ErrRefNotFound, "reading the repository on disk: %s names a %s, not a commit", ref, kind)
	}
	found.Commit = commit
	return found, nil
}

// Commit returns one commit; [ErrCommitNotFound] when it isn't on disk.
func (r *Repository) Commit(hash string) (Commit, error) {
	kind, content, err := r.object(hash)
	if err != nil {
		return Commit{}, err
	}
	if kind != plumbing.CommitObject {
		return Commit{}, problem(ErrCommitNotFound, "reading %s: it is a %s, not a commit", short(hash), kind)
	}
	return parseCommit(hash, content)
}

func parseCommit(hash string, content []byte) (Commit, error) {
	raw := new(plumbing.MemoryObject)
	raw.SetType(plumbing.CommitObject)
	if _, err := raw.Write(content); err != nil {
		return Commit{}, err
	}
	var c object.Commit
	if err := c.Decode(raw); err != nil {
		return Commit{}, fmt.Errorf("%w: reading commit %s: %w", ErrCorrupt, short(hash), err)
	}
	parents := make([]string, 0, len(c.ParentHashes))
	for _, parent := range c.ParentHashes {
		parents = append(parents, parent.String())
	}
	subject, body, _ := strings.Cut(strings.TrimLeft(strings.ToValidUTF8(c.Message, "�"), "\n"), "\n")
	return Commit{
		Hash: hash, Tree: c.TreeHash.String(), Parents: parents,
		Author:    Person{Name: c.Author.Name, Email: c.Author.Email, When: c.Author.When},
		Committer: Person{Name: c.Committer.Name, Email: c.Committer.Email, When: c.Committer.When},
		Subject:   strings.TrimSpace(subject), Body: strings.TrimSpace(body),
		Signed: c.PGPSignature != "",
	}, nil
}

// short is a hash for people.
func short(hash string) string {
	if plumbing.IsHash(hash) {
		return hash[:7]
	}
	return hash
}

// enter waits until nobody else fetches.
func (r *Repository) enter(ctx context.Context) error {
	select {
	case r.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return problem(ctx.Err(), "reading %s: stopped while another sync was fetching: %v", redact(r.url), ctx.Err())
	}
}

func (r *Repository) leave() { <-r.gate }
