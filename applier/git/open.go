package git

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/go-git/go-billy/v5"
	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/storage/filesystem/dotgit"
)

// Open opens a repository of somebody's, bare, with a work tree, or a linked work tree; path may be any folder below
// it. It is only read: Resolve and Fetch are for a store's.
func Open(path string) (*Repository, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	for folder := path; ; folder = filepath.Dir(folder) {
		r, _, err := openFolder(folder)
		if !errors.Is(err, os.ErrNotExist) {
			return r, err
		}
		if folder == filepath.Dir(folder) {
			return nil, problem(ErrRepositoryNotFound, "opening %s: neither it nor a folder above it is a git repository", path)
		}
	}
}

// openFolder opens the repository that is exactly this folder, and says where its objects are.
func openFolder(path string) (*Repository, string, error) {
	private, common, err := gitFolders(path)
	if err != nil {
		return nil, "", err
	}
	var folder billy.Filesystem = osfs.New(private)
	if common != private {
		folder = dotgit.NewRepositoryFilesystem(osfs.New(private), osfs.New(common))
	}
	d, err := openDisk(folder)
	if err != nil {
		return nil, "", fmt.Errorf("opening the repository %s: %w", path, err)
	}
	return &Repository{disk: d, gate: make(chan struct{}, 1)}, common, nil
}

// gitFolders finds where git keeps what is a folder's own, and what it shares with other work trees.
func gitFolders(path string) (private, common string, err error) {
	if private, err = gitFolder(path); err != nil {
		return "", "", err
	}
	if content, err := os.ReadFile(filepath.Join(private, "commondir")); err == nil {
		return private, relative(private, string(content)), nil
	}
	return private, private, nil
}

// gitFolder finds where git keeps its files for a folder: itself when it is bare, its .git, or where its .git file
// points.
func gitFolder(path string) (string, error) {
	if bare(path) {
		return path, nil
	}
	inner := filepath.Join(path, ".git")
	info, err := os.Stat(inner)
	if err != nil {
		return "", fmt.Errorf("opening the repository %s: %w", path, err)
	}
	if info.IsDir() {
		return inner, nil
	}
	content, err := os.ReadFile(inner)
	if err != nil {
		return "", err
	}
	target, ok := strings.CutPrefix(string(content), "gitdir: ")
	if !ok {
		return "", fmt.Errorf("opening the repository %s: its .git file doesn't say where it is", path)
	}
	return relative(path, target), nil
}

func bare(path string) bool {
	for _, name := range []string{"HEAD", "objects", "refs"} {
		if _, err := os.Stat(filepath.Join(path, name)); err != nil {
			return false
		}
	}
	return true
}

// relative reads a path that git wrote, from the folder that it is relative to.
func relative(folder, path string) string {
	path = filepath.FromSlash(strings.TrimSpace(path))
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(folder, path)
}
