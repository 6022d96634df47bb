package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"sigs.k8s.io/kustomize/api/konfig"
)

// Render reads the folder at o.Path and everything that it refers to inside the tree.
// What is wrong with it is one or more of [*Error], joined; nothing partial is
// returned. A folder that declares nothing is an empty set.
func Render(ctx context.Context, tree fs.FS, o Options) (*Set, error) {
	dir, err := folderOf(o.Path)
	if err != nil {
		return nil, err
	}
	o.Path = dir
	src, err := decrypting(tree, o)
	if err != nil {
		return nil, err
	}
	form, err := formOf(src, dir)
	if err != nil {
		return nil, err
	}
	r := rendering{options: o, form: form}
	first := newReader(ctx, src)
	objects, err := r.objects(first)
	if wrong := src.problems(); wrong != nil || err != nil {
		return nil, worst(wrong, r.shown(ctx, tree, first, err))
	}
	again := func(other *source) ([]Object, error) {
		r := r
		r.unchecked = true
		return r.objects(newReader(ctx, other))
	}
	if err := errors.Join(check(objects), gate(src, objects, again)); err != nil {
		return nil, worst(nil, err)
	}
	order(objects)
	return &Set{Form: form, Objects: objects, Inputs: first.inputs()}, nil
}

// rendering is one way of reading a folder; it can be gone more than once.
type rendering struct {
	options Options
	form    Form
	// unchecked leaves out what only tells whether the input is good: schemas of values,
	// and whether each run renders the same.
	unchecked bool
}

// objects in the order in which they are rendered, which does not depend on any value.
func (r rendering) objects(in *reader) ([]Object, error) {
	switch r.form {
	case FormKustomize:
		return r.kustomize(in)
	case FormHelm:
		return r.helm(in)
	default:
		return r.plain(in)
	}
}

// folderOf cleans a path, which has to stay in the tree.
func folderOf(name string) (string, error) {
	dir := path.Clean(name)
	if name == "" {
		dir = "."
	}
	if !fs.ValidPath(dir) {
		return "", &Error{Reason: ReasonPath, File: name, Err: errors.New("is not a path inside the repository")}
	}
	return dir, nil
}

// formOf tells how a folder is written. A kustomization beside a chart wins: it may
// use the chart's files.
func formOf(src *source, dir string) (Form, error) {
	info, err := src.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", &Error{Reason: ReasonPath, File: dir, Err: errors.New("is not in the repository")}
	}
	if err != nil {
		return "", &Error{Reason: ReasonPath, File: dir, Err: err}
	}
	if !info.IsDir() {
		return "", &Error{Reason: ReasonPath, File: dir, Err: errors.New("is a file: name the folder that it is in")}
	}
	var found []string
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if is(src, path.Join(dir, name)) {
			found = append(found, name)
		}
	}
	switch {
	case len(found) > 1:
		return "", &Error{Reason: ReasonRender, File: path.Join(dir, found[1]),
			Err: fmt.Errorf("stands beside %s: keep one", found[0])}
	case len(found) == 1:
		return FormKustomize, nil
	case is(src, path.Join(dir, chartFile)):
		return FormHelm, nil
	}
	return FormYAML, nil
}

func is(src fs.StatFS, name string) bool {
	info, err := src.Stat(name)
	return err == nil && !info.IsDir()
}

// shown is the error as people may read it. The words of Kustomize and Helm quote their
// input. Where some of it was decrypted, the folder is rendered once more with the
// values left encrypted: what is wrong then is safe to show.
func (r rendering) shown(ctx context.Context, tree fs.FS, in *reader, err error) error {
	if err == nil || r.form == FormYAML || ctx.Err() != nil || !in.decrypted() {
		return err
	}
	o := r.options
	o.Encrypted = true
	src, closed := decrypting(tree, o)
	if closed == nil {
		r.unchecked = true
		_, closed = r.objects(newReader(ctx, src))
	}
	var e *Error
	if closed != nil && !(errors.As(closed, &e) && e.Reason == ReasonDecryption) { // which is only for want of the keys
		return closed
	}
	return &Error{Reason: ReasonRender, File: r.options.Path,
		Err: fmt.Errorf("can't be rendered by %s; what it says is left out, since it may show decrypted values", r.form)}
}
