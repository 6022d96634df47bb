package git

import (
	"container/heap"
	"context"
	"errors"
	"time"
)

// Which side of a walk has reached a commit.
const (
	wanted   = 1
	unwanted = 2
)

// between finds the commits that `from` has and none of the others has, `from` itself
// included. held tells whether `from` has all the others too.
//
// It walks from the newest commit down and stops when nothing is left that only `from`
// has, so that a long history costs nothing. What it leaves out is always an ancestor
// of the others. Where clocks were wrong it may hold too much, which asks for more
// signatures, never for fewer.
func (h *history) between(ctx context.Context, from string, others []string) (found map[string]bool, held bool, err error) {
	w := walk{history: h, sides: map[string]int{}, queued: map[string]bool{}}
	if err := w.paint(from, wanted); err != nil {
		return nil, false, err
	}
	for _, other := range others {
		if err := w.paint(other, unwanted); err != nil {
			return nil, false, err
		}
	}
	for w.goesOn() {
		if err := ctx.Err(); err != nil {
			return nil, false, err
		}
		c := heap.Pop(&w.queue).(*change)
		w.queued[c.hash] = false
		if w.sides[c.hash] == wanted {
			w.open--
		}
		for _, parent := range c.parents {
			if err := w.paint(parent, w.sides[c.hash]); err != nil {
				return nil, false, err
			}
		}
	}
	held = true
	for _, other := range others {
		held = held && w.sides[other]&wanted != 0
	}
	found = map[string]bool{}
	for hash, side := range w.sides {
		if side == wanted {
			found[hash] = true
		}
	}
	return found, held, nil
}

// walk is one walk over history from two sides.
type walk struct {
	*history
	sides  map[string]int
	queued map[string]bool
	queue  newestFirst
	open   int       // how many in the queue only the wanted side has reached
	any    bool      // something was reached by the wanted side only, and of that
	oldest time.Time // the time of the oldest
}

// goesOn: while something is only wanted, or an unwanted commit is young enough to be a
// descendant of one that is.
func (w *walk) goesOn() bool {
	return len(w.queue) > 0 && (w.open > 0 || !w.queue[0].when.Before(w.oldest))
}

func (w *walk) paint(hash string, side int) error {
	before := w.sides[hash]
	after := before | side
	if before == after {
		return nil
	}
	c, err := w.change(hash)
	if err != nil {
		return err
	}
	w.sides[hash] = after
	if after == wanted {
		w.open++
		if !w.any || c.when.Before(w.oldest) {
			w.any, w.oldest = true, c.when
		}
	} else if before == wanted && w.queued[hash] {
		w.open--
	}
	if !w.queued[hash] {
		w.queued[hash] = true
		heap.Push(&w.queue, c)
	}
	return nil
}

// newestFirst is a heap of commits by their committers' times.
type newestFirst []*change

func (q newestFirst) Len() int { return len(q) }
func (q newestFirst) Less(i, j int) bool {
	if q[i].when.Equal(q[j].when) {
		return q[i].hash < q[j].hash
	}
	return q[i].when.After(q[j].when)
}
func (q newestFirst) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *newestFirst) Push(x any)   { *q = append(*q, x.(*change)) }
func (q *newestFirst) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// since are the commits that Range asks about: what `from` has and `since` has not.
// After history was rewritten that is what came after the merge base. Where the
// repository no longer holds `since`, it is everything.
func (h *history) since(ctx context.Context, from, since string) (map[string]bool, error) {
	var others []string
	if since != "" {
		switch _, err := h.change(since); {
		case err == nil:
			others = []string{since}
		case !errors.Is(err, errAbsent):
			return nil, err
		}
	}
	found, _, err := h.between(ctx, from, others)
	return found, err
}
