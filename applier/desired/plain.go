package desired

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
)

// plain reads every YAML and JSON file below the folder. Names that begin with a dot
// are left out: they are other programs' (.github, .sops.yaml).
func (r rendering) plain(in *reader) ([]Object, error) {
	var objects []Object
	var wrong []error
	skip := func(name string, info fs.FileInfo) bool {
		return hidden(name) || !info.IsDir() && !manifest(name)
	}
	walked := in.walk(r.options.Path, skip, func(name string) error {
		found, err := r.plainFile(in, name)
		objects = append(objects, found...)
		wrong = append(wrong, leaves(err)...)
		if in.ctx.Err() != nil || in.left < 0 {
			return err
		}
		return nil
	})
	return objects, errors.Join(append(wrong, walked)...)
}

func (r rendering) plainFile(in *reader, name string) ([]Object, error) {
	if form := otherForm(path.Base(name)); form != "" {
		return nil, &Error{Reason: ReasonDocument, File: name, Err: fmt.Errorf(
			"stands below a folder of plain YAML, so %s would not read it: let a sync's path name %s, or list it in a kustomization.yaml in %s",
			form, path.Dir(name), r.options.Path)}
	}
	content, err := in.file(name)
	if err != nil {
		return nil, err
	}
	return declared(in, name, content, separator)
}

// otherForm tells a file that makes its folder something else than plain YAML.
func otherForm(base string) Form {
	switch {
	case slices.Contains(konfig.RecognizedKustomizationFileNames(), base):
		return FormKustomize
	case base == chartFile:
		return FormHelm
	}
	return ""
}

func manifest(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
