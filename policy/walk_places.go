package policy

// compare looks for what a write changes of one entry: where the objects differ, and
// where the entry lost something. Where that is everywhere, or an entry of another
// version names what is nowhere, every path is looked up. It says whether the new
// entry is known to hold nothing that the old does not.
func (w *walker) compare(r *Request, owned, kept map[string]any, differences func() *places) (within bool) {
	if len(kept) == 0 { // below the root an empty node is a whole value; here it is none
		kept = nil
	}
	old, new := side{r.Old, true}, side{r.Object, r.Object != nil}
	if kept != nil && new.ok && !w.foreign {
		if w.objects = differences(); !w.objects.many {
			w.sets = contrasting(owned, kept)
			if !w.sets.many {
				w.at(owned, kept, old, new, w.objects.all(), w.sets.all())
				return !w.sets.grown
			}
		}
	}
	w.node(owned, kept, old, new)
	return false
}

// at looks at what owned holds where the objects differ, or the sets: nothing else
// can have changed. objects and sets are the spots at this node; whatever they
// don't tell apart is walked as a whole.
func (w *walker) at(owned, kept map[string]any, old, new side, objects, sets span) {
	if !objects.none() && w.objects.spots[objects.from].index != -1 {
		if !w.items(owned, kept, old, new, objects, sets) {
			w.node(owned, kept, old, new)
		}
		return
	}
	for at := objects.from; at < objects.to; at = w.objects.spots[at].end {
		w.key = append(append(w.key[:0], "f:"...), w.objects.spots[at].name...)
		if _, ok := owned[string(w.key)]; ok {
			key := string(w.key)
			w.below(key, owned, kept, old, new, at, w.sets.find(sets, key))
		}
	}
	for at := sets.from; at < sets.to; at = w.sets.spots[at].end {
		key := w.sets.spots[at].name
		if len(key) < 2 || key[:2] != "f:" {
			w.whole(key, owned, kept, old, new)
		} else if w.objects.find(objects, key[2:]) < 0 {
			w.below(key, owned, kept, old, new, -1, at)
		}
	}
}

// below goes down to a field, with the spots that bear its name; -1 for none.
func (w *walker) below(key string, owned, kept map[string]any, old, new side, object, set int32) {
	o, n := old.field(key[2:]), new.field(key[2:])
	if !o.ok || !n.ok || w.objects.isLeaf(object) || w.sets.isLeaf(set) {
		w.whole(key, owned, kept, old, new)
		return
	}
	w.descend(key, owned, kept, o, n, object, set)
}

func (w *walker) descend(key string, owned, kept map[string]any, o, n side, object, set int32) {
	sub, _ := owned[key].(map[string]any)
	keep, _ := kept[key].(map[string]any)
	if len(sub) == 0 || len(keep) == 0 {
		w.pair(frame{key: key}, sub, holding{keep, true}, o, n) // as both sets hold it
		return
	}
	w.stack = append(w.stack, frame{key: key})
	w.at(sub, keep, o, n, w.objects.below(object), w.sets.below(set))
	w.stack = w.stack[:len(w.stack)-1]
}

// whole compares one key with all that is below it.
func (w *walker) whole(key string, owned, kept map[string]any, old, new side) {
	if sub, ok := owned[key].(map[string]any); ok {
		w.entry(key, sub, kept, old, new)
		return
	}
	w.hit(frame{key: key})
}

// items goes down to the items of a keyed list that differ. It answers no where
// their keys don't tell.
func (w *walker) items(owned, kept map[string]any, old, new side, objects, sets span) bool {
	form := formOf(owned)
	names := form.keys()
	if names == nil || !w.plain(objects, old.items(), new.items(), names) {
		return false
	}
	for at := objects.from; at < objects.to; at = w.objects.spots[at].end {
		s := &w.objects.spots[at]
		w.key = appendItemKey(w.key[:0], s.item(old.items(), new.items()), names)
		s.name = "" // of another entry, perhaps
		if _, ok := owned[string(w.key)]; !ok {
			continue
		}
		key := string(w.key)
		if w.objects.find(span{objects.from, at}, key) < 0 { // removed and added
			w.itemAt(key, names, owned, kept, old, new, at, w.sets.find(sets, key))
		}
		s.name = key
	}
	for at := sets.from; at < sets.to; at = w.sets.spots[at].end {
		if key := w.sets.spots[at].name; w.objects.find(objects, key) < 0 {
			w.whole(key, owned, kept, old, new)
		}
	}
	return true
}

// plain: the keys of the items that differ are written in one way only, and in lists
// of one length they are the same on both sides.
func (w *walker) plain(in span, was, is []any, names []string) bool {
	for at := in.from; at < in.to; at = w.objects.spots[at].end {
		s := &w.objects.spots[at]
		if !plainKeys(s.item(was, is), names) || len(was) == len(is) && !sameKeys(was[s.index], is[s.index], names) {
			return false
		}
	}
	return true
}

func (w *walker) itemAt(key string, names []string, owned, kept map[string]any, old, new side, object, set int32) {
	was, is, i := old.items(), new.items(), w.objects.spots[object].index
	if w.objects.isLeaf(object) || w.sets.isLeaf(set) || !single(was, int(i), names) {
		w.whole(key, owned, kept, old, new)
		return
	}
	w.descend(key, owned, kept, side{was[i], true}, side{is[i], true}, object, set)
}

// single: no other item of the list has the same keys. That holds of both lists:
// they differ in no key.
func single(items []any, i int, names []string) bool {
	like, _ := items[i].(map[string]any)
	first := like[names[0]]
	for j, x := range items {
		m, _ := x.(map[string]any)
		if j != i && equal(m[names[0]], first) && sameKeys(x, items[i], names) {
			return false
		}
	}
	return true
}
