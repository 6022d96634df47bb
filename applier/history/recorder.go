package history

import (
	"context"
	"errors"
	"io/fs"
	"path"

	"github.com/gitlatch/gitlatch/applier/git"
)

// recorder is the tree of one commit as a render sees it, and remembers what it was
// asked: while every answer stays the same, so does what is rendered. It is for one
// goroutine.
type recorder struct {
	tree *git.Tree
	seen *watch
	// content of the files that were read.
	content map[string][]byte
	// checked are the paths of which it is known whether they are links.
	checked map[string]bool
	// failed is an error of the repository, which says nothing of the commit.
	failed error
}

var (
	_ fs.ReadDirFS  = (*recorder)(nil)
	_ fs.ReadFileFS = (*recorder)(nil)
	_ fs.StatFS     = (*recorder)(nil)
)

func newRecorder(tree *git.Tree) *recorder {
	return &recorder{tree: tree, seen: newWatch(), content: map[string][]byte{}, checked: map[string]bool{}}
}

// Open remembers that a file was read, or a folder listed.
func (r *recorder) Open(name string) (fs.File, error) {
	r.noteLinks(name)
	r.seen.asks(name)
	r.seen.reads(name)
	r.seen.lists(name)
	file, err := r.tree.Open(name)
	return file, r.note(err)
}

// ReadFile remembers that a file was read.
func (r *recorder) ReadFile(name string) ([]byte, error) {
	r.noteLinks(name)
	r.seen.reads(name)
	content, err := r.tree.ReadFile(name)
	if err == nil {
		r.content[name] = content
	}
	return content, r.note(err)
}

// Stat remembers that it was asked what is there.
func (r *recorder) Stat(name string) (fs.FileInfo, error) {
	r.noteLinks(name)
	r.seen.asks(name)
	info, err := r.tree.Stat(name)
	return info, r.note(err)
}

// ReadDir remembers that a folder was listed.
func (r *recorder) ReadDir(name string) ([]fs.DirEntry, error) {
	r.noteLinks(name)
	r.seen.asks(name)
	r.seen.lists(name)
	entries, err := r.tree.ReadDir(name)
	return entries, r.note(err)
}

// noteLinks looks whether a path leads through a link. Then what is there can change
// without any change on the path.
func (r *recorder) noteLinks(name string) {
	for ; name != "." && fs.ValidPath(name) && !r.checked[name]; name = path.Dir(name) {
		r.checked[name] = true
		info, err := r.tree.Lstat(name)
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			r.seen.everything = true
		}
		if link := (*git.LinkError)(nil); errors.As(err, &link) {
			r.seen.everything = true
		}
	}
}

func (r *recorder) note(err error) error {
	if ofRepository(err) && r.failed == nil {
		r.failed = err
	}
	return err
}

// ofRepository tells an error of reading the repository from one that says something
// about the commit.
func ofRepository(err error) bool {
	return errors.Is(err, git.ErrCorrupt) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
