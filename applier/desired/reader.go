package desired

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// What a folder may hold at most. Nobody reads a repository of this size by intent, and
// the applier has other folders to keep.
const (
	maxFiles = 50_000
	maxDepth = 64
	maxFile  = 64 << 20  // bytes of one file
	maxTotal = 256 << 20 // bytes of all files, anchors written out
)

// reader is the source as one run reads it: what was read is remembered, and what is
// too much is refused. Only one goroutine may use it.
type reader struct {
	ctx  context.Context
	src  *source
	read map[string]struct{}
	left int
}

func newReader(ctx context.Context, src *source) *reader {
	return &reader{ctx: ctx, src: src, read: map[string]struct{}{}, left: maxTotal}
}

// file is the content of a file, decrypted, without a byte order mark.
func (in *reader) file(name string) ([]byte, error) {
	if err := in.ctx.Err(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if info, err := in.src.Stat(name); err == nil && info.Size() > maxFile {
		return nil, &Error{Reason: ReasonPath, File: name, Err: fmt.Errorf("is larger than %d MiB", maxFile>>20)}
	}
	content, err := in.src.ReadFile(name)
	if err != nil {
		if typed := (*Error)(nil); errors.As(err, &typed) {
			return nil, err
		}
		return nil, &Error{Reason: ReasonPath, File: name, Err: plainError(err)}
	}
	in.read[name] = struct{}{}
	if err := in.spend(name, len(content)); err != nil {
		return nil, err
	}
	return bytes.TrimPrefix(content, []byte("\xEF\xBB\xBF")), nil
}

// errSubmodule: taken for an empty folder, what it holds would be deleted from the
// cluster.
var errSubmodule = errors.New("is a submodule, and those are not fetched: put its files into this repository, or give its own one a sync")

// submodule asks what a tree of applier/git tells of its folders.
func submodule(info fs.FileInfo) bool {
	s, ok := info.(interface{ Submodule() bool })
	return ok && s.Submodule()
}

// plainError leaves out the path, which the error around it names.
func plainError(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return at.Err
	}
	return err
}

// spend takes from what may be read in one run.
func (in *reader) spend(name string, size int) error {
	in.left -= size
	if in.left < 0 {
		return &Error{Reason: ReasonPath, File: name, Err: fmt.Errorf("is more than can be read: the folder's files are larger than %d MiB", maxTotal>>20)}
	}
	return nil
}

// walk visits the files below a folder in order. skip leaves out a file or folder by
// its path below the root.
func (in *reader) walk(dir string, skip func(name string, info fs.FileInfo) bool, visit func(name string) error) error {
	files := 0
	return in.descend(dir, 0, skip, func(name string) error {
		if files++; files > maxFiles {
			return &Error{Reason: ReasonPath, File: dir, Err: fmt.Errorf("holds more than %d files", maxFiles)}
		}
		return visit(name)
	})
}

func (in *reader) descend(dir string, depth int, skip func(string, fs.FileInfo) bool, visit func(string) error) error {
	if err := in.ctx.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", dir, err)
	}
	if depth > maxDepth {
		return &Error{Reason: ReasonPath, File: dir, Err: fmt.Errorf("is more than %d folders deep", maxDepth)}
	}
	if info, err := in.src.Stat(dir); err == nil && submodule(info) {
		return &Error{Reason: ReasonPath, File: dir, Err: errSubmodule}
	}
	entries, err := in.src.ReadDir(dir)
	if err != nil {
		return &Error{Reason: ReasonPath, File: dir, Err: plainError(err)}
	}
	for _, entry := range entries {
		name := path.Join(dir, entry.Name())
		info, err := in.src.Stat(name) // a symlink's target, not the link
		if err != nil {
			return &Error{Reason: ReasonPath, File: name, Err: plainError(err)}
		}
		switch {
		case skip(name, info):
		case info.IsDir():
			if err := in.descend(name, depth+1, skip, visit); err != nil {
				return err
			}
		default:
			if err := visit(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// inputs are the files that were read, sorted.
func (in *reader) inputs() []string { return slices.Sorted(maps.Keys(in.read)) }

// decrypted tells whether a file that was read is encrypted in git.
func (in *reader) decrypted() bool {
	for name := range in.read {
		if in.src.encrypted(name) {
			return true
		}
	}
	return false
}

func hidden(name string) bool { return strings.HasPrefix(path.Base(name), ".") }

// below is a path as seen from a folder above it.
func below(dir, name string) string {
	if dir == "." {
		return name
	}
	return strings.TrimPrefix(name, dir+"/")
}
