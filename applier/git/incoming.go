package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
)

// incoming takes objects from outside into a repository. A pack is read to its end, indexed and compared with its
// checksum in a folder of its own, and only then renamed into its place, first the index, then the pack: a process
// that is killed leaves nothing that a reader would take for whole.
type incoming struct {
	repository string // the bare repository's folder
	staging    string
	limit      int64 // bytes that are still taken
	max        int64
}

const stagingPrefix = "incoming-"

func receive(repository string, limit int64) (*incoming, error) {
	if err := leftovers(repository, stagingPrefix, ".new-"); err != nil {
		return nil, err
	}
	staging, err := os.MkdirTemp(repository, stagingPrefix)
	if err != nil {
		return nil, err
	}
	return &incoming{repository: repository, staging: staging, limit: limit, max: limit}, nil
}

func (in *incoming) close() error { return os.RemoveAll(in.staging) }

// pack takes one pack.
func (in *incoming) pack(ctx context.Context, from io.Reader) error {
	f, err := os.CreateTemp(in.staging, "*.pack")
	if err != nil {
		return err
	}
	if err := in.copy(ctx, f, from); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return in.place(f.Name())
}

// place indexes a pack in the staging folder, and moves it to where it is read.
func (in *incoming) place(path string) error {
	sum, err := indexPack(path)
	if err != nil {
		return err
	}
	index := path[:len(path)-len(".pack")] + ".idx"
	to := filepath.Join(in.repository, "objects", "pack", "pack-"+sum.String())
	if err := os.Rename(index, to+".idx"); err != nil {
		return err
	}
	return os.Rename(path, to+".pack")
}

// copy copies what a remote sends, up to the limit.
func (in *incoming) copy(ctx context.Context, to io.Writer, from io.Reader) error {
	n, err := io.Copy(to, io.LimitReader(cancelled{ctx, from}, in.limit+1))
	if in.limit -= n; in.limit < 0 {
		return problem(ErrTooLarge, "the repository is larger than the %d MiB that are taken at once", in.max>>20)
	}
	return err
}

// loose takes one object that stands in a file of its own, when its content is what its name says.
func (in *incoming) loose(ctx context.Context, hash plumbing.Hash, path string) error {
	name := hash.String()
	to := filepath.Join(in.repository, "objects", name[:2], name[2:])
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	source, err := os.Open(path)
	if err != nil {
		return err
	}
	defer source.Close()
	f, err := os.CreateTemp(in.staging, "object-")
	if err != nil {
		return err
	}
	if err := in.copy(ctx, f, source); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Sync(), confirm(f, hash), f.Close()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}

// confirm hashes a loose object.
func confirm(f *os.File, want plumbing.Hash) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	reader, err := objfile.NewReader(f)
	if err != nil {
		return fmt.Errorf("%w: object %s: %w", ErrCorrupt, want, err)
	}
	if _, _, err = reader.Header(); err == nil {
		_, err = io.Copy(io.Discard, reader)
	}
	if err := errors.Join(err, reader.Close()); err != nil {
		return fmt.Errorf("%w: object %s: %w", ErrCorrupt, want, err)
	}
	if reader.Hash() != want {
		return fmt.Errorf("%w: object %s holds what has another hash", ErrCorrupt, want)
	}
	return nil
}

// cancelled is a reader that ends with its context.
type cancelled struct {
	ctx  context.Context
	from io.Reader
}

func (c cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.from.Read(p)
}
