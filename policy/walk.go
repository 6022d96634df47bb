package policy

import (
	"hash/maphash"
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
	stack   []frame  // keys from the root
	touched []string // paths that changed, at most MaxTouched
	dropped string   // the first path, by name, that the entry lost though its value stayed
	foreign bool     // the entry speaks of another apiVersion than the objects
	objects *places  // where the objects differ
	sets    *places  // where what the entry held and what it still holds differ
	key     []byte   // scratch
	seen    []uint64 // hashes of the keys of one list
	seed    maphash.Seed
}

// frame is one key of a path. That of a list's item is written only when the
// path is asked for.
type frame struct {
	key   string
	item  any
	names []string // of the item's keys; nil: key stands
}

func (w *walker) path(f frame) string {
	keys := make([]string, 0, len(w.stack)+1)
	for _, f := range append(slices.Clone(w.stack), f) {
		if f.names != nil {
			f.key = string(appendItemKey(nil, f.item, f.names))
		}
		if f.key != "" {
			keys = append(keys, f.key)
		}
	}
	if n := len(keys); n > 0 && keys[n-1] == "." { // the item itself
		keys = keys[:n-1]
	}
	return pathOf(keys)
}

// hit notes that the path of the stack, and the key below it, changed.
func (w *walker) hit(f frame) {
	if len(w.touched) < MaxTouched {
		w.touched = append(w.touched, w.path(f))
	}
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
			w.hit(frame{key: key})
			continue
		}
		w.entry(key, sub, kept, old, new)
	}
}

// entry compares one key of a node.
func (w *walker) entry(key string, sub, kept map[string]any, old, new side) {
	f, o, n := frame{key: key}, old, new
	switch {
	case key == ".": // the item itself
	case strings.HasPrefix(key, "f:"):
		o, n = old.field(key[2:]), new.field(key[2:])
	default:
		s, readable := readKey(key)
		if !readable {
			w.hit(f)
			return
		}
		if s.kind != fieldStep && s.kind != indexStep {
			was, is := s.all(old.v), s.all(new.v)
			if (len(was) > 1 || len(is) > 1) && !equalLists(was, is) {
				w.hit(f) // which of them it names can't be told
				return
			}
		}
		o.v, o.ok = s.in(old.v)
		n.v, n.ok = s.in(new.v)
	}
	k, there := kept[key]
	w.pair(f, sub, holding{k, there || kept != nil && len(kept) == 0}, o, n)
}

// openMap: labels and annotations of an object, which git wrote as an empty map.
// On any kind they are maps whose keys have owners of their own, so that it
// declared none of them, and others may set theirs.
func (w *walker) openMap(f frame) bool {
	return (f.key == "f:labels" || f.key == "f:annotations") && len(w.stack) == 1 && w.stack[0].key == "f:metadata"
}

// holding is what the new entry still holds of a key.
type holding struct {
	below any
	held  bool
}

// pair compares the values that one key names.
func (w *walker) pair(f frame, sub map[string]any, kept holding, o, n side) {
	self := f.key == "." && f.names == nil
	switch {
	case len(sub) == 0 && w.openMap(f):
	case !o.ok && !n.ok:
		if w.foreign { // named otherwise in this version: it can't be told
			w.hit(f)
		}
	case o.ok != n.ok:
		w.hit(f)
	case len(sub) == 0:
		if self && !sameForm(o.v, n.v) || !self && !equal(o.v, n.v) {
			w.hit(f)
		} else if !kept.held {
			w.drop(f)
		}
	default:
		below, _ := kept.below.(map[string]any)
		if kept.held && below == nil {
			below = map[string]any{}
		}
		w.stack = append(w.stack, f)
		w.node(sub, below, o, n)
		w.stack = w.stack[:len(w.stack)-1]
	}
}

// drop notes a path that the entry lost although nothing was written there.
func (w *walker) drop(f frame) {
	if p := w.path(f); w.dropped == "" || p < w.dropped {
		w.dropped = p
	}
	w.hit(f)
}

// sameForm: both are maps, both lists, or the same plain value; what is in a map
// or a list is not asked.
func sameForm(a, b any) bool {
	switch a.(type) {
	case map[string]any:
		_, ok := b.(map[string]any)
		return ok
	case []any:
		_, ok := b.([]any)
		return ok
	}
	return equal(a, b)
}

// readKey reads one key of managedFields; readable is false for a key of no
// known form.
func readKey(key string) (s step, readable bool) {
	if len(key) < 2 || key[1] != ':' {
		return step{}, false
	}
	rest := key[2:]
	switch key[0] {
	case 'f':
		return step{kind: fieldStep, field: rest}, true
	case 'i':
		i, err := strconv.Atoi(rest)
		return step{kind: indexStep, index: i}, err == nil && i >= 0
	case 'v':
		v, err := parseJSON(rest)
		return step{kind: valueStep, value: v}, err == nil
	case 'k':
		v, err := parseJSON(rest)
		keys, ok := v.(map[string]any)
		return step{kind: keyStep, keys: keys}, err == nil && ok && len(keys) > 0
	}
	return step{}, false
}
