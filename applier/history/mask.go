package history

import (
	"bytes"
	"io/fs"
	"path"

	"github.com/gitlatch/gitlatch/applier/git"
)

// mask is a tree in which only some files are. Each file of plain YAML is read by
// itself, so that those that can't hold the object need not be.
type mask struct {
	tree  *git.Tree
	files map[string][]byte
	dirs  map[string]bool
}

var (
	_ fs.ReadDirFS  = (*mask)(nil)
	_ fs.ReadFileFS = (*mask)(nil)
	_ fs.StatFS     = (*mask)(nil)
)

func newMask(tree *git.Tree, folder string, files map[string][]byte) *mask {
	m := &mask{tree: tree, files: files, dirs: map[string]bool{}}
	m.show(folder)
	for name := range files {
		m.show(path.Dir(name))
	}
	return m
}

func (m *mask) show(folder string) {
	for ; !m.dirs[folder]; folder = path.Dir(folder) {
		m.dirs[folder] = true
	}
}

func (m *mask) has(name string) bool {
	_, ok := m.files[name]
	return ok || m.dirs[name]
}

// Open opens what is shown.
func (m *mask) Open(name string) (fs.File, error) {
	if !m.has(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return m.tree.Open(name)
}

// ReadFile reads what is shown.
func (m *mask) ReadFile(name string) ([]byte, error) {
	content, ok := m.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
	}
	return bytes.Clone(content), nil
}

// Stat describes what is shown.
func (m *mask) Stat(name string) (fs.FileInfo, error) {
	if !m.has(name) {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
	}
	return m.tree.Stat(name)
}

// ReadDir lists what is shown of a folder.
func (m *mask) ReadDir(name string) ([]fs.DirEntry, error) {
	if !m.dirs[name] {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	entries, err := m.tree.ReadDir(name)
	var shown []fs.DirEntry
	for _, entry := range entries {
		if m.has(path.Join(name, entry.Name())) {
			shown = append(shown, entry)
		}
	}
	return shown, err
}
