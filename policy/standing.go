package policy

import (
	"slices"
	"strings"
)

// Sync says whether a field manager is one that a sync identity writes under: what it
// owns, but on the status, is what git declared.
func (p *Policy) Sync(manager string) bool { return p.syncManager(manager) }

// Governs says whether the policy governs the object of a request, by its resource, its
// namespace and its labels, as [Decide] finds out. What can't be told is governed.
func (p *Policy) Governs(req *Request, facts *Facts) bool {
	q := question{req: req, facts: facts, policy: p}
	return q.governed()
}

// FieldPaths writes the tree of a managedFields entry (its fieldsV1, decoded) as
// the paths of its leaves, in order and each once. It shows no value: the item of a set,
// which is one, stands as the set.
func FieldPaths(fields map[string]any) []string {
	paths := fieldPaths(nil, nil, fields)
	slices.Sort(paths)
	return slices.Compact(paths)
}

func fieldPaths(paths []string, stack []string, node map[string]any) []string {
	for key, v := range node {
		below, _ := v.(map[string]any)
		switch {
		case key == "." && len(node) > 1: // what else is there says more
		case key == ".", strings.HasPrefix(key, "v:"):
			paths = append(paths, pathOf(stack))
		case len(below) == 0:
			paths = append(paths, pathOf(append(slices.Clone(stack), key)))
		default:
			paths = fieldPaths(paths, append(slices.Clone(stack), key), below)
		}
	}
	return paths
}

// ShownAsWritten makes the part of an object that a managedFields entry names, as it is
// and as it was without what the entry wrote: lists by their keys, sets by their items,
// and in every leaf the same placeholder, since the entry does not say what stands
// there. What holds a leaf was there before: others may own the rest of it. It is for
// asking the judge about a write of which no more is known.
func ShownAsWritten(fields map[string]any) (old, object map[string]any) {
	was, is := written(fields)
	old, _ = was.(map[string]any)
	object, _ = is.(map[string]any)
	return old, object
}

// placeholder is a value that reads as no text, and as a list of something unknown.
func placeholder() any { return []any{map[string]any{}} }

// written makes both sides of a node; a leaf, which was not there, has none before.
func written(node map[string]any) (was, is any) {
	if len(node) == 0 {
		return nil, placeholder()
	}
	before, after := map[string]any{}, map[string]any{}
	itemsBefore, itemsAfter := []any{}, []any(nil)
	for key, v := range node {
		below, _ := v.(map[string]any)
		s, readable := readKey(key)
		switch {
		case !readable: // "." is the node itself
		case s.kind == valueStep:
			itemsAfter = append(itemsAfter, s.value)
		case s.kind == keyStep:
			w, i := writtenItem(s.keys, below)
			itemsBefore, itemsAfter = append(itemsBefore, w), append(itemsAfter, i)
		default:
			w, i := written(below)
			switch {
			case s.kind == fieldStep && len(below) > 0:
				before[s.field], after[s.field] = w, i
			case s.kind == fieldStep:
				after[s.field] = i
			default:
				itemsAfter = append(itemsAfter, i)
			}
		}
	}
	if itemsAfter != nil {
		return itemsBefore, itemsAfter
	}
	return before, after
}

// writtenItem is an item of a list. Whoever applies a field of one names its keys too,
// and changes nothing by that.
func writtenItem(keys, below map[string]any) (was, is map[string]any) {
	w, i := written(below)
	was, _ = w.(map[string]any)
	is, _ = i.(map[string]any)
	if is == nil {
		was, is = map[string]any{}, map[string]any{}
	}
	for name, value := range keys {
		was[name], is[name] = value, value
	}
	return was, is
}
