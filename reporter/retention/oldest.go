package retention

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// maxCandidates bounds what one pass deletes by number, and so its memory; the next
// pass follows at once.
const maxCandidates = 5000

// candidate is a record that may go, without the record.
type candidate struct {
	name string
	rank rank
	at   time.Time // last seen
}

func (a candidate) compare(b candidate) int {
	return cmp.Or(cmp.Compare(a.rank, b.rank), a.at.Compare(b.at), cmp.Compare(a.name, b.name))
}

// oldest keeps the first of all candidates, in the order in which they go.
type oldest struct{ worst worstFirst }

func (o *oldest) add(c candidate) {
	switch {
	case c.rank == rankNever:
	case len(o.worst) < maxCandidates:
		heap.Push(&o.worst, c)
	case c.compare(o.worst[0]) < 0:
		o.worst[0] = c
		heap.Fix(&o.worst, 0)
	}
}

// first gives the n that go first, in order.
func (o *oldest) first(n int) []candidate {
	slices.SortFunc(o.worst, candidate.compare)
	return o.worst[:min(n, len(o.worst))]
}

// worstFirst is a heap whose root goes last.
type worstFirst []candidate

func (w worstFirst) Len() int           { return len(w) }
func (w worstFirst) Less(i, j int) bool { return w[i].compare(w[j]) > 0 }
func (w worstFirst) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *worstFirst) Push(x any)        { *w = append(*w, x.(candidate)) }
func (w *worstFirst) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
