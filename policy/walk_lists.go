package policy

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
)

// keyed compares the items of a keyed list without parsing each key: it writes
// the key of every old item as managedFields would, and looks that up. It
// reports whether it covered all "k:" keys; if not, each is parsed.
func (w *walker) keyed(owned, kept map[string]any, old, new side) (covered bool) {
	items, others := old.items(), new.items()
	if len(items) == 0 {
		return false
	}
	names := keyNames(owned)
	if names == nil {
		return false
	}
	found, covered := w.match(owned, kept, items, names)
	inOrder := aligned(items, others, names)
	if !covered || !inOrder && w.twice(others, names) {
		return false
	}
	for _, m := range found {
		f := frame{item: items[m.at], names: names}
		sub, ok := m.sub.(map[string]any)
		if !ok {
			w.hit(f)
			continue
		}
		n := side{}
		if inOrder {
			n = side{others[m.at], true}
		} else {
			n = findItem(others, m.at, items[m.at], names)
		}
		w.pair(f, sub, m.kept, side{items[m.at], true}, n)
	}
	return true
}

// owning is an item that the entry owns.
type owning struct {
	at   int // in the list
	sub  any
	kept holding
}

// match finds the items that the entry owns. It covers the node when every "k:"
// key of the node names exactly one of them.
func (w *walker) match(owned, kept map[string]any, items []any, names []string) (found []owning, covered bool) {
	want := 0
	for k := range owned {
		if strings.HasPrefix(k, "k:") {
			want++
		}
	}
	found = make([]owning, 0, min(want, len(items)))
	w.clear(len(items))
	for i, item := range items {
		if w.again(item, names) {
			return nil, false
		}
		if v, ok := owned[string(w.key)]; ok {
			k, held := kept[string(w.key)]
			found = append(found, owning{i, v, holding{k, held || kept != nil && len(kept) == 0}})
		}
	}
	return found, want == len(found)
}

// twice: two of the items have the same keys.
func (w *walker) twice(items []any, names []string) bool {
	w.clear(len(items))
	return slices.ContainsFunc(items, func(item any) bool { return w.again(item, names) })
}

// clear readies the table of hashes for a list. It has open addressing, half of
// it stays free.
func (w *walker) clear(n int) {
	size := 1 << bits.Len(uint(2*n))
	w.seen = slices.Grow(w.seen[:0], size)[:size]
	clear(w.seen)
	w.seed = maphash.MakeSeed()
}

// again writes the item's key to the scratch, and says whether another item of
// this list had it (or, which costs nothing but time, its hash).
func (w *walker) again(item any, names []string) bool {
	w.key = appendItemKey(w.key[:0], item, names)
	h := maphash.Bytes(w.seed, w.key) | 1 // 0 is a free place
	mask := len(w.seen) - 1
	at := int(h>>32) & mask
	for ; w.seen[at] != 0; at = (at + 1) & mask {
		if w.seen[at] == h {
			return true
		}
	}
	w.seen[at] = h
	return false
}

// aligned: the same items, by their keys, in the same order.
func aligned(a, b []any, names []string) bool {
	return slices.EqualFunc(a, b, func(x, y any) bool { return sameKeys(x, y, names) })
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
	if at >= 0 && at < len(items) && sameKeys(items[at], like, names) {
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
