package main

import (
	"errors"
	"os"
	"path/filepath"
)

// keep fills the target's testdata from the cache, up to this many files, none of them large. Names are hashes, so the
// first of them are as good as any.
func (t target) keep(most int) error {
	into := filepath.Join(t.dir, "testdata", "fuzz", t.name)
	kept, err := os.ReadDir(into)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	from := filepath.Join(t.corpus, t.name)
	found, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	left := most - len(kept)
	for _, entry := range found {
		content, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			return err
		}
		if left <= 0 {
			return nil
		}
		if len(content) > maxKept {
			continue
		}
		if err := os.MkdirAll(into, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(into, entry.Name()), content, 0o644); err != nil {
			return err
		}
		left--
	}
	return nil
}

// maxKept is how large a committed input may be, in bytes.
const maxKept = 2048
