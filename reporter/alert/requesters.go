package alert

import (
	"slices"
	"sync"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// newAfter is how long a requester must have been quiet to be new again.
const newAfter = 24 * time.Hour

// requesters knows when whose attempts were denied, for receivers that are told of new
// ones alone. It is filled from the records, so a restart forgets nothing.
type requesters struct {
	mu     sync.Mutex
	denied map[string][]int64 // by hash of the name; Unix milliseconds, sorted
}

func (q *requesters) note(rec *v1alpha1.ChangeRecord) {
	if rec.Spec.Outcome != v1alpha1.OutcomeDenied {
		return
	}
	person, at := record.UserHash(rec.Spec.Requester.Username), record.Seen(rec).UnixMilli()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.denied == nil {
		q.denied = map[string][]int64{}
	}
	if place, known := slices.BinarySearch(q.denied[person], at); !known {
		q.denied[person] = slices.Insert(q.denied[person], place, at)
	}
}

// first tells whether nobody of this name was denied in the day before.
func (q *requesters) first(person string, at time.Time) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	times := q.denied[person]
	place, _ := slices.BinarySearch(times, at.UnixMilli())
	return place == 0 || times[place-1] < at.Add(-newAfter).UnixMilli()
}

// forget drops what no longer bears on a notification.
func (q *requesters) forget(before time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for person, times := range q.denied {
		place, _ := slices.BinarySearch(times, before.Add(-newAfter).UnixMilli())
		if times = slices.Delete(times, 0, place); len(times) == 0 {
			delete(q.denied, person)
		} else {
			q.denied[person] = times
		}
	}
}
