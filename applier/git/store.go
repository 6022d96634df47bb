package git

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Store is a folder of bare repositories, one for each URL, shared by whoever reads that URL. It is safe for
// concurrent use, and several processes may share a folder.
type Store struct {
	// Dir is made when it is missing.
	Dir string
	// MaxTransfer is how many bytes are taken from a remote at once, at most; a repository that sends more is
	// [ErrTooLarge]. 0: 4 GiB.
	MaxTransfer int64

	mu   sync.Mutex
	open map[string]*Repository
}

const defaultMaxTransfer = 4 << 30

// Repository opens what is on disk of a URL, nothing when it was never fetched. It is the same for the same URL.
// What a process that was killed left behind does not hinder it.
func (s *Store) Repository(remote string) (*Repository, error) {
	if _, err := parseURL(remote); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.open[remote]; ok {
		return r, nil
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of repositories: %w", err)
	}
	sum := sha256.Sum256([]byte(remote))
	limit := s.MaxTransfer
	if limit == 0 {
		limit = defaultMaxTransfer
	}
	r := &Repository{url: remote, path: filepath.Join(s.Dir, hex.EncodeToString(sum[:16])+".git"), limit: limit,
		gate: make(chan struct{}, 1)}
	if err := r.load(); err != nil {
		return nil, err
	}
	if s.open == nil {
		s.open = map[string]*Repository{}
	}
	s.open[remote] = r
	return r, nil
}

// Remove deletes what is on disk of a URL, once nothing reads it any more. A fetch that is under way ends first.
func (s *Store) Remove(ctx context.Context, remote string) error {
	r, err := s.Repository(remote)
	if err != nil {
		return err
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	defer r.leave()
	unlock, err := lock(ctx, r.path+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	r.exchange(nil)
	s.mu.Lock()
	delete(s.open, remote)
	s.mu.Unlock()
	if err := os.RemoveAll(r.path); err != nil {
		return fmt.Errorf("removing the repository of %s from disk: %w", redact(remote), err)
	}
	return nil
}

// parseURL accepts https, ssh and file, without a secret.
func parseURL(remote string) (*url.URL, error) {
	u, err := url.Parse(remote)
	if err != nil {
		return nil, problem(ErrURL, "reading %s: it is no URL", redact(remote))
	}
	_, secret := u.User.Password()
	switch {
	case u.Scheme != "https" && u.Scheme != "ssh" && u.Scheme != "file":
		return nil, problem(ErrURL, "reading %s: it must begin with https://, ssh:// or file://", redact(remote))
	case secret || u.Scheme == "https" && u.User != nil:
		return nil, problem(ErrURL, "reading %s: the URL carries credentials: put them into the Secret that secretRef names", redact(remote))
	case u.Scheme != "file" && u.Hostname() == "":
		return nil, problem(ErrURL, "reading %s: it names no host", redact(remote))
	case u.Scheme == "file" && u.Host != "":
		return nil, problem(ErrURL, "reading %s: a file URL has three slashes: file:///srv/ops.git", redact(remote))
	case strings.Trim(u.Path, "/") == "":
		return nil, problem(ErrURL, "reading %s: it names no repository", redact(remote))
	}
	return u, nil
}
