package policy

// shape is the keys that an item of a list has. Those of one list mostly have the
// same, and looking up a few keys costs half of going through a small map.
type shape struct {
	keys  [6]string
	count int
}

// learn takes the keys of the first small item.
func (s *shape) learn(item map[string]any) {
	if s.count > 0 || len(item) > len(s.keys) {
		return
	}
	for k := range item {
		s.keys[s.count] = k
		s.count++
	}
}

// same: both items have the keys of the shape and no others, with the same plain
// values. An answer of no says nothing.
func (s *shape) same(x, y any) bool {
	a, isMap := x.(map[string]any)
	b, also := y.(map[string]any)
	if !isMap || !also {
		return false
	}
	s.learn(a)
	if len(a) != s.count || len(b) != s.count {
		return false
	}
	for _, k := range s.keys[:s.count] {
		v, ok := a[k]
		w, there := b[k]
		if !ok || !there || !samePlain(v, w) {
			return false
		}
	}
	return true
}

func samePlain(v, w any) bool {
	switch x := v.(type) {
	case string:
		y, ok := w.(string)
		return ok && x == y
	case map[string]any, []any:
		return false
	}
	return equal(v, w)
}

// sameLeaves: both nodes have the keys of the shape and no others, and nothing below
// them. An answer of no says nothing.
func (s *shape) sameLeaves(a, b map[string]any) bool {
	return s.leaves(a) && s.leaves(b)
}

func (s *shape) leaves(node map[string]any) bool {
	if s.count == 0 || len(node) != s.count {
		return false
	}
	for _, k := range s.keys[:s.count] {
		if sub, ok := node[k].(map[string]any); !ok || len(sub) > 0 {
			return false
		}
	}
	return true
}
