package history

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
)

// markers are the files that make a folder something else than plain YAML.
func markers() []string {
	return []string{"kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml"}
}

// plain finds the object in a folder of plain YAML: in the file that is known to have
// declared it, else in all of them.
func (l *look) plain(ctx context.Context, in *recorder, file string) (state, bool, error) {
	content, err := l.plainFile(in, file)
	if err != nil {
		return state{}, false, err
	}
	if content != nil { // what is wrong with another file then does not matter
		s, known, err := l.masked(ctx, in, map[string][]byte{file: content})
		if err != nil || !known || s.present {
			return s, known, err
		}
		in.seen.below = ""
	}
	files, links, err := l.mayDeclare(in)
	if err != nil {
		return state{}, false, err
	}
	if links { // the same file may be there under several names
		in.seen.everything = true
		return l.whole(ctx, in)
	}
	if len(files) == 0 {
		return l.absent(in), true, nil
	}
	return l.masked(ctx, in, files)
}

// plainFile reads one file of the folder; nil when it isn't there, or none of those
// that are read as they stand.
func (l *look) plainFile(in *recorder, file string) ([]byte, error) {
	if file == "" || !inside(l.folder, file) || !manifest(file) || hiddenBelow(l.folder, file) {
		return nil, nil
	}
	in.noteLinks(file)
	if in.seen.everything {
		return nil, nil
	}
	content, err := in.tree.ReadFile(file)
	if in.note(err); in.failed != nil {
		return nil, in.failed
	}
	if err != nil {
		return nil, nil
	}
	return append([]byte{}, content...), nil // empty is not nil
}

// masked renders a folder in which only these files are.
func (l *look) masked(ctx context.Context, in *recorder, files map[string][]byte) (state, bool, error) {
	set, err := desired.Render(ctx, newMask(in.tree, l.folder, files), l.options)
	if err != nil {
		return state{}, false, l.broken(ctx, in, err)
	}
	found, file, err := l.object.in(set.Objects)
	if err != nil {
		return state{}, false, err
	}
	if !found.present {
		return l.absent(in), true, nil
	}
	in.seen.reads(file)
	return state{value: found, file: file, watch: in.seen}, true, nil
}

// absent is that the folder doesn't declare the object: any file of it may come to.
func (l *look) absent(in *recorder) state {
	in.seen.all(l.folder)
	return state{watch: in.seen, scanned: true}
}

// mayDeclare reads the files of a folder of plain YAML in which the object's name
// stands. links says that there are symbolic links.
func (l *look) mayDeclare(in *recorder) (files map[string][]byte, links bool, err error) {
	files = map[string][]byte{}
	err = fs.WalkDir(in.tree, l.folder, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != l.folder && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			links = true
			return fs.SkipAll
		case entry.IsDir() || !manifest(name):
			return nil
		}
		content, err := in.tree.ReadFile(name)
		if errors.Is(err, git.ErrTooLarge) {
			links = true // the renderer says what becomes of it
			return fs.SkipAll
		}
		if l.mayName(content) {
			files[name] = content
		}
		return err
	})
	return files, links, err
}

// mayName is false of a file that can't declare the object: its name does not stand in
// it, nor anything by which YAML could spell it in another way (escapes, tags, other
// encodings).
func (l *look) mayName(content []byte) bool {
	return bytes.Contains(content, []byte(l.object.Name)) || bytes.ContainsAny(content, "\\!\x00") ||
		bytes.HasPrefix(content, []byte("\xff\xfe")) || bytes.HasPrefix(content, []byte("\xfe\xff"))
}

// changed finds the object among the files that differ from a commit at which none
// declared it.
func (l *look) changed(ctx context.Context, in *recorder, before, after string) (state, bool, error) {
	files := map[string][]byte{}
	links := false
	err := l.repository.Changes(before, after, l.onTheWay, func(c git.Change) error {
		switch {
		case !inside(l.folder, c.Path) || hiddenBelow(l.folder, c.Path):
			return nil
		case strange(c.Before) || strange(c.After):
			links = true
		case c.Before.File && manifest(c.Path):
			content, err := l.repository.Blob(c.Before.Hash)
			if errors.Is(err, git.ErrTooLarge) {
				links = true
				return nil
			}
			if err == nil && l.mayName(content) {
				files[c.Path] = content
			}
			return err
		}
		return nil
	})
	if err != nil {
		return state{}, false, err
	}
	if links {
		return l.plain(ctx, in, "")
	}
	if len(files) == 0 {
		return l.absent(in), true, nil
	}
	return l.masked(ctx, in, files)
}

// onTheWay says whether a folder is the one that is rendered, above it or below it.
func (l *look) onTheWay(folder string) bool {
	return folder == l.folder || inside(l.folder, folder) || inside(folder, l.folder)
}

func inside(folder, file string) bool { return folder == "." || strings.HasPrefix(file, folder+"/") }

func hiddenBelow(folder, file string) bool {
	if folder != "." {
		file = strings.TrimPrefix(file, folder+"/")
	}
	return strings.HasPrefix(file, ".") || strings.Contains(file, "/.")
}

func manifest(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
