package policy

import (
	"slices"
	"strconv"
	"strings"
)

// side is a value on one side of a comparison, which may be absent.
type side struct {
	v  any
	ok bool
}

func (s side) field(name string) side {
	m, _ := s.v.(map[string]any)
	v, ok := m[name]
	return side{v, ok}
}

func (s side) items() []any {
	l, _ := s.v.([]any)
	return l
}

// walker goes down the tree of one managedFields entry, beside the old and the
// new object and what the new object's entry still holds.
type walker struct {
	stack   []string // keys from the root
	touched []string // paths that changed, at most maxTouched
	dropped string   // a path that the entry lost though its value stayed
	foreign bool     // the entry speaks of another apiVersion than the objects
	key     []byte   // scratch
}

// hit notes that the path of the stack, and key below it, changed.
func (w *walker) hit(key string) {
	if len(w.touched) >= maxTouched {
		return
	}
	if key == "" || key == "." {
		w.touched = append(w.touched, pathOf(w.stack))
		return
	}
	w.touched = append(w.touched, pathOf(append(slices.Clone(w.stack), key)))
}

// node compares what owned holds. kept is nil where the new entry holds nothing
// of it; an empty kept holds all of it.
func (w *walker) node(owned, kept map[string]any, old, new side) {
	matched := w.keyed(owned, kept, old, new)
	for key, v := range owned {
		if matched && strings.HasPrefix(key, "k:") {
			continue
		}
		sub, ok := v.(map[string]any)
		if !ok {
			w.hit(key)
			continue
		}
		w.entry(key, sub, kept, old, new)
	}
}

// entry compares one key of a node.
func (w *walker) entry(key string, sub, kept map[string]any, old, new side) {
	o, n := old, new // "." is the item itself
	if key != "." {
		var readable bool
		if o, n, readable = step2(key, old, new); !readable {
			w.hit(key)
			return
		}
	}
	w.pair(key, sub, kept, o, n)
}

// pair compares the values that one key names.
func (w *walker) pair(key string, sub, kept map[string]any, o, n side) {
	k, held := kept[key]
	keptSub, _ := k.(map[string]any)
	held = held || kept != nil && len(kept) == 0
	switch {
	case !o.ok && !n.ok:
		if w.foreign { // named otherwise in this version: it can't be told
			w.hit(key)
		}
	case o.ok != n.ok:
		w.hit(key)
	case len(sub) == 0:
		if key != "." && !equal(o.v, n.v) {
			w.hit(key)
		} else if !held {
			w.drop(key)
		}
	default:
		if held && keptSub == nil {
			keptSub = map[string]any{}
		}
		w.stack = append(w.stack, key)
		w.node(sub, keptSub, o, n)
		w.stack = w.stack[:len(w.stack)-1]
	}
}

// drop notes a path that the entry lost although nothing was written there.
func (w *walker) drop(key string) {
	if w.dropped == "" {
		w.dropped = pathOf(append(slices.Clone(w.stack), key))
	}
	w.hit(key)
}

// step2 goes one key down on both sides; readable is false for a key of no
// known form.
func step2(key string, old, new side) (o, n side, readable bool) {
	if len(key) < 2 || key[1] != ':' {
		return side{}, side{}, false
	}
	rest := key[2:]
	var s step
	switch key[0] {
	case 'f':
		return old.field(rest), new.field(rest), true
	case 'i':
		i, err := strconv.Atoi(rest)
		if err != nil || i < 0 {
			return side{}, side{}, false
		}
		s = step{kind: indexStep, index: i}
	case 'v', 'k':
		v, err := parseJSON(rest)
		if err != nil {
			return side{}, side{}, false
		}
		s = step{kind: valueStep, value: v}
		if key[0] == 'k' {
			keys, ok := v.(map[string]any)
			if !ok || len(keys) == 0 {
				return side{}, side{}, false
			}
			s = step{kind: keyStep, keys: keys}
		}
	default:
		return side{}, side{}, false
	}
	ov, ook := s.in(old.v)
	nv, nok := s.in(new.v)
	return side{ov, ook}, side{nv, nok}, true
}

// keyed compares the items of a keyed list without parsing each key: it writes
// the key of every old item as managedFields would, and looks that up. It
// reports whether it covered all "k:" keys; if not, each is parsed.
func (w *walker) keyed(owned, kept map[string]any, old, new side) bool {
	items := old.items()
	if len(items) == 0 {
		return false
	}
	names := keyNames(owned)
	if names == nil || !w.covers(owned, items, names) {
		return false
	}
	others := new.items()
	for i, item := range items {
		w.key = appendItemKey(w.key[:0], item, names)
		v, ok := owned[string(w.key)]
		if !ok {
			continue
		}
		key := string(w.key)
		sub, ok := v.(map[string]any)
		if !ok {
			w.hit(key)
			continue
		}
		w.pair(key, sub, kept, side{item, true}, findItem(others, i, item, names))
	}
	return true
}

// covers: every "k:" key of the node names exactly one of the items.
func (w *walker) covers(owned map[string]any, items []any, names []string) bool {
	want, got := 0, 0
	for k := range owned {
		if strings.HasPrefix(k, "k:") {
			want++
		}
	}
	for _, item := range items {
		w.key = appendItemKey(w.key[:0], item, names)
		if _, ok := owned[string(w.key)]; ok {
			got++
		}
	}
	return want == got
}

// keyNames returns the field names of the node's list keys, sorted, or nil.
func keyNames(owned map[string]any) []string {
	for k := range owned {
		if !strings.HasPrefix(k, "k:") {
			continue
		}
		v, err := parseJSON(k[2:])
		keys, ok := v.(map[string]any)
		if err != nil || !ok || len(keys) == 0 {
			return nil
		}
		names := make([]string, 0, len(keys))
		for n := range keys {
			names = append(names, n)
		}
		slices.Sort(names)
		return names
	}
	return nil
}

func appendItemKey(b []byte, item any, names []string) []byte {
	m, _ := item.(map[string]any)
	b = append(b, "k:{"...)
	n := 0
	for _, name := range names {
		v, ok := m[name]
		if !ok {
			continue
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":`...)
		b = appendJSON(b, v)
		n++
	}
	return append(b, '}')
}

// findItem finds the item with the same keys, where it was before or elsewhere.
func findItem(items []any, at int, like any, names []string) side {
	if at < len(items) && sameKeys(items[at], like, names) {
		return side{items[at], true}
	}
	for _, x := range items {
		if sameKeys(x, like, names) {
			return side{x, true}
		}
	}
	return side{}
}

func sameKeys(a, b any, names []string) bool {
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	if x == nil || y == nil {
		return false
	}
	for _, n := range names {
		v, ok := x[n]
		u, also := y[n]
		if ok != also || !equal(v, u) {
			return false
		}
	}
	return true
}
