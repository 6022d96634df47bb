package desired

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// kustomize builds the folder as `kustomize build --load-restrictor
// LoadRestrictionsNone` does, where the tree is all that there is to load.
func (r rendering) kustomize(in *reader) ([]Object, error) {
	files := newOverlay(in, r.options.Path)
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsNone
	built, err := krusty.MakeKustomizer(options).Run(files, mounted(r.options.Path))
	if refused := errors.Join(files.refused...); refused != nil {
		return nil, refused
	}
	if err := in.ctx.Err(); err != nil {
		return nil, fmt.Errorf("building %s: %w", r.options.Path, err)
	}
	if err != nil {
		return nil, &Error{Reason: ReasonRender, File: files.entry, Err: said(err)}
	}
	sources := origins(r.options.Path, files.entry, built)
	if !files.keepOrigins {
		if err := built.RemoveOriginAnnotations(); err != nil {
			return nil, &Error{Reason: ReasonRender, File: files.entry, Err: said(err)}
		}
	}
	objects, err := builtObjects(built, sources)
	if files.managedBy {
		for _, o := range objects {
			labels := o.GetLabels()
			labels[konfig.ManagedbyLabelKey] = managedBy
			o.SetLabels(labels)
		}
	}
	return objects, err
}

// managedBy is the label that buildMetadata asks for. The library takes the version from
// the build of the command; in any other program it makes a value that the API server
// refuses. The version is that of the command with the same library.
const managedBy = "kustomize-v5.8.1"

// maxSaid is how much of a renderer's own words is shown: patches and whole objects
// are among them.
const maxSaid = 1500

// said is a renderer's error without the mount, and short enough for a condition.
func said(err error) error {
	text := strings.ReplaceAll(strings.TrimSpace(err.Error()), mount+"/", "")
	text = strings.ReplaceAll(text, mount, ".")
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + " ..."
	}
	return errors.New(text)
}

// origins tells for each resource which file declares it. Where a patch took the
// annotation away, it is the kustomization that was built.
func origins(dir, entry string, built resmap.ResMap) []string {
	var sources []string
	for _, one := range built.Resources() {
		origin, err := one.GetOrigin()
		sources = append(sources, originFile(dir, entry, origin, err))
	}
	return sources
}

func originFile(dir, entry string, origin *resource.Origin, err error) string {
	switch {
	case err != nil || origin == nil:
		return entry
	case origin.Path != "":
		return path.Join(dir, origin.Path)
	case origin.ConfiguredIn != "":
		return path.Join(dir, origin.ConfiguredIn)
	}
	return entry
}

func builtObjects(built resmap.ResMap, sources []string) ([]Object, error) {
	objects := make([]Object, 0, built.Size())
	var wrong []error
	for i, one := range built.Resources() {
		o, err := builtObject(one)
		if err != nil {
			wrong = append(wrong, &Error{Reason: ReasonDocument, File: sources[i], Err: err})
			continue
		}
		objects = append(objects, Object{Unstructured: o, Source: sources[i]})
	}
	return objects, errors.Join(wrong...)
}

func builtObject(one *resource.Resource) (*unstructured.Unstructured, error) {
	raw, err := one.MarshalJSON()
	if err != nil {
		return nil, errors.New("holds an object that can't be written as JSON")
	}
	var content map[string]any
	if err := utiljson.Unmarshal(raw, &content); err != nil {
		return nil, errors.New("holds an object that can't be read back from JSON")
	}
	return object(content)
}

// withOrigins turns on the annotations that say where a resource comes from. keep says
// that the kustomization itself asks for them.
func withOrigins(content []byte, k *types.Kustomization) (changed []byte, keep bool, err error) {
	if slices.Contains(k.BuildMetadata, types.OriginAnnotations) {
		return content, true, nil
	}
	raw, err := yaml.YAMLToJSON(content)
	if err != nil {
		return nil, false, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, false, err
	}
	for name := range fields { // Kustomize takes any case
		if strings.EqualFold(name, "buildMetadata") {
			delete(fields, name)
		}
	}
	fields["buildMetadata"], err = json.Marshal(append(slices.Clone(k.BuildMetadata), types.OriginAnnotations))
	if err != nil {
		return nil, false, err
	}
	changed, err = json.Marshal(fields)
	return changed, false, err
}
