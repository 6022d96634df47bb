package git

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// fence is how far file URLs reach. The zero value lets nothing through.
type fence struct {
	roots []string
	kept  string // a store's folder: the name of a repository in it is no secret, and its content may be
}

func (s *Store) fence() fence { return fence{roots: s.FileRoots, kept: s.Dir} }

// folder is where a path really leads, when that may be read.
func (f fence) folder(path string) (string, error) {
	if len(f.roots) == 0 {
		return "", problem(ErrURL, "repositories on the applier's own disk are not read: give the folder that they are in with --allow-file-root, or use https or ssh")
	}
	real, err := resolved(path)
	if err != nil {
		return "", err
	}
	allowed := func(root string) bool {
		root, err := resolved(root)
		return err == nil && inside(real, root)
	}
	if !slices.ContainsFunc(f.roots, allowed) {
		return "", problem(ErrURL, "it is, or leads, outside the folders that --allow-file-root gives")
	}
	if kept, err := resolved(f.kept); err != nil || inside(real, kept) {
		return "", problem(ErrURL, "it is, or leads, where fetched repositories are kept, which are other people's: use the URL that it was fetched from")
	}
	return real, nil
}

// resolved follows links, as far as there is something.
func resolved(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return real, err
	}
	parent, err := resolved(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}

// inside says whether a path is a folder or in it, also where one folder has two names.
func inside(path, folder string) bool {
	want, err := os.Stat(folder)
	there := err == nil
	for ; ; path = filepath.Dir(path) {
		if path == folder {
			return true
		}
		if got, err := os.Stat(path); there && err == nil && os.SameFile(got, want) {
			return true
		}
		if path == filepath.Dir(path) {
			return false
		}
	}
}
