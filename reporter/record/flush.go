package record

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// flushWorkers is how many records a flush writes at the same time.
const flushWorkers = 8

// Run stores counts until ctx ends, and then once more. What is denied after
// that is not counted: end it after the server, or call [Writer.Flush] last.
func (w *Writer) Run(ctx context.Context) error {
	w.init()
	ticker := w.Clock.NewTicker(w.options.FlushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.options.ShutdownTimeout)
			defer cancel()
			return w.Flush(last)
		case <-ticker.C():
			// Its errors are counted, and tried again in a second.
			_ = w.Flush(ctx)
		case <-w.wake:
			_ = w.flush(ctx, (*slot).fresh)
		}
	}
}

// Start is [Writer.Run] under the name that a manager calls it by.
func (w *Writer) Start(ctx context.Context) error { return w.Run(ctx) }

// NeedLeaderElection says that it runs on every replica.
func (w *Writer) NeedLeaderElection() bool { return false }

// Flush stores every count that is not stored yet, and creates what could not
// be created.
func (w *Writer) Flush(ctx context.Context) error {
	w.init()
	err := w.flush(ctx, (*slot).dirty)
	w.sweep()
	return err
}

// flush writes the slots that are picked. When the API server can't be reached
// the rest waits for the next time, or one flush would take minutes.
func (w *Writer) flush(ctx context.Context, picked func(*slot) bool) error {
	w.flushing.Lock()
	defer w.flushing.Unlock()
	slots := w.take(picked)
	var (
		work        = make(chan *slot)
		workers     sync.WaitGroup
		unreachable atomic.Bool
		mu          sync.Mutex
		failed      []error
	)
	for range min(flushWorkers, len(slots)) {
		workers.Go(func() {
			for s := range work {
				if unreachable.Load() {
					continue
				}
				if err := w.flushSlot(ctx, s); err != nil {
					if apierrors.ReasonForError(err) == "" {
						unreachable.Store(true)
					}
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, s := range slots {
		work <- s
	}
	close(work)
	workers.Wait()
	w.release(slots)
	return errors.Join(failed...)
}

func (w *Writer) take(picked func(*slot) bool) []*slot {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*slot
	for _, s := range w.slots {
		if s.settled() && picked(s) {
			s.busy = true
			out = append(out, s)
		}
	}
	return out
}

func (w *Writer) release(slots []*slot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range slots {
		s.busy = false
	}
}

// flushSlot creates the record of a slot if that is still to be done, and
// stores this replica's share.
func (w *Writer) flushSlot(ctx context.Context, s *slot) error {
	ctx, cancel := context.WithTimeout(ctx, 2*w.options.WriteTimeout)
	defer cancel()
	if counted, err := w.createLate(ctx, s); err != nil || counted {
		return err
	}
	w.mu.Lock()
	share, known, base, baseKnown := s.share(w.Replica), s.created, s.base, s.baseKnown
	w.mu.Unlock()
	if known != nil {
		known = known.DeepCopy() // the patch works on it
	}
	_, err := patchStatus(ctx, w.Store, s.name, known, func(rec *v1alpha1.ChangeRecord) bool {
		before := rec.Status.DeepCopy()
		if rec.Status.FirstSeen.IsZero() { // whoever created it ended before it said when
			rec.Status.FirstSeen = metav1.NewMicroTime(rec.CreationTimestamp.Time)
		}
		base = share.apply(&rec.Status, base, baseKnown)
		baseKnown = true
		return !sameStatus(before, &rec.Status)
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	s.base, s.baseKnown = base, baseKnown
	switch {
	case err == nil:
		s.saved(share)
		return nil
	case gone(err): // removed meanwhile: a next attempt makes a new one
		w.forget(s)
		w.Metrics.dropped()
		return nil
	}
	s.created = nil
	return err
}

// createLate creates a record that could not be created at first. counted says
// that another replica has recorded the same attempt meanwhile, and has counted
// it: there is nothing left to store.
func (w *Writer) createLate(ctx context.Context, s *slot) (counted bool, err error) {
	w.mu.Lock()
	rec, again, late := s.record, s.again, w.Clock.Now().After(s.giveUp)
	w.mu.Unlock()
	if rec == nil {
		return false, nil
	}
	if again == nil {
		again = func(ctx context.Context) (_, created *v1alpha1.ChangeRecord, err error) {
			created, err = w.create(ctx, rec)
			return rec, created, err
		}
	}
	there, created, err := again(ctx)
	if err == nil && created == nil && s.oneAttempt() {
		counted, err = w.counted(ctx, there.Name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil && (counted || !w.rename(s, there.Name)):
		w.forget(s)
		return true, nil
	case err == nil:
		w.written(s, created)
		w.Metrics.record(rec.Spec.Outcome, s.firstResult())
		return false, nil
	}
	s.err = err
	if late || refused(err) {
		w.forget(s)
		w.Metrics.dropped()
	}
	return false, err
}

// counted tells whether a record of one attempt bears its count already.
func (w *Writer) counted(ctx context.Context, name string) (bool, error) {
	rec := &v1alpha1.ChangeRecord{}
	if err := w.Store.Get(ctx, client.ObjectKey{Name: name}, rec); err != nil {
		return false, fmt.Errorf("reading record %s: %w", name, err)
	}
	return rec.Status.Count > 0, nil
}

// rename moves a slot to the record that its attempt got in the end; false: another
// slot counts that already. w.mu is held.
func (w *Writer) rename(s *slot, name string) bool {
	if s.name == name {
		return true
	}
	if w.slots[name] != nil {
		return false
	}
	delete(w.slots, s.id)
	s.id, s.name = name, name
	w.slots[name] = s
	return true
}

// sweep forgets slots whose bucket is over and which have nothing to store.
func (w *Writer) sweep() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Clock.Now()
	for id, s := range w.slots {
		if now.After(s.expires) && s.idle() {
			delete(w.slots, id)
		}
	}
}
