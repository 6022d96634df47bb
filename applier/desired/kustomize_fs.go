package desired

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// mount is where Kustomize sees the tree. It is not the root, so that a ".." too many
// leaves the tree instead of being cut off at it.
const mount = "/tree"

var (
	errReadOnly = errors.New("the tree is read only")
	errNotUsed  = errors.New("is not used in a build")
)

func mounted(name string) string { return path.Join(mount, name) }

// overlay is the tree as Kustomize's file system. Each kustomization is judged when it
// is read, before Kustomize sees it: Kustomize itself would clone and download what it
// names.
type overlay struct {
	in  *reader
	dir string // of the kustomization that is built
	// entry is the path of that kustomization.
	entry string
	// keepOrigins says that it asks for origin annotations itself.
	keepOrigins bool
	// managedBy says that it asks for the label app.kubernetes.io/managed-by.
	managedBy bool
	// configs are the files that hold configuration of generators and transformers, not
	// resources.
	configs map[string]bool
	refused []error
}

var _ filesys.FileSystem = (*overlay)(nil)

func newOverlay(in *reader, dir string) *overlay {
	o := &overlay{in: in, dir: dir, entry: dir, configs: map[string]bool{}}
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if is(in.src, path.Join(dir, name)) {
			o.entry = path.Join(dir, name)
		}
	}
	return o
}

// inTree is the path below the tree's root.
func inTree(name string) (string, error) {
	clean := path.Clean(name)
	if clean == mount {
		return ".", nil
	}
	if below, ok := strings.CutPrefix(clean, mount+"/"); ok {
		return below, nil
	}
	return "", &fs.PathError{Op: "open", Path: name, Err: errors.New("is outside of the repository")}
}

// ReadFile judges what it reads. What is refused ends the build, whatever Kustomize
// makes of the error.
func (o *overlay) ReadFile(name string) ([]byte, error) {
	file, err := inTree(name)
	if err != nil {
		return nil, err
	}
	info, err := o.in.src.Stat(file)
	if err != nil {
		return nil, err // Kustomize asks for what may not be there
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: file, Err: errors.New("is a folder")}
	}
	content, err := o.in.file(file)
	if err == nil {
		content, err = o.judged(file, content)
	}
	if err != nil && !slices.Contains(o.refused, err) {
		o.refused = append(o.refused, err)
	}
	return content, err
}

func (o *overlay) judged(file string, content []byte) ([]byte, error) {
	if slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(file)) {
		return o.kustomization(file, content)
	}
	if o.configs[file] {
		return content, judgeConfig(file, content)
	}
	if bytes.ContainsRune(content, '&') && bytes.ContainsRune(content, '*') && manifest(file) {
		return content, o.measured(file, content)
	}
	return content, nil
}

// measured refuses what would grow out of all proportion; Kustomize writes anchors out.
func (o *overlay) measured(file string, content []byte) error {
	for _, d := range documents(content, separator) {
		size, err := inspect(d.text, d.line)
		if err != nil {
			return broken(file, d.number, d.line, err)
		}
		if err := o.in.spend(file, size-len(d.text)); err != nil {
			return err
		}
	}
	return nil
}

// IsDir tells a folder.
func (o *overlay) IsDir(name string) bool {
	file, err := inTree(name)
	if err != nil {
		return false
	}
	info, err := o.in.src.Stat(file)
	return err == nil && info.IsDir()
}

// Exists tells whether there is a file or folder.
func (o *overlay) Exists(name string) bool {
	file, err := inTree(name)
	if err != nil {
		return false
	}
	_, err = o.in.src.Stat(file)
	return err == nil
}

// ReadDir lists a folder.
func (o *overlay) ReadDir(name string) ([]string, error) {
	dir, err := inTree(name)
	if err != nil {
		return nil, err
	}
	entries, err := o.in.src.ReadDir(dir)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

// CleanedAbs takes a path apart into folder and file, as a folder's is "".
func (o *overlay) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	file, err := inTree(name)
	if err != nil {
		return "", "", err
	}
	info, err := o.in.src.Stat(file)
	if err != nil {
		return "", "", fmt.Errorf("reading %s: %w", file, plainError(err))
	}
	if info.IsDir() {
		return filesys.ConfirmedDir(mounted(file)), "", nil
	}
	return filesys.ConfirmedDir(mounted(path.Dir(file))), path.Base(file), nil
}

// Create is refused.
func (o *overlay) Create(string) (filesys.File, error) { return nil, errReadOnly }

// Mkdir is refused.
func (o *overlay) Mkdir(string) error { return errReadOnly }

// MkdirAll is refused.
func (o *overlay) MkdirAll(string) error { return errReadOnly }

// RemoveAll is refused.
func (o *overlay) RemoveAll(string) error { return errReadOnly }

// WriteFile is refused.
func (o *overlay) WriteFile(string, []byte) error { return errReadOnly }

// Open is refused: a build reads whole files.
func (o *overlay) Open(string) (filesys.File, error) { return nil, errNotUsed }

// Glob is refused: a build knows no patterns.
func (o *overlay) Glob(string) ([]string, error) { return nil, errNotUsed }

// Walk is refused: a build follows what kustomizations name.
func (o *overlay) Walk(string, filepath.WalkFunc) error { return errNotUsed }
