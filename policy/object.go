package policy

import (
	"reflect"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Reading unstructured objects. A field of an unexpected type reads as absent;
// every rule that allows asks for presence, so that what can't be read never
// allows.

func child(m map[string]any, keys ...string) map[string]any {
	for _, k := range keys {
		m, _ = m[k].(map[string]any)
	}
	return m
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

func meta(obj map[string]any) map[string]any { return child(obj, "metadata") }

func annotation(obj map[string]any, key string) string {
	return text(child(obj, "metadata", "annotations"), key)
}

func list(m map[string]any, key string) []any {
	l, _ := m[key].([]any)
	return l
}

// equal compares two JSON values; an integer and a float of the same value are
// the same.
func equal(a, b any) bool {
	switch x := a.(type) {
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool:
		y, ok := b.(bool)
		return ok && x == y
	case nil:
		return b == nil
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && equalMaps(x, y)
	case []any:
		y, ok := b.([]any)
		return ok && equalLists(x, y)
	case int64:
		if y, ok := b.(int64); ok {
			return x == y
		}
	}
	return equalNumbers(a, b)
}

func equalMaps(x, y map[string]any) bool {
	if len(x) != len(y) {
		return false
	}
	for k, v := range x {
		w, ok := y[k]
		if !ok || !equal(v, w) {
			return false
		}
	}
	return true
}

func equalLists(x, y []any) bool {
	if len(x) != len(y) {
		return false
	}
	for i := range x {
		if !equal(x[i], y[i]) {
			return false
		}
	}
	return true
}

func equalNumbers(a, b any) bool {
	x, ok := number(a)
	if !ok {
		return reflect.DeepEqual(a, b)
	}
	y, ok := number(b)
	return ok && x == y
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case int:
		return float64(n), true
	}
	return 0, false
}

// ignored is a tree of fields that a comparison leaves out; a nil child leaves
// out everything below it.
type ignored map[string]ignored

// bookkeeping is what the API server keeps on every object by itself.
func bookkeeping() ignored {
	return ignored{"metadata": {"managedFields": nil, "resourceVersion": nil, "generation": nil}}
}

// sameObjects compares two objects without what bookkeeping lists, and without
// making the list. Most differ, so that what is only in the second is asked last.
func sameObjects(a, b map[string]any) bool {
	others := len(b)
	if _, found := b["metadata"]; found {
		others--
	}
	for k, v := range a {
		if k == "metadata" {
			continue
		}
		if w, found := b[k]; !found || !equal(v, w) {
			return false
		}
		others--
	}
	return others == 0 && sameMeta(a, b)
}

func sameMeta(a, b map[string]any) bool {
	x, ok := mapOrNothing(a, "metadata")
	y, also := mapOrNothing(b, "metadata")
	return ok && also && coveredMeta(x, y) && coveredMeta(y, x)
}

func coveredMeta(a, b map[string]any) bool {
	for name, x := range a {
		switch name {
		case "managedFields", "resourceVersion", "generation":
			continue
		}
		if y, found := b[name]; !found || !equal(x, y) {
			return false
		}
	}
	return true
}

func mapOrNothing(m map[string]any, key string) (map[string]any, bool) {
	v, found := m[key]
	out, ok := v.(map[string]any)
	return out, ok || !found
}

// plus returns the tree with one more path in it.
func (t ignored) plus(path ...string) ignored {
	node := t
	for i, k := range path {
		sub, found := node[k]
		if i == len(path)-1 {
			node[k] = nil
			return t
		}
		if !found || sub == nil {
			sub = ignored{}
			node[k] = sub
		}
		node = sub
	}
	return t
}

// sameBut compares two objects without the ignored fields. Below an ignored
// path's parents an absent map and an empty one are the same, so that adding
// the first annotation differs by that annotation only.
func sameBut(a, b map[string]any, skip ignored) bool {
	return coveredBy(a, b, skip) && coveredBy(b, a, skip)
}

func coveredBy(a, b map[string]any, skip ignored) bool {
	for k, v := range a {
		sub, known := skip[k]
		if known && sub == nil {
			continue
		}
		w, found := b[k]
		if !known {
			if !found || !equal(v, w) {
				return false
			}
			continue
		}
		vm, ok := v.(map[string]any)
		if !ok {
			return false
		}
		wm, ok := w.(map[string]any)
		if found && !ok || !coveredBy(vm, wm, sub) {
			return false
		}
	}
	return true
}

// breakGlassAsked returns the reason on the new object, and whether this request
// sets or changes what the annotations ask for.
func (r *Request) breakGlassAsked() (reason string, asks bool) {
	is := child(r.Object, "metadata", "annotations")
	_, present := is[v1alpha1.AnnotationBreakGlass]
	if !present || !r.carriesObject() {
		return "", false
	}
	was := child(r.Old, "metadata", "annotations")
	_, before := was[v1alpha1.AnnotationBreakGlass]
	reason = text(is, v1alpha1.AnnotationBreakGlass)
	changed := !before ||
		reason != text(was, v1alpha1.AnnotationBreakGlass) ||
		text(is, v1alpha1.AnnotationBreakGlassFor) != text(was, v1alpha1.AnnotationBreakGlassFor)
	return reason, changed
}

// breakGlassRemoved: the annotation was there and goes with this request.
func (r *Request) breakGlassRemoved() bool {
	_, before := child(r.Old, "metadata", "annotations")[v1alpha1.AnnotationBreakGlass]
	_, after := child(r.Object, "metadata", "annotations")[v1alpha1.AnnotationBreakGlass]
	return r.Operation == Update && r.carriesObject() && before && !after
}

// carriesObject: the request shows the governed object itself, not a Scale, an
// Eviction or options.
func (r *Request) carriesObject() bool {
	switch r.Subresource {
	case "", "status", "finalize", "ephemeralcontainers", "resize", "approval":
		return r.Operation != Connect
	}
	return false
}
