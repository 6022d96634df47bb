package git

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// cacheSize bounds the objects that are kept in memory between reads, for each repository: what deltas are applied to.
const cacheSize = 8 * cache.MiByte

// disk reads objects and references of one repository on disk. go-git's storage is not safe for concurrent use once
// it keeps its files open, so one reader at a time.
type disk struct {
	mu    sync.Mutex
	store *filesystem.Storage
	// cut are the commits whose parents were left out by a shallow clone of somebody's.
	cut map[plumbing.Hash]bool
}

// openDisk opens what is below a folder of git's.
func openDisk(folder billy.Filesystem) (*disk, error) {
	store := filesystem.NewStorageWithOptions(folder, cache.NewObjectLRU(cacheSize), filesystem.Options{KeepDescriptors: true})
	shallow, err := store.Shallow()
	if err != nil {
		return nil, err
	}
	d := &disk{store: store, cut: map[plumbing.Hash]bool{}}
	for _, hash := range shallow {
		d.cut[hash] = true
	}
	// A look-up loads the indexes; one that can't be read shows here.
	if err := store.HasEncodedObject(plumbing.ZeroHash); !errors.Is(err, plumbing.ErrObjectNotFound) {
		return nil, fmt.Errorf("%w: reading the packs' indexes: %w", ErrCorrupt, err)
	}
	return d, nil
}

func (d *disk) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.store.Close() // only ever read
}

// object returns an object's kind and content.
func (d *disk) object(hash plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	object, err := d.store.EncodedObject(plumbing.AnyObject, hash)
	if err != nil {
		return plumbing.InvalidObject, nil, err
	}
	reader, err := object.Reader()
	if err != nil {
		return plumbing.InvalidObject, nil, err
	}
	defer reader.Close()
	content := make([]byte, object.Size())
	if _, err := io.ReadFull(reader, content); err != nil {
		return plumbing.InvalidObject, nil, err
	}
	return object.Type(), content, nil
}

// size returns an object's size without reading it.
func (d *disk) size(hash plumbing.Hash) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.store.EncodedObjectSize(hash)
}

func (d *disk) has(hash plumbing.Hash) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.store.HasEncodedObject(hash) == nil
}

// create makes an empty bare repository that git's command line understands too.
func create(path string) error {
	for _, folder := range []string{"objects/pack", "refs/heads"} {
		if err := os.MkdirAll(filepath.Join(path, filepath.FromSlash(folder)), 0o700); err != nil {
			return err
		}
	}
	if err := replace(filepath.Join(path, "config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"); err != nil {
		return err
	}
	return replace(filepath.Join(path, "HEAD"), "ref: refs/heads/main\n")
}

// check reads every pack of a repository that a process before this one left, and compares its checksum: after a
// crash of the node a file may be shorter than it was, or zeroes.
func check(path string) error {
	for _, name := range []string{"HEAD", "config"} {
		if content, err := os.ReadFile(filepath.Join(path, name)); err != nil || len(content) == 0 {
			return fmt.Errorf("%w: %s can't be read", ErrCorrupt, name)
		}
	}
	packs, err := filepath.Glob(filepath.Join(path, "objects", "pack", "pack-*.pack"))
	if err != nil {
		return err
	}
	for _, pack := range packs {
		if err := checkPack(pack); err != nil {
			return err
		}
	}
	d, err := openDisk(osfs.New(path))
	if err != nil {
		return err
	}
	defer d.close()
	refs, err := d.references()
	if err != nil {
		return fmt.Errorf("%w: reading the references: %w", ErrCorrupt, err)
	}
	for name, hash := range refs.names {
		if !d.has(plumbing.NewHash(hash)) {
			return fmt.Errorf("%w: %s names an object that isn't there", ErrCorrupt, name)
		}
	}
	return nil
}

func checkPack(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := checksum(f)
	if err != nil {
		return err
	}
	if filepath.Base(path) != "pack-"+sum.String()+".pack" {
		return fmt.Errorf("%w: a pack holds what another name says", ErrCorrupt)
	}
	index, err := os.Open(strings.TrimSuffix(path, ".pack") + ".idx")
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: a pack has no index", ErrCorrupt)
	}
	if err != nil {
		return err
	}
	defer index.Close()
	_, err = checksum(index)
	return err
}

// replace writes a file so that it is the old or the new one, never a part, whenever the process ends.
func replace(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// leftovers removes what a process that was killed left in a folder.
func leftovers(folder string, prefixes ...string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		for _, prefix := range prefixes {
			if strings.HasPrefix(entry.Name(), prefix) {
				if err := os.RemoveAll(filepath.Join(folder, entry.Name())); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
