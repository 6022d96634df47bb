package record

import "github.com/gitlatch/gitlatch/api/v1alpha1"

// Waits says that a record waits for a second person's verdict: a write that was let
// through on the record, one that got around the gate, and whatever was done to the
// gate itself. A denial changed nothing, and a drift is corrected; both may be
// reviewed, and neither is overdue. Only a verdict ends it: a record that was closed
// without one still waits.
func Waits(rec *v1alpha1.ChangeRecord) bool {
	return mustBeReviewed(rec) && !Reviewed(rec)
}

// Reviewed says that there is a verdict. The gate signs each: one without a name was
// written while nobody asked the gate, and counts for nothing.
func Reviewed(rec *v1alpha1.ChangeRecord) bool {
	return rec.Status.Review != nil && rec.Status.Review.Verdict != "" && rec.Status.Review.Reviewer != ""
}

func mustBeReviewed(rec *v1alpha1.ChangeRecord) bool {
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass:
		return rec.Status.Phase != v1alpha1.PhaseNotPersisted
	case v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered:
		return true
	}
	return false
}

// LeavesTrace says that the record is of a write that can be read back at all: what was
// asked of a connect, an eviction or a token is gone once it is answered.
func LeavesTrace(rec *v1alpha1.ChangeRecord) bool { return leavesTrace(rec.Spec.Request) }
