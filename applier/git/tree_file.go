package git

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"time"
)

// fileInfo describes one path, and is its entry in a listing.
type fileInfo struct {
	tree  *Tree
	path  string
	entry entry
	size  int64
}

func (i *fileInfo) Name() string      { return path.Base(i.path) }
func (i *fileInfo) Size() int64       { return i.size }
func (i *fileInfo) Mode() fs.FileMode { return i.entry.mode() }

// Submodule tells an empty folder of which the content is in another repository.
func (i *fileInfo) Submodule() bool { return i.entry.kind == submodule }

func (i *fileInfo) Type() fs.FileMode  { return i.entry.mode().Type() }
func (i *fileInfo) ModTime() time.Time { return i.tree.when }
func (i *fileInfo) IsDir() bool        { return i.entry.mode().IsDir() }
func (i *fileInfo) String() string     { return fs.FormatDirEntry(i) }

// Sys returns git's hash of the content.
func (i *fileInfo) Sys() any { return i.entry.hash.String() }

// Info describes an entry of a listing.
func (i *fileInfo) Info() (fs.FileInfo, error) {
	measured := *i
	return &measured, measured.measure()
}

// measure finds the size of a file, without reading it.
func (i *fileInfo) measure() error {
	if i.IsDir() {
		return nil
	}
	size, err := i.tree.repository.size(i.entry.hash)
	if err != nil {
		return &fs.PathError{Op: "stat", Path: i.path, Err: err}
	}
	i.size = size
	return nil
}

// openFile is a file that is read when the first byte is.
type openFile struct {
	info   *fileInfo
	reader *bytes.Reader
	closed bool
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info.Info() }

func (f *openFile) Close() error {
	f.closed, f.reader = true, nil
	return nil
}

func (f *openFile) load(op string) error {
	if f.closed {
		return &fs.PathError{Op: op, Path: f.info.path, Err: fs.ErrClosed}
	}
	if f.reader != nil {
		return nil
	}
	content, err := f.info.tree.content(f.info.path, f.info.entry)
	f.reader = bytes.NewReader(content)
	return err
}

func (f *openFile) Read(p []byte) (int, error) {
	if err := f.load("read"); err != nil {
		return 0, err
	}
	return f.reader.Read(p)
}

// Seek moves to where the next Read begins.
func (f *openFile) Seek(offset int64, whence int) (int64, error) {
	if err := f.load("seek"); err != nil {
		return 0, err
	}
	return f.reader.Seek(offset, whence)
}

// openFolderFile is a folder that is being listed.
type openFolderFile struct {
	info *fileInfo
	rest []fs.DirEntry
}

func (f *openFolderFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFolderFile) Close() error               { return nil }

func (f *openFolderFile) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.info.path, Err: fs.ErrInvalid}
}

// ReadDir lists the next n entries, or all of them.
func (f *openFolderFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if n > 0 && len(f.rest) == 0 {
		return nil, io.EOF
	}
	if n <= 0 || n > len(f.rest) {
		n = len(f.rest)
	}
	next := f.rest[:n]
	f.rest = f.rest[n:]
	return next, nil
}
