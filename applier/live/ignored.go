package live

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// left returns the content with what is left to others: gone where somebody else owns
// it, and as it is live where we own it alone, since to let go of such a field is to
// delete it. guard says that live values are in it, which may have changed meanwhile.
func (o *Object) left(live map[string]any, entries []metav1.ManagedFieldsEntry) (content map[string]any, guard bool, err error) {
	if content, err = o.content(); err != nil {
		return nil, false, err
	}
	declared, err := o.content()
	if err != nil {
		return nil, false, err
	}
	for _, p := range o.ignored {
		keep := p.ownedAlone(declared, entries)
		guard = guard || keep
		content = p.edit(content, live, keep).(map[string]any)
	}
	return content, guard, nil
}

// ownedAlone: our entry holds something at or below the pattern, and no other does.
func (p pattern) ownedAlone(declared map[string]any, entries []metav1.ManagedFieldsEntry) bool {
	mine := false
	for i := range entries {
		set, err := setOf(&entries[i])
		if err != nil {
			continue
		}
		holds := false
		set.Iterate(func(path fieldpath.Path) { holds = holds || p.covers(path, declared) })
		if holds && !ours(&entries[i]) {
			return false
		}
		mine = mine || holds
	}
	return mine
}

// edit takes what the pattern names out of a declared value, or, with keep, puts what
// the live one has there in its place. It changes and returns the declared value.
func (p pattern) edit(declared, live any, keep bool) any {
	s, below := p[0], p[1:]
	switch value := declared.(type) {
	case map[string]any:
		v, there := value[s.field]
		if s.kind != fieldStep || !there {
			return value
		}
		other, _ := live.(map[string]any)
		is, has := other[s.field]
		switch {
		case len(below) > 0:
			value[s.field] = below.edit(v, is, keep)
		case keep && has:
			value[s.field] = is
		default:
			delete(value, s.field)
		}
		return value
	case []any:
		if s.kind == fieldStep {
			return value
		}
		return p.editItems(value, live, keep)
	}
	return declared
}

func (p pattern) editItems(items []any, live any, keep bool) []any {
	others, _ := live.([]any)
	out := make([]any, 0, len(items))
	for i, item := range items {
		if !p[0].names(i, item) {
			out = append(out, item)
			continue
		}
		is, has := counterpart(others, i, item)
		switch {
		case len(p) > 1:
			out = append(out, p[1:].edit(item, is, keep))
		case keep && has:
			out = append(out, is)
		}
	}
	return out
}

// names says whether the step names the item.
func (s *step) names(index int, item any) bool {
	switch s.kind {
	case anyStep:
		return true
	case indexStep:
		return s.index == index
	case keyStep:
		return hasKeys(item, s.keys)
	}
	return false
}

// counterpart finds the item by its name, where it has one, else by its place.
func counterpart(items []any, index int, item any) (any, bool) {
	if m, ok := item.(map[string]any); ok && m["name"] != nil {
		for _, other := range items {
			if hasKeys(other, map[string]any{"name": m["name"]}) {
				return other, true
			}
		}
		return nil, false
	}
	if index < len(items) {
		return items[index], true
	}
	return nil, false
}

// covers says whether a managedFields path is at or below what the pattern names in
// the declared object.
func (p pattern) covers(path fieldpath.Path, declared any) bool {
	if len(path) < len(p) {
		return false
	}
	for i := range p {
		var ok bool
		if declared, ok = p[i].matches(&path[i], declared); !ok {
			return false
		}
	}
	return true
}

// matches says whether the element of a path is what the step names, and goes one
// step down in the declared value.
func (s *step) matches(e *fieldpath.PathElement, declared any) (any, bool) {
	if s.kind == fieldStep {
		m, _ := declared.(map[string]any)
		return m[s.field], e.FieldName != nil && *e.FieldName == s.field
	}
	if e.FieldName != nil {
		return nil, false
	}
	items, _ := declared.([]any)
	for i, item := range items {
		if s.names(i, item) && elementIs(e, i, item) {
			return item, true
		}
	}
	switch { // not declared
	case s.kind == anyStep:
		return nil, true
	case e.Key != nil && s.kind == keyStep:
		return nil, hasKeys(keysOf(e), s.keys)
	}
	return nil, false
}

func keysOf(e *fieldpath.PathElement) map[string]any {
	keys := map[string]any{}
	for _, k := range *e.Key {
		keys[k.Name] = k.Value.Unstructured()
	}
	return keys
}

// elementIs: the element names the item. A key that the item leaves out has a default.
func elementIs(e *fieldpath.PathElement, index int, item any) bool {
	switch {
	case e.Index != nil:
		return *e.Index == index
	case e.Value != nil:
		return sameScalar((*e.Value).Unstructured(), item)
	case e.Key == nil:
		return false
	}
	m, ok := item.(map[string]any)
	if !ok {
		return false
	}
	found := false
	for name, want := range keysOf(e) {
		got, there := m[name]
		if there && !sameScalar(got, want) {
			return false
		}
		found = found || there
	}
	return found
}
