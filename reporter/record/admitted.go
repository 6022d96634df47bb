package record

import (
	"context"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Admitted records a write that is let through, before it returns. What it
// returns has the name of the record, its spec, and, for a write within or
// opening a window, that window as first recorded; the status may be missing.
//
// The calls of one attempt get one record: the validating call finds that of
// the mutating one, a conflict retry that of the first try, on another replica
// too. On an error nothing may be admitted, save where e.Retry says so.
func (w *Writer) Admitted(ctx context.Context, e Entry) (*v1alpha1.ChangeRecord, error) {
	w.init()
	if e.connect() {
		return w.connected(ctx, &e)
	}
	if e.Final {
		if rec, err := w.recorded(ctx, &e); rec != nil || err != nil {
			return rec, err
		}
	}
	t, content, first := w.attempt(&e)
	if !first && w.decided(ctx, t) {
		w.mu.Lock()
		w.attempts.failed(&e, t, content)
		w.mu.Unlock()
		t, content, first = w.attempt(&e)
	}
	if !first {
		w.Metrics.record(e.Spec.Outcome, resultCoalesced)
		return w.join(ctx, t, &e)
	}
	go w.write(ctx, t, content, e)
	return w.join(ctx, t, &e)
}

// attempt finds the attempt that e is a retry of, or notes a new one.
func (w *Writer) attempt(e *Entry) (t *attempt, content string, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Clock.Now()
	if !e.generated() { // two of these are two objects
		content = e.content(w.key)
		if t := w.attempts.again(content, now); t != nil {
			w.attempts.remember(e, t, content)
			return t, content, false
		}
	}
	t = &attempt{
		payload: e.Payload, window: e.Spec.BreakGlass.DeepCopy(), opens: e.opens(),
		first: now, last: now, ready: make(chan struct{}),
	}
	t.earlier = w.attempts.over(content, now)
	w.attempts.remember(e, t, content)
	return t, content, true
}

// decided tells that an attempt is over by now, so that the same again is
// another one. In doubt it is: better one record too many. A window may have been
// ended at once, on another replica: its record opens none any more.
func (w *Writer) decided(ctx context.Context, t *attempt) bool {
	if !t.opens && w.Clock.Since(t.first) < firstLook {
		return false // nobody has looked yet
	}
	select {
	case <-t.ready:
	default:
		return false
	}
	rec := &v1alpha1.ChangeRecord{}
	if err := w.Store.Get(ctx, client.ObjectKey{Name: t.name}, rec); err != nil {
		return true
	}
	return !undecided(rec) || rec.Status.Window != nil
}

// join waits for the attempt's record.
func (w *Writer) join(ctx context.Context, t *attempt, e *Entry) (*v1alpha1.ChangeRecord, error) {
	select {
	case <-t.ready:
	case <-ctx.Done():
		return nil, fmt.Errorf("recording an admitted write: %w", ctx.Err())
	}
	if t.err != nil {
		return nil, fmt.Errorf("recording an admitted write: %w", t.err)
	}
	rec := build(t.name, e)
	rec.Spec.BreakGlass = t.window
	return rec, nil
}

// write creates the record of a new attempt.
func (w *Writer) write(ctx context.Context, t *attempt, content string, e Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.options.WriteTimeout)
	defer cancel()
	defer close(t.ready)
	rec, created, err := w.createAttempt(ctx, &e, t)
	w.mu.Lock()
	defer w.mu.Unlock()
	t.name = rec.Name
	if err != nil {
		t.err = err
		w.attempts.failed(&e, t, content)
		w.Metrics.record(e.Spec.Outcome, resultFailed)
		if e.Retry {
			s := w.admittedSlot(rec.Name, t)
			s.err = err
			s.again = func(ctx context.Context) (rec, created *v1alpha1.ChangeRecord, err error) {
				return w.createAttempt(ctx, &e, t)
			}
			w.postpone(s, rec, true)
		}
		w.follow(rec.Name) // a timeout may hide a success
		return
	}
	if created == nil { // another replica's
		t.window = rec.Spec.BreakGlass
		w.Metrics.record(e.Spec.Outcome, resultCoalesced)
		w.adopt(rec, t)
		return
	}
	w.written(w.admittedSlot(rec.Name, t), created)
	w.Metrics.record(e.Spec.Outcome, resultWritten)
	w.follow(rec.Name)
}

// admittedSlot is the slot by which the first status of an admitted record is
// stored.
func (w *Writer) admittedSlot(name string, t *attempt) *slot {
	w.makeRoom()
	ready := make(chan struct{})
	close(ready)
	t.slot = &slot{id: name, name: name, phase: v1alpha1.PhaseAdmitted, ready: ready, expires: t.first.Add(finalGap)}
	t.slot.saw(t.first, "")
	t.slot.realName = t.realName
	w.slots[name] = t.slot
	return t.slot
}

func (w *Writer) follow(name string) {
	if w.Follows != nil {
		w.Follows.Follow(name)
	}
}

// maxSameNames is how many attempts that look the same may be told apart by
// number in one bucket of time; the next is named after its request.
const maxSameNames = 8

// createAttempt creates the record of an attempt. created is nil where another
// replica has recorded the same attempt: rec is what it wrote.
func (w *Writer) createAttempt(ctx context.Context, e *Entry, t *attempt) (rec, created *v1alpha1.ChangeRecord, err error) {
	rec = build("", e)
	rec.Name = attemptName(e, rec, bucket(t.first, attemptBucket), 0)
	there, err := w.straddling(ctx, e, rec, t)
	switch {
	case err != nil:
		return rec, nil, err
	case there != nil:
		return there, nil, nil
	}
	for n := 0; ; n++ {
		rec.Name = attemptName(e, rec, bucket(t.first, attemptBucket), n)
		created, err = w.create(ctx, rec)
		if err != nil || created != nil {
			return rec, created, err
		}
		there := &v1alpha1.ChangeRecord{}
		err = w.Store.Get(ctx, client.ObjectKey{Name: rec.Name}, there)
		if apierrors.IsNotFound(err) {
			continue // deleted just now
		}
		same := false
		if err == nil {
			same, err = w.sameAttempt(ctx, there, rec, e, t)
		}
		switch {
		case err != nil:
			return rec, nil, err
		case same:
			return there, nil, nil
		case n > maxSameNames:
			return rec, nil, fmt.Errorf("naming the record: %d records of the same attempt exist", n)
		}
	}
}

// attemptName is the same on every replica for the same attempt, as far as that
// can be told without a value that the record does not show: a name made of a
// secret value would let it be guessed. Where the record does not show all of
// the content, the request speaks for it: better one record too many.
func attemptName(e *Entry, rec *v1alpha1.ChangeRecord, bucket string, n int) string {
	parts := []string{"attempt", e.ruling(), string(e.targetUID()), e.within(), bucket, strconv.Itoa(n)}
	if ofItsOwn(e, rec) || n > maxSameNames {
		return recordName(append(parts, string(e.Spec.Request.UID))...)
	}
	for _, c := range rec.Spec.Changes {
		if !ownMark(c.Path) {
			parts = append(parts, c.Path, c.To)
		}
	}
	return recordName(parts...)
}

// ofItsOwn tells an attempt that no other replica can tell from its like.
func ofItsOwn(e *Entry, rec *v1alpha1.ChangeRecord) bool { return e.generated() || incomplete(rec) }
