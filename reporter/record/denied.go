package record

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// denialSlot finds the slot that counts a denial, or makes one within the
// budget; first says that its record is still to be created.
func (w *Writer) denialSlot(e *Entry) (s *slot, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Clock.Now()
	key := e.denialKey()
	requester := digest(e.Spec.Requester.Username, e.Spec.Requester.UID)
	if s := w.live(key, now); s != nil {
		s.saw(now, "")
		return s, false
	}
	if w.budget.target(requester, now) {
		return w.newSlot(key, v1alpha1.PhaseDenied, now), true
	}
	key = e.foldKey()
	s = w.live(key, now)
	if s == nil && !w.budget.fold(requester, now) {
		key = e.foldAllKey()
		s = w.live(key, now)
	}
	if s == nil {
		s, first = w.newSlot(key, v1alpha1.PhaseDenied, now), true
		s.folded, s.all = true, key == e.foldAllKey()
		s.total = 0 // counted below, with its name
	}
	s.saw(now, e.Spec.Request.Name)
	return s, first
}

// live is the slot of a key in the present bucket.
func (w *Writer) live(key string, now time.Time) *slot {
	return w.slots[key+bucket(now, coalesceBucket)]
}

// newSlot makes the slot of a key in the present bucket; two replicas give its
// record the same name.
func (w *Writer) newSlot(key string, phase v1alpha1.Phase, now time.Time) *slot {
	w.makeRoom()
	id := key + bucket(now, coalesceBucket)
	s := &slot{
		id: id, name: recordName(id), phase: phase, ready: make(chan struct{}),
		expires: now.Truncate(coalesceBucket).Add(coalesceBucket),
	}
	s.saw(now, "")
	w.slots[id] = s
	return s
}

// makeRoom forgets a slot that has nothing left to store when there are too
// many: the next repeat finds its record by name, and counts on from there.
func (w *Writer) makeRoom() {
	if len(w.slots) < w.options.MaxTracked {
		return
	}
	var oldest *slot
	for _, s := range w.slots {
		if s.idle() && (oldest == nil || s.last.Before(oldest.last)) {
			oldest = s
		}
	}
	if oldest != nil {
		w.forget(oldest)
		return
	}
	for _, s := range w.slots {
		if s.settled() && !s.busy {
			w.forget(s)
			w.Metrics.dropped()
			return
		}
	}
}

// forget takes a slot out of memory.
func (w *Writer) forget(s *slot) {
	if s.record != nil {
		s.record = nil
		w.pending--
		w.Metrics.queue(w.pending)
	}
	delete(w.slots, s.id)
}
