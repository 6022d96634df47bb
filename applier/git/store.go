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
	// FileRoots are the folders below which repositories of this machine may be read by a file URL, wherever links
	// lead. None: no file URL is read. What is below Dir is never read by one: whoever fetched it may read it, others
	// may not.
	FileRoots []string
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
	u, err := parseURL(remote)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		if _, err := s.fence().folder(filepath.FromSlash(u.Path)); err != nil {
			return nil, explainRemote(context.Background(), remote, Credentials{}, err)
		}
	}
	return s.repository(remote)
}

// repository is [Store.Repository] without a look at the URL.
func (s *Store) repository(remote string) (*Repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.open[remote]; ok {
		return r, nil
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of repositories: %w", err)
	}
	limit := s.MaxTransfer
	if limit == 0 {
		limit = defaultMaxTransfer
	}
	r := &Repository{url: remote, path: filepath.Join(s.Dir, folderOf(remote)), limit: limit,
		fence: s.fence(), gate: make(chan struct{}, 1)}
	if err := r.load(); err != nil {
		return nil, err
	}
	if s.open == nil {
		s.open = map[string]*Repository{}
	}
	s.open[remote] = r
	return r, nil
}

// folderOf is where a URL is kept below the store's folder.
func folderOf(remote string) string {
	sum := sha256.Sum256([]byte(remote))
	return hex.EncodeToString(sum[:16]) + ".git"
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
