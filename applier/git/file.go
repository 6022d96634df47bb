package git

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

// folderRemote is a repository on this machine. go-git would run the git command line for it, which a container of
// ours doesn't have; its objects are copied, each checked as if it came from anywhere else.
type folderRemote struct {
	path  string // where objects and refs are
	view  *Repository
	fence fence
}

func dialFile(u *url.URL, f fence) (remote, error) {
	path, err := f.folder(filepath.FromSlash(u.Path))
	if err != nil {
		return nil, err
	}
	private, common, err := gitFolders(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, transport.ErrRepositoryNotFound
	}
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{private, common, filepath.Join(common, "refs"), filepath.Join(common, "objects", "pack")} {
		if _, err := f.folder(folder); err != nil {
			return nil, err
		}
	}
	view, objects, err := openFolder(path)
	if err != nil {
		return nil, err
	}
	return &folderRemote{path: objects, view: view, fence: f}, nil
}

func (f *folderRemote) close() error {
	f.view.disk.close()
	return nil
}

func (f *folderRemote) list(context.Context) (references, error) {
	r, err := f.view.disk.references()
	if err != nil {
		return r, err
	}
	for name, hash := range r.names {
		if !strings.HasPrefix(name, tags) && !strings.HasPrefix(name, branches) && name != "HEAD" {
			delete(r.names, name) // not what a clone takes
			continue
		}
		target, _, err := f.view.peel(hash)
		if err != nil {
			return r, fmt.Errorf("%s can't be read: %w", name, err)
		}
		if target != hash {
			r.peeled[name] = target
		}
	}
	if hash, ok := r.names[r.head]; ok {
		r.names["HEAD"] = hash
	}
	if len(r.names) == 0 {
		return r, transport.ErrEmptyRemoteRepository
	}
	return r, nil
}

// fetch copies every object that isn't here yet, wanted or not: packs are not taken apart.
func (f *folderRemote) fetch(ctx context.Context, into *incoming, _, _ []plumbing.Hash) error {
	return f.copyObjects(ctx, into, filepath.Join(f.path, "objects"), 0)
}

func (f *folderRemote) copyObjects(ctx context.Context, into *incoming, objects string, depth int) error {
	for _, folder := range []string{objects, filepath.Join(objects, "pack")} {
		if _, err := f.fence.folder(folder); err != nil {
			return err
		}
	}
	packs, err := filepath.Glob(filepath.Join(objects, "pack", "*.pack"))
	if err != nil {
		return err
	}
	for _, pack := range packs {
		if err := copyPack(ctx, into, pack); err != nil {
			return err
		}
	}
	loose, err := filepath.Glob(filepath.Join(objects, "[0-9a-f][0-9a-f]", "*"))
	if err != nil {
		return err
	}
	for _, path := range loose {
		name := filepath.Base(filepath.Dir(path)) + filepath.Base(path)
		if !plumbing.IsHash(name) {
			continue // a temporary file of a push under way
		}
		if err := into.loose(ctx, plumbing.NewHash(name), path); err != nil {
			return err
		}
	}
	return f.copyAlternates(ctx, into, objects, depth)
}

// copyAlternates takes the objects of the repositories that this one borrows from.
func (f *folderRemote) copyAlternates(ctx context.Context, into *incoming, objects string, depth int) error {
	content, err := os.ReadFile(filepath.Join(objects, "info", "alternates"))
	if errors.Is(err, os.ErrNotExist) || depth > 5 { // git's own bound
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(content)) {
		other := strings.TrimSpace(line)
		if other == "" || strings.HasPrefix(other, "#") {
			continue
		}
		if !filepath.IsAbs(other) {
			other = filepath.Join(objects, other)
		}
		if err := f.copyObjects(ctx, into, other, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func copyPack(ctx context.Context, into *incoming, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := checksum(f)
	if err != nil {
		return err
	}
	here := filepath.Join(into.repository, "objects", "pack", "pack-"+sum.String()+".pack")
	if _, err := os.Stat(here); err == nil {
		return nil
	}
	return into.pack(ctx, f)
}
