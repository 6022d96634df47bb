package review

import (
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// grace is how long a window whose time is over waits for its record to say so.
	grace = 5 * time.Second
	// settling is how long after a window the applier has the first word: it pulls back
	// what git declares, and says so.
	settling = 2 * time.Minute
)

// step is what is due for a record.
type step struct {
	accept bool // it is resolved by its approval, unless git has it meanwhile
	reopen bool // the approval that resolved it was overruled
	end    bool // there is nothing left to do
	// again is when it is asked again, though nothing may have changed. 0: never.
	again time.Duration
}

// next says what is due for a record. It is asked again on each change.
func next(rec *v1alpha1.ChangeRecord, now time.Time) step {
	if !record.Reviewed(rec) {
		return step{}
	}
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeDenied, v1alpha1.OutcomeDrift:
		return step{end: true}
	case v1alpha1.OutcomeTampered:
		return step{end: rec.Spec.Gap == nil || rec.Status.Gap != nil}
	case v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass, v1alpha1.OutcomeBypass:
		return nextOfChange(rec, now)
	}
	return step{} // of a later version: not ours to end
}

// nextOfChange is next of a record of a write that was let through, or got through.
func nextOfChange(rec *v1alpha1.ChangeRecord, now time.Time) step {
	if left := windowEnd(rec).Sub(now); left > 0 && opener(rec) {
		return step{again: left}
	}
	approved := rec.Status.Review.Verdict == v1alpha1.ReviewApproved
	resolution := rec.Status.Resolution
	switch {
	case resolution != nil && resolution.State == v1alpha1.ResolutionAccepted && !approved:
		return step{reopen: true}
	case resolution != nil, rec.Status.Phase == v1alpha1.PhaseNotPersisted, !record.LeavesTrace(rec):
		return step{end: true}
	case !approved, declared(rec), !stored(rec):
		return step{}
	}
	if left := windowEnd(rec).Add(settling).Sub(now); rec.Spec.BreakGlass != nil && left > 0 {
		return step{again: left}
	}
	return step{accept: true, end: true}
}

// opener says that the record opened a window.
func opener(rec *v1alpha1.ChangeRecord) bool {
	return rec.Spec.BreakGlass != nil && rec.Spec.BreakGlass.Window == ""
}

// windowEnd is when the window of a record was over, or will be at the latest; the zero
// time where there is none.
func windowEnd(rec *v1alpha1.ChangeRecord) time.Time {
	switch {
	case rec.Spec.BreakGlass == nil:
		return time.Time{}
	case opener(rec) && rec.Status.Window != nil:
		return rec.Status.Window.At.Time
	}
	return rec.Spec.BreakGlass.Until.Add(grace)
}

// declared says that git declared something of what changed: the applier tells how that
// ended.
func declared(rec *v1alpha1.ChangeRecord) bool {
	return rec.Labels[v1alpha1.LabelUnresolved] != "" ||
		slices.ContainsFunc(rec.Spec.Changes, func(c v1alpha1.Change) bool { return c.Declared })
}

// stored says that the write is in the cluster, as far as anybody will ever know. A
// bypass was found there.
func stored(rec *v1alpha1.ChangeRecord) bool {
	return rec.Spec.Outcome == v1alpha1.OutcomeBypass || rec.Status.Phase == v1alpha1.PhaseObserved ||
		rec.Status.Phase == v1alpha1.PhaseUnconfirmed || rec.Status.Phase == v1alpha1.PhaseClosed
}

// take writes a step into a status, and says whether that changes anything.
func (s step) take(status *v1alpha1.ChangeRecordStatus, resolution *v1alpha1.Resolution) (changed bool) {
	if s.reopen {
		status.Resolution, status.Phase = nil, v1alpha1.PhaseObserved
		return true
	}
	if s.accept && status.Resolution == nil {
		status.Resolution, changed = resolution, true
	}
	if s.end && status.Phase != v1alpha1.PhaseClosed {
		status.Phase, changed = v1alpha1.PhaseClosed, true
	}
	return changed
}
