package record

import (
	"context"
	"slices"
	"time"

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

// overtaken tells that somebody went on from what the recorded attempt made, as
// [attempts.overtake] does for what this replica has seen: it is over, and the same
// again is another one.
func (w *Writer) overtaken(ctx context.Context, there *v1alpha1.ChangeRecord, e *Entry) (bool, error) {
	others, err := w.younger(ctx, e.act())
	if err != nil {
		return false, err
	}
	return overtakes(others, there), nil
}

func overtakes(others []v1alpha1.ChangeRecord, there *v1alpha1.ChangeRecord) bool {
	return slices.ContainsFunc(others, func(u v1alpha1.ChangeRecord) bool {
		return u.Name != there.Name && !Seen(&u).Before(Seen(there)) && goesOn(&u, there)
	})
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
	return (opened || window == e.within()) && !(opened && there.Status.Window != nil) && !overtakes(others, there)
}

// goesOn tells that a record's attempt changed the very value that another made.
func goesOn(rec, from *v1alpha1.ChangeRecord) bool {
	for _, made := range from.Spec.Changes {
		if ownMark(made.Path) || !shown(made.To) {
			continue
		}
		for _, c := range rec.Spec.Changes {
			if c.Path == made.Path && c.From == made.To && c.To != made.To {
				return true
			}
		}
	}
	return false
}

// straddling finds the record of an attempt that began in the bucket of time before
// this one, on another replica: a retry may come just after the turn, and the names
// of the two differ. nil says that there is none.
func (w *Writer) straddling(ctx context.Context, e *Entry, rec *v1alpha1.ChangeRecord, t *attempt) *v1alpha1.ChangeRecord {
	if ofItsOwn(e, rec) || t.first.Sub(t.first.Truncate(attemptBucket)) > retryGap {
		return nil
	}
	before := bucket(t.first.Add(-attemptBucket), attemptBucket)
	for n := range maxSameNames {
		there := &v1alpha1.ChangeRecord{}
		if err := w.Store.Get(ctx, client.ObjectKey{Name: attemptName(e, rec, before, n)}, there); err != nil {
			return nil
		}
		if t.first.Sub(LastSeen(there)) > retryGap {
			continue
		}
		if same, err := w.sameAttempt(ctx, there, rec, e, t); same || err != nil {
			return there
		}
	}
	return nil
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
