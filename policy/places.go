package policy

// places are where two trees differ, in the order of a walk: a spot, those below
// it, then its next sibling. Most writes differ in few places, and of what git
// declared only these have to be looked at.
type places struct {
	spots []spot
	many  bool // more than maxSpots: look everywhere
	alike bool // of objects: they differ in nothing but bookkeeping
	grown bool // of field sets: the second may hold what the first does not
}

// spot is one step to a difference. Without spots below it, the values differ as a
// whole; with them, both are maps or both are lists.
type spot struct {
	name  string // of the field, or the key of managedFields
	index int32  // of the item of a list; -1: a field; below: see added
	end   int32  // behind the last spot below
}

// maxSpots bounds what is noted, since each spot is looked up among its siblings.
const maxSpots = 32

// span is a range of siblings, with what is below them.
type span struct{ from, to int32 }

func (s span) none() bool { return s.from >= s.to }

func (p *places) all() span { return span{0, int32(len(p.spots))} }

// below is the span under a spot; -1 stands for no spot.
func (p *places) below(at int32) span {
	if at < 0 {
		return span{}
	}
	return span{at + 1, p.spots[at].end}
}

func (p *places) isLeaf(at int32) bool { return at >= 0 && p.spots[at].end == at+1 }

// find returns the spot with the name among siblings, or -1.
func (p *places) find(in span, name string) int32 {
	for at := in.from; at < in.to; at = p.spots[at].end {
		if p.spots[at].name == name {
			return at
		}
	}
	return -1
}

func (p *places) open(name string, index int) (at int) {
	if p.spots == nil {
		p.spots = make([]spot, 0, 8)
	}
	at = len(p.spots)
	p.spots = append(p.spots, spot{name: name, index: int32(index)})
	return at
}

// close ends a spot that was opened, and takes it away where nothing is below it.
func (p *places) close(at int) {
	if len(p.spots) == at+1 {
		p.spots = p.spots[:at]
		return
	}
	p.spots[at].end = int32(len(p.spots))
}

// leaf notes a value that differs as a whole.
func (p *places) leaf(name string, index int) {
	at := p.open(name, index)
	p.spots[at].end = int32(at + 1)
	p.many = p.many || len(p.spots) > maxSpots
}

// comparing finds where two objects differ. managedFields always do: they are
// compared by themselves.
func comparing(old, new map[string]any) *places {
	p := &places{}
	for k, v := range old {
		if k != "metadata" {
			w, ok := new[k]
			p.value(k, -1, v, w, ok)
		}
	}
	for k := range new {
		if _, ok := old[k]; !ok && k != "metadata" {
			p.leaf(k, -1)
		}
	}
	p.alike = len(p.spots) == 0
	p.metadata(old, new)
	return p
}

func (p *places) metadata(old, new map[string]any) {
	v, had := old["metadata"]
	w, has := new["metadata"]
	x, isMap := v.(map[string]any)
	y, still := w.(map[string]any)
	p.alike = p.alike && sameMeta(old, new)
	switch {
	case isMap && still:
		at := p.open("metadata", -1)
		for k, v := range x {
			if w, ok := y[k]; k == "managedFields" {
				p.leaf(k, -1)
			} else {
				p.value(k, -1, v, w, ok)
			}
		}
		p.others(x, y)
		p.close(at)
	case had || has:
		p.leaf("metadata", -1)
	}
}

// value compares two values of the same name.
func (p *places) value(name string, index int, a, b any, there bool) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok && x == y {
			return
		}
	case map[string]any:
		if y, ok := b.(map[string]any); ok {
			at := p.open(name, index)
			p.maps(x, y)
			p.close(at)
			return
		}
	case []any:
		if y, ok := b.([]any); ok {
			p.lists(name, index, x, y)
			return
		}
	default:
		if there && equal(a, b) {
			return
		}
	}
	p.leaf(name, index)
}

func (p *places) maps(a, b map[string]any) {
	same := 0
	for k, v := range a {
		if p.many {
			return
		}
		w, ok := b[k]
		if ok {
			same++
		}
		p.value(k, -1, v, w, ok)
	}
	if same < len(b) {
		p.others(a, b)
	}
}

// others notes what only the second map has.
func (p *places) others(a, b map[string]any) {
	for k := range b {
		if _, ok := a[k]; !ok && !p.many {
			p.leaf(k, -1)
		}
	}
}
