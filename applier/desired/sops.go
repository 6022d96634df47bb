package desired

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"sync"

	"github.com/getsops/sops/v3/logging"
)

// source is the tree that rendering reads: SOPS files decrypted, everything else as it
// is. It is safe for concurrent use.
//
// Read only what is used: each file is decrypted and checked when it is read. What is
// wrong with one is remembered, so that it is not lost in the words of a renderer that
// reads it: ask [source.problems] before the renderer's own error is believed.
type source struct {
	*reading
	// marks is set in the view that shows made-up values, see [source.marked].
	marks bool
}

// reading is what a source and its marked view share.
type reading struct {
	tree      fs.FS
	keys      *keyring
	structure bool // no key at hand: values stay encrypted

	mu     sync.Mutex
	files  map[string]*file // those that were read
	charts map[string]bool  // folders, and whether they are part of a chart
}

// file is what became of one that was read. Content is kept of encrypted ones only.
type file struct {
	encrypted     bool
	plain, marked []byte
	problems      []*Error
}

var (
	_ fs.ReadFileFS = (*source)(nil)
	_ fs.ReadDirFS  = (*source)(nil)
	_ fs.StatFS     = (*source)(nil)
)

// decrypting wraps a tree. It fails where a key can't be read.
func decrypting(tree fs.FS, o Options) (*source, error) {
	// SOPS's loggers write comments of files that it decrypts to standard error.
	for _, logger := range logging.Loggers {
		logger.SetOutput(io.Discard)
	}
	keys, err := newKeyring(o.Keys)
	if err != nil {
		return nil, err
	}
	return &source{reading: &reading{
		tree: tree, keys: keys, structure: o.Encrypted,
		files: map[string]*file{}, charts: map[string]bool{},
	}}, nil
}

// marked is the same tree with every value that is encrypted in git replaced by another
// of its shape. What a rendering of it has in common with that of the tree itself does
// not come from encrypted values.
func (s *source) marked() *source { return &source{reading: s.reading, marks: true} }

// Open opens a file or folder.
func (s *source) Open(name string) (fs.File, error) {
	opened, err := s.tree.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := opened.Stat()
	if err != nil || info.IsDir() {
		return opened, err
	}
	if err := opened.Close(); err != nil {
		return nil, err
	}
	content, err := s.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return &openFile{Reader: bytes.NewReader(content), info: sized{FileInfo: info, size: int64(len(content))}}, nil
}

// ReadFile is the file's content, decrypted.
func (s *source) ReadFile(name string) ([]byte, error) {
	s.mu.Lock()
	known := s.files[name]
	s.mu.Unlock()
	if known != nil && known.encrypted {
		return known.content(s.marks)
	}
	raw, err := fs.ReadFile(s.tree, name)
	if err != nil || known != nil {
		return raw, err
	}
	read := s.examine(name, raw)
	s.mu.Lock()
	s.files[name] = read
	s.mu.Unlock()
	if !read.encrypted {
		return raw, nil
	}
	return read.content(s.marks)
}

// content is a copy, since a renderer may write into what it reads.
func (f *file) content(marks bool) ([]byte, error) {
	switch {
	case f.plain == nil:
		return nil, f.problems[0]
	case marks:
		return bytes.Clone(f.marked), nil
	}
	return bytes.Clone(f.plain), nil
}

// examine decrypts and checks one file.
func (s *source) examine(name string, raw []byte) *file {
	format := detect(name, raw)
	read := &file{encrypted: format != sopsNone}
	// Of a chart's files only what it renders is looked at: examples and templates are
	// no objects.
	if !s.inChart(path.Dir(name)) {
		read.problems = plaintext(name, raw, format)
	}
	if !read.encrypted {
		return read
	}
	var failed *Error
	if read.plain, read.marked, failed = s.open(name, raw, format); failed != nil {
		read.problems = append([]*Error{failed}, read.problems...)
	}
	return read
}

// inChart tells whether a folder is a chart's or below one.
func (s *source) inChart(dir string) bool {
	s.mu.Lock()
	in, known := s.charts[dir]
	s.mu.Unlock()
	if known {
		return in
	}
	_, err := fs.Stat(s.tree, path.Join(dir, "Chart.yaml"))
	in = err == nil || dir != "." && s.inChart(path.Dir(dir))
	s.mu.Lock()
	s.charts[dir] = in
	s.mu.Unlock()
	return in
}

// ReadDir lists a folder.
func (s *source) ReadDir(name string) ([]fs.DirEntry, error) { return fs.ReadDir(s.tree, name) }

// Stat tells of a file or folder. The size is that in git, before decryption.
func (s *source) Stat(name string) (fs.FileInfo, error) { return fs.Stat(s.tree, name) }

// encrypted tells whether a file that was read holds values that are encrypted in git.
func (s *source) encrypted(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	read := s.files[name]
	return read != nil && read.encrypted
}

// anyEncrypted tells whether any file that was read is encrypted.
func (s *source) anyEncrypted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, read := range s.files {
		if read.encrypted {
			return true
		}
	}
	return false
}

// problems is what was wrong with the files read so far: an *[Error] each, in the order
// of their names; nil when there is none.
func (s *source) problems() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.files))
	for name, read := range s.files {
		if len(read.problems) > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var all []error
	for _, name := range names {
		for _, problem := range s.files[name].problems {
			all = append(all, problem)
		}
	}
	return errors.Join(all...)
}
