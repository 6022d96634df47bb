package history

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// harmless are the fields of a kustomization under which one resource's content never
// reaches another: all others (replacements, vars, transformers, configurations, crds,
// and what is not known yet) make every file matter.
func harmless() []string {
	return []string{"apiVersion", "kind", "metadata", "resources", "bases", "components", "namespace", "namePrefix", "nameSuffix",
		"labels", "commonLabels", "commonAnnotations", "images", "replicas", "patches", "patchesStrategicMerge", "patchesJson6902",
		"configMapGenerator", "secretGenerator", "generatorOptions", "sortOptions"}
}

// Words in a kustomization by which a resource's content or name may reach another.
func spreading() []string { return []string{"behavior", "allownamechange", "allowkindchange"} }

// copies finds patches that carry a value from one place of a resource to another, its
// name perhaps.
var copies = regexp.MustCompile(`op["']?\s*:\s*["']?(copy|move)`)

// ofKustomize is in the annotations by which a plain resource asks Kustomize for more:
// a hash after its name, to be merged with another, not to be there.
func ofKustomize(content []byte) bool {
	return bytes.Contains(content, []byte("config.kubernetes.io")) || bytes.Contains(content, []byte("kustomize.config.k8s.io"))
}

// kustomizeBystander finds the files that can't reach the object with their content:
// those that are listed as resources and are nothing else, as long as they declare the
// same names as before, none of which may have become the object's. Through a name
// alone they reach it: Kustomize changes references to it. nil where no file is such.
func (l *look) kustomizeBystander(in *recorder, source string) func(string, string, string) (bool, error) {
	resources, others := map[string]bool{}, map[string]bool{}
	for file, content := range in.content {
		if !isKustomization(file) {
			if copies.Match(content) || ofKustomize(content) {
				return nil
			}
			continue
		}
		if !roles(file, content, resources, others) {
			return nil
		}
	}
	return func(file, before, after string) (bool, error) {
		if file == source || !resources[file] || others[file] {
			return false, nil
		}
		old, err := l.identify(before)
		if err != nil || old == nil {
			return false, err
		}
		new, err := l.identify(after)
		if err != nil || new == nil {
			return false, err
		}
		return slices.Equal(old, new) && !slices.ContainsFunc(new, l.mayBe), nil
	}
}

func isKustomization(file string) bool {
	return slices.Contains(markers()[:3], path.Base(file))
}

// roles enters the files that a kustomization names, as resources and as anything else.
// false where contents may spread.
func roles(file string, content []byte, resources, others map[string]bool) bool {
	lower := strings.ToLower(string(content))
	for _, word := range spreading() {
		if strings.Contains(lower, word) {
			return false
		}
	}
	var fields map[string]any
	if err := yaml.Unmarshal(content, &fields); err != nil {
		return false
	}
	dir := path.Dir(file)
	for name, value := range fields {
		if !slices.Contains(harmless(), name) {
			return false
		}
		into := others
		if name == "resources" || name == "bases" {
			into = resources
		}
		eachText(value, func(text string) {
			into[path.Join(dir, text)] = true
			if _, named, ok := strings.Cut(text, "="); ok {
				into[path.Join(dir, named)] = true
			}
		})
	}
	return true
}

func eachText(value any, do func(string)) {
	switch v := value.(type) {
	case string:
		do(v)
	case []any:
		for _, inner := range v {
			eachText(inner, do)
		}
	case map[string]any:
		for _, inner := range v {
			eachText(inner, do)
		}
	}
}

// mayBe says whether a resource may be the one that became the object: the same kind,
// and a name that Kustomize can make into the object's.
func (l *look) mayBe(i identity) bool {
	return i.Kind == l.object.Kind && strings.Contains(l.object.Name, i.Metadata.Name)
}
