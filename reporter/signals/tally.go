package signals

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/reporter/review"
)

const oldestKept = 10

// tally counts records as they pass by, and keeps none of them: names, times and
// numbers only.
type tally struct {
	now, from time.Time
	overdue   review.Overdue

	records int
	denied  int64
	deniers map[string]struct{}
	// admitted counts changes around git that were let through on the record; operations
	// the acts among them that change no declared state.
	admitted, operations int64
	bypasses, unanswered int // unanswered: bypasses without a verdict
	tampered             int

	drifts, standing int
	standingFor      time.Duration   // the oldest's
	corrected        map[int64]int   // by seconds that it took
	rewritten        time.Time       // the last force-push
	differs          map[string]bool // targets that may differ from git

	waiting, late int
	oldest        []waitingSince

	windows   []Window
	gap, last *Gap
}

type waitingSince struct {
	name  string
	since time.Time
}

func newTally(now, from time.Time, overdue review.Overdue) *tally {
	return &tally{now: now, from: from, overdue: overdue, deniers: map[string]struct{}{}, corrected: map[int64]int{}, differs: map[string]bool{}}
}

// add takes a record in.
func (t *tally) add(rec *v1alpha1.ChangeRecord) {
	t.records++
	t.wait(rec)
	t.open(rec)
	if rec.Spec.Gap != nil {
		t.gapped(rec)
		return
	}
	if rec.Labels[v1alpha1.LabelUnresolved] == record.Unresolved && rec.Status.Resolution == nil &&
		rec.Status.Phase != v1alpha1.PhaseNotPersisted {
		if place, ok := record.PlaceOf(rec); ok {
			t.differs[strings.Join([]string{place.Group, place.Resource, place.Namespace, place.Name}, "/")] = true
		}
	}
	if rec.Spec.Outcome == v1alpha1.OutcomeDrift {
		t.drift(rec)
		return
	}
	if record.LastSeen(rec).Before(t.from) {
		return
	}
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeDenied:
		t.denied += record.Attempts(rec)
		t.deniers[rec.Spec.Requester.Username] = struct{}{}
	case v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass:
		switch {
		case rec.Status.Phase == v1alpha1.PhaseNotPersisted:
		case rec.Spec.Class == v1alpha1.ClassOperation:
			t.operations += record.Attempts(rec)
		default:
			t.admitted += record.Attempts(rec)
		}
	case v1alpha1.OutcomeBypass:
		t.bypasses++
		if !record.Reviewed(rec) {
			t.unanswered++
		}
	case v1alpha1.OutcomeTampered:
		t.tampered++
	}
}

func (t *tally) wait(rec *v1alpha1.ChangeRecord) {
	if !record.Waits(rec) {
		return
	}
	t.waiting++
	if t.overdue.Is(rec, t.now) {
		t.late++
	}
	t.oldest = append(t.oldest, waitingSince{rec.Name, record.Seen(rec)})
	if len(t.oldest) > 4*oldestKept {
		t.trim()
	}
}

func (t *tally) trim() {
	slices.SortFunc(t.oldest, func(a, b waitingSince) int {
		return cmp.Or(a.since.Compare(b.since), strings.Compare(a.name, b.name))
	})
	t.oldest = t.oldest[:min(len(t.oldest), oldestKept)]
}

func (t *tally) open(rec *v1alpha1.ChangeRecord) {
	w, ok := record.WindowOf(rec)
	if !ok || rec.Labels[v1alpha1.LabelWindow] != record.WindowOpen || w.Ended || !t.now.Before(w.Until) {
		return
	}
	t.windows = append(t.windows, Window{
		Record: w.Record, User: w.User, Reason: rec.Spec.BreakGlass.Reason, Scope: w.Scope, Target: targetOf(rec), Until: w.Until,
		Left: int64(w.Until.Sub(t.now) / time.Second),
	})
}

// targetOf names the object that carries a window's annotation.
func targetOf(rec *v1alpha1.ChangeRecord) string {
	r := &rec.Spec.Request
	if rec.Spec.BreakGlass.Scope == v1alpha1.WindowNamespace {
		return "namespace " + cmp.Or(r.Namespace, r.Name)
	}
	what := cmp.Or(r.Kind, r.Resource)
	if r.Group != "" {
		what = r.Group + "/" + what
	}
	name := cmp.Or(rec.Status.Name, r.Name)
	if r.Namespace != "" {
		name = r.Namespace + "/" + name
	}
	return what + " " + name
}

func (t *tally) gapped(rec *v1alpha1.ChangeRecord) {
	in := rec.Spec.Gap
	g := &Gap{Record: rec.Name, State: in.State, Cause: in.Cause, Since: in.Since.Time}
	end := rec.Status.Gap
	if end == nil {
		if t.gap == nil || g.Since.After(t.gap.Since) {
			t.gap = g
		}
		return
	}
	at := end.At.Time
	g.Until, g.Audited, g.Findings = &at, end.Audited != nil, end.Findings
	if t.last == nil || at.After(*t.last.Until) {
		t.last = g
	}
}

// drift: how long it took from when it was first seen until the record says that it was
// pulled back, or that git caught up.
func (t *tally) drift(rec *v1alpha1.ChangeRecord) {
	seen := record.Seen(rec)
	if rec.Spec.Reason == v1alpha1.ReasonHistoryRewritten {
		if seen.After(t.rewritten) {
			t.rewritten = seen
		}
		return
	}
	end := rec.Status.Resolution
	switch {
	case rec.Status.Phase == v1alpha1.PhaseClosed && end == nil:
		return // given up on by a reviewer
	case end == nil:
		if stood := t.now.Sub(seen); stood >= standingGrace {
			t.drifts++
			t.standing++
			t.standingFor = max(t.standingFor, stood)
		}
		return
	case seen.Before(t.from):
		return
	}
	t.drifts++
	t.corrected[max(0, end.At.Unix()-seen.Unix())]++
}

// percentile gives the bound below which so many of a hundred corrections took, in
// seconds: records tell whole seconds, so one of 0 took less than 1.
func (t *tally) percentile(of float64) (seconds float64, ok bool) {
	total := 0
	var took []int64
	for s, n := range t.corrected {
		total += n
		took = append(took, s)
	}
	if total == 0 {
		return 0, false
	}
	slices.Sort(took)
	sum := 0
	for _, s := range took {
		sum += t.corrected[s]
		if float64(sum) >= of/100*float64(total) {
			return float64(s + 1), true
		}
	}
	return float64(took[len(took)-1] + 1), true
}
