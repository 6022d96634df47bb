package policy

import (
	"slices"
	"strings"
)

// Diff lists what differs between two objects, leaf by leaf, in the order of
// their paths; either may be nil. What the API server keeps by itself
// (managedFields, resourceVersion, generation) is left out. At most limit
// changes are returned, and omitted counts the rest. Lists are compared item by
// item where managedFields of either object say by which keys, or where every
// item has a name of its own; other lists as a whole.
func Diff(old, new map[string]any, limit int) (changes []Change, omitted int) {
	if len(old) == 0 && len(new) == 0 {
		return nil, 0
	}
	d := differ{limit: limit}
	var hints []map[string]any
	for _, obj := range []map[string]any{old, new} {
		for _, v := range managedFields(obj) {
			if e, ok := readEntry(v); ok && e.fields != nil {
				hints = append(hints, e.fields)
			}
		}
	}
	d.maps(side{old, old != nil}, side{new, new != nil}, hints, bookkeeping())
	return d.changes, d.omitted
}

type differ struct {
	path    []byte
	changes []Change
	limit   int
	omitted int
}

func (d *differ) add(old, new side) {
	if len(d.changes) >= d.limit {
		d.omitted++
		return
	}
	d.changes = append(d.changes, Change{
		Path: string(d.path), From: old.v, To: new.v, HasFrom: old.ok, HasTo: new.ok,
	})
}

func (d *differ) value(old, new side, hints []map[string]any, skip ignored) {
	_, oldMap := old.v.(map[string]any)
	_, newMap := new.v.(map[string]any)
	_, oldList := old.v.([]any)
	_, newList := new.v.([]any)
	switch {
	case (oldMap || !old.ok) && (newMap || !new.ok) && (oldMap || newMap):
		d.maps(old, new, hints, skip)
	case (oldList || !old.ok) && (newList || !new.ok) && (oldList || newList):
		d.lists(old, new, hints)
	case old.ok != new.ok || !equal(old.v, new.v):
		d.add(old, new)
	}
}

func (d *differ) maps(old, new side, hints []map[string]any, skip ignored) {
	om, _ := old.v.(map[string]any)
	nm, _ := new.v.(map[string]any)
	if len(om) == 0 && len(nm) == 0 {
		if old.ok != new.ok {
			d.add(old, new)
		}
		return
	}
	for _, name := range bothKeys(om, nm) {
		sub, known := skip[name]
		if known && sub == nil {
			continue
		}
		mark := len(d.path)
		d.path = appendField(d.path, name)
		d.value(old.field(name), new.field(name), below(hints, "f:"+name), sub)
		d.path = d.path[:mark]
	}
}

func bothKeys(a, b map[string]any) []string {
	names := make([]string, 0, max(len(a), len(b)))
	for k := range a {
		names = append(names, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

func below(hints []map[string]any, key string) []map[string]any {
	var out []map[string]any
	for _, h := range hints {
		if sub, ok := h[key].(map[string]any); ok && len(sub) > 0 {
			out = append(out, sub)
		}
	}
	return out
}

func (d *differ) lists(old, new side, hints []map[string]any) {
	a, b := old.items(), new.items()
	if old.ok == new.ok && equalLists(a, b) {
		return
	}
	names := listKeys(hints, a, b)
	if names == nil {
		d.unkeyed(old, new)
		return
	}
	for i, item := range a {
		d.item(side{item, true}, findItem(b, i, item, names), hints, names)
	}
	for i, item := range b {
		if !findItem(a, i, item, names).ok {
			d.item(side{}, side{item, true}, hints, names)
		}
	}
}

// unkeyed compares lists that nothing tells how to compare: objects of the same
// number one by one, anything else as a whole.
func (d *differ) unkeyed(old, new side) {
	a, b := old.items(), new.items()
	isMap := func(v any) bool { _, ok := v.(map[string]any); return ok }
	if len(a) != len(b) || len(a) == 0 || !isMap(a[0]) {
		d.add(old, new)
		return
	}
	for i := range a {
		mark := len(d.path)
		d.path = appendIndex(d.path, i)
		d.value(side{a[i], true}, side{b[i], true}, nil, nil)
		d.path = d.path[:mark]
	}
}

func (d *differ) item(old, new side, hints []map[string]any, names []string) {
	m, _ := old.v.(map[string]any)
	if !old.ok {
		m, _ = new.v.(map[string]any)
	}
	keys := map[string]any{}
	for _, n := range names {
		if v, ok := m[n]; ok {
			keys[n] = v
		}
	}
	mark := len(d.path)
	d.path = appendKeys(d.path, keys)
	hint := below(hints, string(appendItemKey(nil, m, names)))
	if old.ok && new.ok {
		d.value(old, new, hint, nil)
	} else {
		d.add(old, new)
	}
	d.path = d.path[:mark]
}

// listKeys says by which fields the items of a list are told apart; nil: as a
// whole.
func listKeys(hints []map[string]any, a, b []any) []string {
	for _, h := range hints {
		if names := keyNames(h); names != nil && distinct(a, names) && distinct(b, names) {
			return names
		}
	}
	if names := []string{"name"}; distinct(a, names) && distinct(b, names) {
		return names
	}
	return nil
}

// distinct: every item has at least one of the keys, and no two the same.
func distinct(items []any, names []string) bool {
	seen := make(map[string]struct{}, len(items))
	for _, item := range items {
		key := string(appendItemKey(nil, item, names))
		if key == "k:{}" {
			return false
		}
		if _, twice := seen[key]; twice {
			return false
		}
		seen[key] = struct{}{}
	}
	return true
}

// changedOnly says whether everything that differs lies at or below one of the
// patterns.
func changedOnly(old, new map[string]any, patterns []fieldPattern) bool {
	changes, omitted := Diff(old, new, maxCompared)
	if omitted > 0 {
		return false
	}
	for _, c := range changes {
		path, err := parsePath(c.Path)
		if err != nil {
			return false
		}
		if !slices.ContainsFunc(patterns, func(p fieldPattern) bool { return p.covers(path) }) {
			return false
		}
	}
	return true
}

const maxCompared = 1000

// hasPrefixAny is for tracking marks, which come as families of keys.
func hasPrefixAny(s string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(s, p) })
}
