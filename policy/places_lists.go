package policy

// added is the index of the spot of an item that only the second of two lists of
// different length has at its place; that of one which only the first has there
// stands as it is.
func added(i int) int { return -2 - i }

// item finds what a spot of two lists names.
func (s *spot) item(was, is []any) any {
	if s.index < -1 {
		return is[-2-s.index]
	}
	return was[s.index]
}

func (p *places) lists(name string, index int, a, b []any) {
	at := p.open(name, index)
	if len(a) != len(b) {
		if !p.spliced(a, b) {
			p.spots = p.spots[:at]
			p.leaf(name, index)
			return
		}
		p.close(at)
		return
	}
	var like shape
	for i := 0; i < len(a) && !p.many; i++ {
		if like.same(a[i], b[i]) {
			continue
		}
		p.value("", i, a[i], b[i], true)
	}
	p.close(at)
}

// spliced compares lists of different length: what is between the items that they
// have in common at the start and at the end. It answers no where that is much.
func (p *places) spliced(a, b []any) bool {
	var like shape
	from, most := 0, min(len(a), len(b))
	for from < most && (like.same(a[from], b[from]) || equal(a[from], b[from])) {
		from++
	}
	a, b = a[from:], b[from:]
	for len(a) > 0 && len(b) > 0 {
		x, y := a[len(a)-1], b[len(b)-1]
		if !like.same(x, y) && !equal(x, y) {
			break
		}
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if len(a)+len(b) > maxSpliced {
		return false
	}
	for i := range a {
		p.leaf("", from+i)
	}
	for i := range b {
		p.leaf("", added(from+i))
	}
	return true
}

// maxSpliced: each of these items is looked for in the whole list.
const maxSpliced = 8
