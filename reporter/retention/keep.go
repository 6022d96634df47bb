package retention

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Kept is why a record is not deleted, by whatever rule. It is a label of a metric.
type Kept string

const (
	// KeptNot: a rule may delete it.
	KeptNot Kept = ""
	// KeptUnreviewed: an emergency, a bypass or a tampering that nobody has reviewed.
	KeptUnreviewed Kept = "unreviewed"
	// KeptWindow: it opened a break-glass window that is open.
	KeptWindow Kept = "window"
	// KeptGuard: fields that git declared are guarded by it until they are git's again.
	KeptGuard Kept = "guard"
	// KeptGap: a gap that has not ended, or whose bypass review is not complete.
	KeptGap Kept = "gap"
)

// Why says what keeps a record.
func Why(rec *v1alpha1.ChangeRecord, now time.Time) Kept {
	if mustWait(rec) {
		return KeptUnreviewed
	}
	// The label goes when the gate has written down the end, and taken care of it.
	window, opened := record.WindowOf(rec)
	if rec.Labels[v1alpha1.LabelWindow] == record.WindowOpen || opened && window.OpenAt(now) {
		return KeptWindow
	}
	// A write that was not stored guards nothing.
	if _, waits := rec.Labels[v1alpha1.LabelUnresolved]; waits && rec.Status.Phase != v1alpha1.PhaseNotPersisted {
		return KeptGuard
	}
	if rec.Spec.Gap != nil && (rec.Status.Gap == nil || rec.Status.Gap.Audited == nil) {
		return KeptGap
	}
	return KeptNot
}

// mustWait: an emergency is never deleted unreviewed, also one whose write was not
// stored in the end, and which nobody is reminded of. A flag waits as well, but not for ever. Policies flag what is daily work,
// such as exec, and where nobody reviews that, it would fill etcd and lock everybody
// out.
func mustWait(rec *v1alpha1.ChangeRecord) bool {
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeBreakGlass, v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered:
		return !record.Reviewed(rec)
	}
	return false
}

// rank is the order in which records go when there are too many: the lowest first.
type rank int

const (
	rankOver    rank = iota // closed, or never stored: there is no more to say
	rankDone                // a denial, a drift, what was resolved
	rankWaiting             // a flag that nobody has reviewed
	rankYoung               // a denial of the last day
	rankNever
)

// Young records stay, whatever their number: whoever must be told may not have been,
// and who asks what just happened looks here. A flood is of denials; of these
// only the last hour is safe, and what receivers are still to be told of.
const (
	young     = 24 * time.Hour
	veryYoung = time.Hour
)

// rankOf says when a record goes if there are too many. notifying says that receivers
// are told of denials.
func rankOf(rec *v1alpha1.ChangeRecord, now time.Time, notifying bool) rank {
	age := now.Sub(touched(rec))
	switch {
	case Why(rec, now) != KeptNot, age < veryYoung:
		return rankNever
	case age < young && rec.Spec.Outcome == v1alpha1.OutcomeDenied && (!notifying || len(rec.Status.Notified) > 0):
		return rankYoung
	case age < young:
		return rankNever
	case record.Waits(rec):
		return rankWaiting
	case rec.Status.Phase == v1alpha1.PhaseClosed, rec.Status.Phase == v1alpha1.PhaseNotPersisted:
		return rankOver
	}
	return rankDone
}

// tooOld says that a record goes by its age. A verdict on an old record keeps it for
// another day: who gave it, and who is told of it, can still look.
func tooOld(rec *v1alpha1.ChangeRecord, now time.Time, maxAge time.Duration) bool {
	return maxAge > 0 && Why(rec, now) == KeptNot && now.Sub(record.LastSeen(rec)) >= maxAge && now.Sub(touched(rec)) >= min(young, maxAge)
}

// mayClose says that a denial has waited long enough for somebody to look at it.
func mayClose(rec *v1alpha1.ChangeRecord, now time.Time, after time.Duration) bool {
	return after > 0 && rec.Spec.Outcome == v1alpha1.OutcomeDenied && record.PhaseOf(rec) == v1alpha1.PhaseDenied &&
		now.Sub(touched(rec)) >= after
}

// touched is when anything was last said of a record.
func touched(rec *v1alpha1.ChangeRecord) time.Time {
	latest := record.LastSeen(rec)
	take := func(t time.Time) {
		if t.After(latest) {
			latest = t
		}
	}
	take(rec.CreationTimestamp.Time)
	if s := &rec.Status; s.Resolution != nil {
		take(s.Resolution.At.Time)
	}
	if rec.Status.Window != nil {
		take(rec.Status.Window.At.Time)
	}
	if gap := rec.Status.Gap; gap != nil {
		take(gap.At.Time)
		if gap.Audited != nil {
			take(gap.Audited.Time)
		}
	}
	if review := rec.Status.Review; review != nil {
		take(review.At.Time)
		for _, c := range review.Comments {
			take(c.At.Time)
		}
	}
	return latest
}
