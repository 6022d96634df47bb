package desired

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// entry is one thing that a kustomization names.
type entry struct{ field, value string }

// kustomization judges one that is about to be read, and turns on origins in the one
// that is built.
func (o *overlay) kustomization(file string, content []byte) ([]byte, error) {
	if err := o.measured(file, content); err != nil {
		return nil, err
	}
	var k types.Kustomization
	if err := k.Unmarshal(content); err != nil {
		return nil, &Error{Reason: ReasonRender, File: file, Err: said(err)}
	}
	asked := k.BuildMetadata
	k.FixKustomization()
	if err := refusedFeature(&k); err != nil {
		return nil, &Error{Reason: ReasonRender, File: file, Err: err}
	}
	for _, e := range entries(&k) {
		if err := judgeEntry(path.Dir(file), e); err != nil {
			return nil, &Error{Reason: ReasonRender, File: file, Err: err}
		}
	}
	if err := o.plugins(file, &k); err != nil {
		return nil, err
	}
	if file != o.entry {
		return content, nil
	}
	k.BuildMetadata = asked
	o.managedBy = slices.Contains(asked, types.ManagedByLabelOption)
	changed, keep, err := withOrigins(content, &k)
	o.keepOrigins = keep
	return changed, err
}

// refusedFeature is what a build could not do without running or changing something
// beyond it.
func refusedFeature(k *types.Kustomization) error {
	switch {
	case len(k.HelmCharts) > 0:
		return fmt.Errorf("helmCharts: chart %q would be fetched and rendered by running helm: let a sync's path name a chart in the repository", k.HelmCharts[0].Name)
	case len(k.OpenAPI) > 0:
		return errors.New("openapi: Kustomize would use this schema for every other folder too: use a JSON6902 patch where a list is merged by key")
	}
	return nil
}

// inline tells content from a path.
func inline(value string) bool {
	return strings.Contains(value, "\n") || strings.HasPrefix(strings.TrimSpace(value), "{")
}

// entries are all paths that a kustomization names.
func entries(k *types.Kustomization) []entry {
	var all []entry
	add := func(field string, values ...string) {
		for _, value := range values {
			if value != "" && !inline(value) {
				all = append(all, entry{field, value})
			}
		}
	}
	add("resources", k.Resources...)
	add("components", k.Components...)
	add("crds", k.Crds...)
	add("configurations", k.Configurations...)
	add("generators", k.Generators...)
	add("transformers", k.Transformers...)
	add("validators", k.Validators...)
	//lint:ignore SA1019 kustomizations of today still use it
	for _, p := range k.PatchesStrategicMerge {
		add("patchesStrategicMerge", string(p))
	}
	//lint:ignore SA1019 kustomizations of today still use it
	for _, p := range k.PatchesJson6902 {
		add("patchesJson6902", p.Path)
	}
	for _, p := range k.Patches {
		add("patches", p.Path)
	}
	for _, r := range k.Replacements {
		add("replacements", r.Path)
	}
	for _, g := range k.ConfigMapGenerator {
		add("configMapGenerator", pairs(g.KvPairSources)...)
	}
	for _, g := range k.SecretGenerator {
		add("secretGenerator", pairs(g.KvPairSources)...)
	}
	return all
}

// pairs are the paths of a generator's sources, written "path" or "key=path".
func pairs(s types.KvPairSources) []string {
	files := append([]string{s.EnvSource}, s.EnvSources...)
	for _, file := range s.FileSources {
		files = append(files, filePart(file))
	}
	return files
}

func filePart(source string) string {
	if _, file, ok := strings.Cut(source, "="); ok {
		return file
	}
	return source
}

// judgeEntry refuses what is not in the tree. What is remote is told by Kustomize's own
// reading of an entry: a URL, or one of the many ways to write a git repository.
func judgeEntry(dir string, e entry) error {
	if u, err := url.Parse(e.value); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return remote(e)
	}
	if (&resource.Origin{}).Append(e.value).Repo != "" {
		return remote(e)
	}
	if inner := path.Join(dir, e.value); path.IsAbs(e.value) || inner == ".." || strings.HasPrefix(inner, "../") {
		return fmt.Errorf("%s: %q is outside of the repository", e.field, e.value)
	}
	return nil
}

func remote(e entry) error {
	return fmt.Errorf("%s: %q is remote, and nothing is fetched while a commit is rendered: copy it into the repository", e.field, withoutUser(e.value))
}

// withoutUser leaves out credentials.
func withoutUser(value string) string {
	if scheme, rest, ok := strings.Cut(value, "://"); ok {
		host, tail, _ := strings.Cut(rest, "/")
		if at := strings.LastIndex(host, "@"); at >= 0 {
			return scheme + "://" + host[at+1:] + "/" + tail
		}
	}
	return value
}

// plugins judges configuration of generators, transformers and validators, which names
// files too. It has to be inline or a file: what a folder's own kustomization would
// make of it can't be judged before it is used.
func (o *overlay) plugins(file string, k *types.Kustomization) error {
	for _, list := range []struct {
		field  string
		values []string
	}{{"generators", k.Generators}, {"transformers", k.Transformers}, {"validators", k.Validators}} {
		for _, value := range list.values {
			if err := judgeConfig(file, []byte(value)); err != nil {
				return err
			}
			if inline(value) {
				continue
			}
			named := path.Join(path.Dir(file), value)
			if o.IsDir(mounted(named)) {
				return &Error{Reason: ReasonRender, File: file, Err: fmt.Errorf("%s: %q is a folder: name the files in it", list.field, value)}
			}
			o.configs[named] = true
		}
	}
	return nil
}

// judgeConfig judges one document of configuration, or none: a path is no mapping.
func judgeConfig(file string, content []byte) error {
	for _, d := range documents(content, separator) {
		if _, err := inspect(d.text, d.line); err != nil {
			return broken(file, d.number, d.line, err)
		}
		var config any
		if err := yaml.Unmarshal(d.text, &config); err != nil {
			return broken(file, d.number, d.line, errors.New("is not YAML"))
		}
		if _, isMapping := config.(map[string]any); !isMapping {
			continue
		}
		if err := judgeFields(config); err != nil {
			return &Error{Reason: ReasonRender, File: file, Err: err}
		}
	}
	return nil
}

func judgeFields(value any) error {
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := errors.Join(judgeField(key, v[key]), judgeFields(v[key])); err != nil {
				return err
			}
		}
	case []any:
		for _, inner := range v {
			if err := judgeFields(inner); err != nil {
				return err
			}
		}
	}
	return nil
}

// judgeField judges the fields of built-in plugins that name files (the case does not
// matter to Kustomize), and what would run something.
func judgeField(key string, value any) error {
	switch strings.ToLower(key) {
	case "kind":
		if value == "HelmChartInflationGenerator" {
			return errors.New("HelmChartInflationGenerator would run helm: let a sync's path name a chart in the repository")
		}
	case "config.kubernetes.io/function", "config.k8s.io/function":
		return errors.New("a function would be run, and nothing is run while a commit is rendered")
	case "path", "paths", "files", "env", "envs", "patchesstrategicmerge":
		for _, text := range textsOf(value) {
			if inline(text) {
				continue
			}
			for _, named := range []string{text, filePart(text)} {
				if err := judgeRemote(entry{key, named}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// judgeRemote leaves out where a path leads: "path" is a field's as often as a file's.
func judgeRemote(e entry) error {
	return judgeEntry(".", entry{e.field, strings.TrimLeft(e.value, "/.")})
}

func textsOf(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, inner := range v {
			all = append(all, textsOf(inner)...)
		}
		return all
	}
	return nil
}
