package live

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Expected is the live object as [Cluster.Apply] would leave it, as far as reading tells:
// with what is declared, without what was declared before and what is taken from people,
// and with what is left to others as it is. It asks nothing, so it needs no right to write
// and knows no defaults of new fields. The live object stays as it is.
func (c *Cluster) Expected(o *Object, found *unstructured.Unstructured) (map[string]any, error) {
	declared, err := o.content()
	if err != nil {
		return nil, err
	}
	gone, err := c.goes(o, found, declared)
	if err != nil {
		return nil, err
	}
	for _, p := range o.ignored {
		declared = p.edit(declared, nil, false).(map[string]any)
	}
	v := overlay{builtIn: builtIn(o.Group)}
	out, _ := runtime.DeepCopyJSONValue(v.maps(declared, found.Object, hintsOf(found.Object), "")).(map[string]any)
	out["apiVersion"] = found.Object["apiVersion"]
	for _, path := range gone {
		take(out, path)
	}
	return out, nil
}

// commitPath is where we write which commit changed the object; git does not declare it.
const commitPath = `.metadata.annotations["` + v1alpha1.AnnotationCommit + `"]`

// goes lists what an apply takes away: what our entry or a person's holds, git does not
// declare, and nobody else holds. What holds others comes before them: an item that goes takes its key along.
func (c *Cluster) goes(o *Object, found *unstructured.Unstructured, declared map[string]any) ([]fieldpath.Path, error) {
	entries := found.GetManagedFields()
	var mine, others []*fieldpath.Set
	for i := range entries {
		e := &entries[i]
		set, err := setOf(e)
		if err != nil {
			return nil, err
		}
		switch {
		case ours(e):
			mine = append(mine, set)
		case c.person(e):
			taken, stays, err := o.split(e, declared)
			if err != nil {
				return nil, err
			}
			mine, others = append(mine, taken), append(others, stays)
		default:
			others = append(others, set)
		}
	}
	var gone []fieldpath.Path
	for _, set := range mine {
		set.Iterate(func(path fieldpath.Path) {
			_, stays := at(declared, path)
			stays = stays || pathText(path) == commitPath
			ignored := slices.ContainsFunc(o.ignored, func(p pattern) bool { return p.covers(path, declared) })
			if !stays && !ignored && !slices.ContainsFunc(others, func(s *fieldpath.Set) bool { return holds(s, path) }) {
				gone = append(gone, path.Copy())
			}
		})
	}
	slices.SortStableFunc(gone, func(a, b fieldpath.Path) int { return len(a) - len(b) })
	return gone, nil
}

// holds says whether a set has a path, or something in it.
func holds(set *fieldpath.Set, path fieldpath.Path) bool {
	if set.Has(path) {
		return true
	}
	for _, e := range path {
		set = set.WithPrefix(e)
	}
	return !set.Empty()
}

// take removes what is at a path, and the maps that it leaves empty; it returns the
// value without it.
func take(v any, path fieldpath.Path) any {
	e, last := path[0], len(path) == 1
	if e.FieldName != nil {
		m, _ := v.(map[string]any)
		inner, there := m[*e.FieldName]
		if !there {
			return v
		}
		if !last {
			inner = take(inner, path[1:])
		}
		if last || nothingLeft(inner) {
			delete(m, *e.FieldName)
		} else {
			m[*e.FieldName] = inner
		}
		return v
	}
	items, _ := v.([]any)
	for i, item := range items {
		if !elementIs(&e, i, item) {
			continue
		}
		if last {
			return slices.Delete(items, i, i+1)
		}
		items[i] = take(item, path[1:])
		return items
	}
	return v
}

func nothingLeft(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}
