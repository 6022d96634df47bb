package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Remove deletes what is on disk of a URL, once nothing reads it any more. A fetch that is under way ends first.
func (s *Store) Remove(ctx context.Context, remote string) error {
	r, err := s.repository(remote)
	if err != nil {
		return err
	}
	if err := r.enter(ctx); err != nil {
		return err
	}
	defer r.leave()
	if err := empty(ctx, r.path, func() {
		r.exchange(nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, remote)
	}); err != nil {
		return fmt.Errorf("removing the repository of %s from disk: %w", redact(remote), err)
	}
	return nil
}

// Keep deletes from disk all repositories but those of some URLs, as [Store.Remove] does, also what processes before
// this one fetched, and says how many. Nothing else in the folder is touched.
func (s *Store) Keep(ctx context.Context, remotes []string) (removed int, err error) {
	wanted := map[string]bool{}
	for _, remote := range remotes {
		wanted[folderOf(remote)] = true
	}
	s.mu.Lock()
	opened := map[string]string{}
	for remote := range s.open {
		opened[folderOf(remote)] = remote
	}
	s.mu.Unlock()
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("listing the repositories on disk: %w", err)
	}
	name := regexp.MustCompile(`^[0-9a-f]{32}\.git`)
	gone := map[string]bool{}
	var failures []error
	for _, entry := range entries {
		folder := name.FindString(entry.Name())
		if folder == "" || wanted[folder] || gone[folder] {
			continue
		}
		gone[folder] = true
		if remote, ok := opened[folder]; ok {
			err = s.Remove(ctx, remote)
		} else if err = empty(ctx, filepath.Join(s.Dir, folder), func() {}); err != nil {
			err = fmt.Errorf("removing %s, which nobody asks for any more, from disk: %w", folder, err)
		}
		if err != nil {
			failures = append(failures, err)
		} else {
			removed++
		}
	}
	return removed, errors.Join(failures...)
}

// empty deletes a repository and what fetches left beside it, its lock last; before is called when no other process
// changes it any more.
func empty(ctx context.Context, path string, before func()) error {
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	before()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		rest, ok := strings.CutPrefix(entry.Name(), filepath.Base(path))
		if ok && rest != ".lock" {
			if err := os.RemoveAll(filepath.Join(filepath.Dir(path), entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(path + ".lock"); !errors.Is(err, fs.ErrNotExist) { // where there are locks
		return err
	}
	return nil
}
