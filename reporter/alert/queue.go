package alert

import (
	"cmp"
	"slices"
	"time"
)

// maxPending is how many records a courier remembers at once, at about 300 bytes each;
// urgent ones may take as many again. What does not fit is read again from the records
// when there is room.
const maxPending = 10000

// queue holds what is to be told, by [item.key].
type queue struct {
	items    map[string]*item
	overflow bool // something did not fit
}

// put remembers an item, once.
func (q *queue) put(i item) (added bool) {
	if q.items == nil {
		q.items = map[string]*item{}
	}
	if _, known := q.items[i.key()]; known {
		return false
	}
	most := maxPending
	if urgent(i.outcome) {
		most *= 2
	}
	if len(q.items) >= most {
		q.overflow = true
		return false
	}
	q.items[i.key()] = &i
	return true
}

// drop forgets a record.
func (q *queue) drop(name string) {
	delete(q.items, name)
	delete(q.items, name+"/end")
}

// roomAgain says, once, that what did not fit may fit now.
func (q *queue) roomAgain() bool {
	if !q.overflow || len(q.items) > maxPending/2 {
		return false
	}
	q.overflow = false
	return true
}

// ready lists what may be told now, the urgent first, then the oldest, and when the next
// may.
func (q *queue) ready(now time.Time) (ready []*item, next time.Time) {
	for _, i := range q.items {
		switch {
		case !i.taken.IsZero():
		case i.notBefore.After(now):
			if next.IsZero() || i.notBefore.Before(next) {
				next = i.notBefore
			}
		default:
			ready = append(ready, i)
		}
	}
	slices.SortFunc(ready, func(a, b *item) int {
		if ua, ub := urgent(a.outcome), urgent(b.outcome); ua != ub {
			if ua {
				return -1
			}
			return 1
		}
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.key(), b.key()))
	})
	return ready, next
}

// unmarked lists what was taken and is not written down.
func (q *queue) unmarked() []*item {
	var unmarked []*item
	for _, i := range q.items {
		if !i.taken.IsZero() {
			unmarked = append(unmarked, i)
		}
	}
	slices.SortFunc(unmarked, func(a, b *item) int { return cmp.Compare(a.key(), b.key()) })
	return unmarked
}

// waiting is how many are to be told, and since when the oldest.
func (q *queue) waiting() (pending int, oldest time.Time) {
	for _, i := range q.items {
		if !i.taken.IsZero() {
			continue
		}
		pending++
		if oldest.IsZero() || i.at.Before(oldest) {
			oldest = i.at
		}
	}
	return pending, oldest
}
