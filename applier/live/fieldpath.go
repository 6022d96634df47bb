package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// setOf reads the fields of a managedFields entry.
func setOf(e *metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	if raw := fieldsOf(e); len(raw) > 0 {
		if err := set.FromJSON(bytes.NewReader(raw)); err != nil {
			return nil, fmt.Errorf("reading the fields of manager %q: %w", e.Manager, err)
		}
	}
	return set, nil
}

// leavesOf returns the paths of a set that have none below them. A loop over
// [fieldpath.Set.All] itself must not be left early: it goes on calling, which panics.
func leavesOf(set *fieldpath.Set) (paths []fieldpath.Path) {
	set.Leaves().Iterate(func(p fieldpath.Path) { paths = append(paths, p.Copy()) })
	return paths
}

// pathText writes a path as policy.Change does: .spec.containers[name="web"].image.
func pathText(p fieldpath.Path) string {
	var b strings.Builder
	for _, e := range p {
		switch {
		case e.FieldName != nil:
			b.WriteString(fieldText(*e.FieldName))
		case e.Key != nil:
			keys := map[string]any{}
			for _, k := range *e.Key {
				keys[k.Name] = k.Value.Unstructured()
			}
			b.WriteString(keysText(keys))
		case e.Value != nil:
			b.WriteString("[=" + jsonText((*e.Value).Unstructured()) + "]")
		case e.Index != nil:
			b.WriteString("[" + strconv.Itoa(*e.Index) + "]")
		}
	}
	return b.String()
}

func keysText(keys map[string]any) string {
	parts := make([]string, 0, len(keys))
	for name, v := range keys {
		parts = append(parts, name+"="+jsonText(v))
	}
	slices.Sort(parts)
	return "[" + strings.Join(parts, ",") + "]"
}

func fieldText(name string) string {
	plain := name != "" && strings.IndexFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '$')
	}) < 0
	if plain {
		return "." + name
	}
	return "[" + jsonText(name) + "]"
}

func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(text)
}
