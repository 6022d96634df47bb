package record

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// What another replica has recorded is known by its record alone: that replica may
// be gone by now, killed between the record and the answer.

// sameAttempt tells that a record which bears the name of e's is of the same
// attempt. An error is no answer: whoever took it for one would record twice.
func (w *Writer) sameAttempt(ctx context.Context, there, rec *v1alpha1.ChangeRecord, e *Entry, t *attempt) (bool, error) {
	if !sameAct(there, rec) || !sameRuling(there, rec) || !sameChanges(there, rec) || !undecided(there) ||
		there.Status.Window != nil || t.follows(ctx, there.Name) {
		return false, nil
	}
	over, err := w.overtaken(ctx, there, e)
	return !over, err
}

// follows tells that the record is of an attempt that was over before this one.
func (t *attempt) follows(ctx context.Context, name string) bool {
	for _, u := range t.earlier {
		select {
		case <-u.ready:
		case <-ctx.Done():
			return true
		}
		if u.name == name {
			return true
		}
	}
	return false
}

// goesFor tells that a record which looks like that of e's mutating call may be it: the
// mutating call may have failed open, and the record be of an earlier attempt, which
// others went on from, or of another window.
func goesFor(there *v1alpha1.ChangeRecord, e *Entry, others []v1alpha1.ChangeRecord) bool {
	window := ""
	if there.Spec.BreakGlass != nil {
		window = there.Spec.BreakGlass.Window
	}
	opened := there.Spec.BreakGlass != nil && window == ""
	if !opened && window != e.within() || opened && there.Status.Window != nil {
		return false
	}
	return sameBase(there, e) || !overtakes(others, there)
}

// straddling finds the record of an attempt that began in the bucket of time before
// this one, on another replica: a retry may come just after the turn, and the names
// of the two differ. nil says that there is none, and an error that nobody can tell.
func (w *Writer) straddling(ctx context.Context, e *Entry, rec *v1alpha1.ChangeRecord, t *attempt) (*v1alpha1.ChangeRecord, error) {
	if ofItsOwn(e, rec) || t.first.Sub(t.first.Truncate(attemptBucket)) > retryGap {
		return nil, nil
	}
	before := bucket(t.first.Add(-attemptBucket), attemptBucket)
	for n := range maxSameNames {
		there := &v1alpha1.ChangeRecord{}
		err := w.Store.Get(ctx, client.ObjectKey{Name: attemptName(e, rec, before, n)}, there)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("looking for an earlier try: %w", err)
		}
		if t.first.Sub(LastSeen(there)) > retryGap {
			continue
		}
		same, err := w.sameAttempt(ctx, there, rec, e, t)
		if err != nil {
			return nil, fmt.Errorf("comparing with an earlier try: %w", err)
		}
		if same {
			return there, nil
		}
	}
	return nil, nil
}

// adopt sees to it that the record of another replica's gets its first status, and
// is followed, though that replica was killed right after it had created it. w.mu
// is held.
func (w *Writer) adopt(rec *v1alpha1.ChangeRecord, t *attempt) {
	w.follow(rec.Name)
	if rec.Status.Count > 0 || w.slots[rec.Name] != nil {
		return
	}
	w.admittedSlot(rec.Name, t).adopted = true
}

// adoptFound is adopt for what the validating call found.
func (w *Writer) adoptFound(rec *v1alpha1.ChangeRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := Seen(rec)
	w.adopt(rec, &attempt{first: seen, last: seen})
}

// connectedElsewhere tells that another replica has counted the CONNECT whose
// validating call came here, in this bucket of time or, a moment ago, in the last. It
// may have been an earlier one of the same: then the count is one too low, where it
// would be one too high for each.
func (w *Writer) connectedElsewhere(ctx context.Context, e *Entry) *v1alpha1.ChangeRecord {
	now, last := w.Clock.Now(), ""
	for _, at := range []time.Time{now, now.Add(-retryGap)} {
		name := recordName(e.connectKey() + bucket(at, coalesceBucket))
		if name == last {
			break
		}
		last = name
		there := &v1alpha1.ChangeRecord{}
		if err := w.Store.Get(ctx, client.ObjectKey{Name: name}, there); err == nil && sameAct(there, build(name, e)) {
			return there
		}
	}
	return nil
}
