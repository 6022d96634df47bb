package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// workTree is a working copy as the applier would see its files in a commit: nothing
// outside of it, no .git, and submodules as empty folders. What git ignores, or does not
// know yet, is there. A symbolic link is followed inside the working copy only.
type workTree struct {
	root *os.Root
	fsys fs.FS
}

var (
	_ fs.ReadDirFS  = (*workTree)(nil)
	_ fs.ReadFileFS = (*workTree)(nil)
	_ fs.StatFS     = (*workTree)(nil)
)

func openWorkTree(dir string) (*workTree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the working copy: %w", err)
	}
	return &workTree{root: root, fsys: root.FS()}, nil
}

func (t *workTree) close() { _ = t.root.Close() } // read only: nothing to lose

// Open opens a file or a folder.
func (t *workTree) Open(name string) (fs.File, error) {
	if err := t.hidden("open", name); err != nil {
		return nil, err
	}
	info, err := fs.Stat(t.fsys, name)
	if err != nil {
		return nil, plainer(err)
	}
	if !info.IsDir() && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNoFile}
	}
	file, err := t.fsys.Open(name)
	return file, plainer(err)
}

var errNoFile = errors.New("is neither a file nor a folder")

// ReadFile returns a file's content.
func (t *workTree) ReadFile(name string) ([]byte, error) {
	file, err := t.Open(name) // a pipe would be waited for
	if err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	content, err := fs.ReadFile(t.fsys, name)
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = &fs.PathError{Op: at.Op, Path: name, Err: at.Err} // it names where the working copy is
	}
	return content, err
}

// Stat describes what is at a path, links followed.
func (t *workTree) Stat(name string) (fs.FileInfo, error) {
	if err := t.hidden("stat", name); err != nil {
		return nil, err
	}
	info, err := fs.Stat(t.fsys, name)
	return info, plainer(err)
}

// ReadDir lists a folder by name.
func (t *workTree) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := t.hidden("readdir", name); err != nil {
		return nil, err
	}
	if name != "." && t.submodule(name) {
		return nil, nil
	}
	entries, err := fs.ReadDir(t.fsys, name)
	if err != nil {
		return nil, plainer(err)
	}
	shown := make([]fs.DirEntry, 0, len(entries))
	for _, entry := range entries {
		if entry.Name() != gitFolder {
			shown = append(shown, entry)
		}
	}
	return shown, nil
}

// gitFolder is where git keeps its files in a working copy.
const gitFolder = ".git"

// hidden refuses what no commit holds: .git, and what is in a submodule.
func (t *workTree) hidden(op, name string) error {
	if !fs.ValidPath(name) {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	gone := &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	if path.Base(name) == gitFolder {
		return gone
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if path.Base(dir) == gitFolder || t.submodule(dir) {
			return gone
		}
	}
	return nil
}

func (t *workTree) submodule(dir string) bool {
	_, err := t.root.Lstat(filepath.Join(filepath.FromSlash(dir), gitFolder))
	return err == nil
}

// plainer says of a link that leads out what it is.
func plainer(err error) error {
	at := (*fs.PathError)(nil)
	if errors.As(err, &at) && at.Err != nil && at.Err.Error() == "path escapes from parent" {
		return &fs.PathError{Op: at.Op, Path: at.Path, Err: errors.New("is, or is behind, a symbolic link that leads out of the repository")}
	}
	return err
}

// workingCopy finds the root of the working copy that a folder is in, and where the
// folder is below it. With root named, that is the root.
func workingCopy(folder, root string) (top, below string, err error) {
	folder, err = filepath.Abs(folder)
	if err != nil {
		return "", "", fmt.Errorf("finding %s: %w", folder, err)
	}
	if root != "" {
		if top, err = filepath.Abs(root); err != nil {
			return "", "", fmt.Errorf("finding %s: %w", root, err)
		}
	} else if top = above(folder); top == "" {
		return "", "", fmt.Errorf("neither %s nor a folder above it is a git working copy: name its root with --root", folder)
	}
	below, err = filepath.Rel(top, folder)
	if err != nil || below == ".." || strings.HasPrefix(below, ".."+string(filepath.Separator)) {
		return "", "", fmt.Errorf("%s is not below the root %s", folder, top)
	}
	return top, filepath.ToSlash(below), nil
}

// above is the folder that holds .git, from one upwards; "" when none does.
func above(folder string) string {
	for {
		if _, err := os.Stat(filepath.Join(folder, gitFolder)); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return ""
		}
		folder = parent
	}
}
