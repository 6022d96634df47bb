package review

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// two is the time of the tests' clock.
func two() time.Time { return time.Date(2026, 3, 4, 14, 0, 0, 0, time.UTC) }

type tweak func(*v1alpha1.ChangeRecord)

// flagged is alice's update of a ConfigMap that no git declares, an hour ago; it was
// stored, and nobody has reviewed it.
func flagged(tweaks ...tweak) *v1alpha1.ChangeRecord {
	rec := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "cr-1"},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome:   v1alpha1.OutcomeFlagged,
			Requester: v1alpha1.Requester{Username: "alice"},
			Request:   v1alpha1.RecordedRequest{Operation: "UPDATE", Version: "v1", Resource: "configmaps", Kind: "ConfigMap", Namespace: "prod", Name: "web"},
			Changes:   []v1alpha1.Change{{Path: ".data.color", From: `"red"`, To: `"blue"`}},
			Evidence:  v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		},
		Status: v1alpha1.ChangeRecordStatus{
			Phase: v1alpha1.PhaseObserved, FirstSeen: metav1.NewMicroTime(two().Add(-time.Hour)),
		},
	}
	for _, change := range tweaks {
		change(rec)
	}
	return rec
}

func outcome(o v1alpha1.Outcome) tweak {
	return func(rec *v1alpha1.ChangeRecord) { rec.Spec.Outcome = o }
}

func phase(p v1alpha1.Phase) tweak {
	return func(rec *v1alpha1.ChangeRecord) { rec.Status.Phase = p }
}

func verdict(v v1alpha1.ReviewVerdict) tweak {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Status.Review = &v1alpha1.Review{Verdict: v, Reviewer: "bob", At: metav1.NewTime(two().Add(-time.Minute))}
	}
}

func commented(rec *v1alpha1.ChangeRecord) {
	rec.Status.Review = &v1alpha1.Review{Comments: []v1alpha1.ReviewComment{{Author: "bob", Text: "why?"}}}
}

func resolved(state v1alpha1.ResolutionState) tweak {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Status.Resolution = &v1alpha1.Resolution{State: state, At: metav1.NewTime(two())}
	}
}

func asks(operation, resource, subresource, kind string) tweak {
	return func(rec *v1alpha1.ChangeRecord) {
		r := &rec.Spec.Request
		r.Operation, r.Resource, r.Subresource, r.Kind = operation, resource, subresource, kind
	}
}

func declares(rec *v1alpha1.ChangeRecord) { rec.Spec.Changes[0].Declared = true }

func guarded(rec *v1alpha1.ChangeRecord) {
	rec.Labels = map[string]string{v1alpha1.LabelUnresolved: "true"}
}

// within is in the window of a record, "" for its own, that is over at a time from now.
func within(window string, left time.Duration) tweak {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Outcome = v1alpha1.OutcomeBreakGlass
		rec.Spec.BreakGlass = &v1alpha1.RecordedWindow{
			Reason: "INC-42: db failover", Until: metav1.NewTime(two().Add(left)), Scope: v1alpha1.WindowObject, Window: window,
		}
	}
}

func ended(ago time.Duration) tweak {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Status.Window = &v1alpha1.WindowEnd{At: metav1.NewMicroTime(two().Add(-ago)), Reason: v1alpha1.WindowRemoved}
	}
}

func gap(over bool) tweak {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Outcome = v1alpha1.OutcomeTampered
		rec.Spec.Gap = &v1alpha1.Gap{State: v1alpha1.GateOff, Expected: v1alpha1.GateEnforcing, Since: metav1.NewMicroTime(two())}
		if over {
			rec.Status.Gap = &v1alpha1.GapEnd{At: metav1.NewMicroTime(two())}
		}
	}
}

func TestWhatIsDue(t *testing.T) {
	const (
		approved, rejected = v1alpha1.ReviewApproved, v1alpha1.ReviewRejected
		committed          = v1alpha1.ResolutionCommitted
		accepted           = v1alpha1.ResolutionAccepted
	)
	nothing, closes, accepts := step{}, step{end: true}, step{accept: true, end: true}
	again := func(d time.Duration) step { return step{again: d} }
	for name, c := range map[string]struct {
		when []tweak
		want step
	}{
		"nothing without a review":                              {nil, nothing},
		"nothing on a comment alone":                            {[]tweak{commented}, nothing},
		"nothing on a resolution alone":                         {[]tweak{resolved(committed)}, nothing},
		"an approval accepts what no git declares":              {[]tweak{verdict(approved)}, accepts},
		"a rejection leaves it to be undone":                    {[]tweak{verdict(rejected)}, nothing},
		"a rejection of what was pulled back closes":            {[]tweak{verdict(rejected), resolved(v1alpha1.ResolutionReverted)}, closes},
		"an approval of what git caught up with closes":         {[]tweak{verdict(approved), resolved(committed)}, closes},
		"an approval of what git declares waits for git":        {[]tweak{verdict(approved), declares}, nothing},
		"an approval of what is guarded waits for git":          {[]tweak{verdict(approved), guarded}, nothing},
		"an approval waits until the write is known to stand":   {[]tweak{verdict(approved), phase(v1alpha1.PhaseAdmitted)}, nothing},
		"an approval waits for the first status":                {[]tweak{verdict(approved), phase("")}, nothing},
		"an approval ends the doubt whether it was stored":      {[]tweak{verdict(approved), phase(v1alpha1.PhaseUnconfirmed)}, accepts},
		"a verdict on what was never stored closes":             {[]tweak{verdict(rejected), phase(v1alpha1.PhaseNotPersisted)}, closes},
		"a rejection overrules an approval that ended it":       {[]tweak{verdict(rejected), resolved(accepted), phase(v1alpha1.PhaseClosed)}, step{reopen: true}},
		"an approved exec leaves nothing to accept":             {[]tweak{verdict(approved), phase(v1alpha1.PhaseAdmitted), asks("CONNECT", "pods", "exec", "PodExecOptions")}, closes},
		"a rejected exec leaves nothing to undo":                {[]tweak{verdict(rejected), phase(v1alpha1.PhaseAdmitted), asks("CONNECT", "pods", "exec", "PodExecOptions")}, closes},
		"an eviction leaves nothing":                            {[]tweak{verdict(rejected), phase(v1alpha1.PhaseAdmitted), asks("CREATE", "pods", "eviction", "Eviction")}, closes},
		"an approved deletion is accepted":                      {[]tweak{verdict(approved), asks("DELETE", "configmaps", "", "ConfigMap")}, accepts},
		"a denial closes on an approval":                        {[]tweak{outcome(v1alpha1.OutcomeDenied), phase(v1alpha1.PhaseDenied), verdict(approved)}, closes},
		"a denial closes on a rejection":                        {[]tweak{outcome(v1alpha1.OutcomeDenied), phase(v1alpha1.PhaseDenied), verdict(rejected)}, closes},
		"a denial stays on a comment":                           {[]tweak{outcome(v1alpha1.OutcomeDenied), phase(v1alpha1.PhaseDenied), commented}, nothing},
		"a drift closes":                                        {[]tweak{outcome(v1alpha1.OutcomeDrift), verdict(rejected), guarded}, closes},
		"an approved bypass is accepted, whatever its phase":    {[]tweak{outcome(v1alpha1.OutcomeBypass), phase(""), verdict(approved)}, accepts},
		"a bypass of what git declares waits for git":           {[]tweak{outcome(v1alpha1.OutcomeBypass), verdict(approved), declares}, nothing},
		"tampering closes":                                      {[]tweak{outcome(v1alpha1.OutcomeTampered), verdict(approved)}, closes},
		"an open gap stays open":                                {[]tweak{gap(false), verdict(approved)}, nothing},
		"a gap that has ended closes":                           {[]tweak{gap(true), verdict(rejected)}, closes},
		"an outcome of a later version is left alone":           {[]tweak{outcome("Later"), verdict(approved)}, nothing},
		"an open window stays open":                             {[]tweak{within("", 10*time.Minute), verdict(approved)}, again(10*time.Minute + grace)},
		"an open window stays open though it is resolved":       {[]tweak{within("", 10*time.Minute), verdict(rejected), resolved(committed)}, again(10*time.Minute + grace)},
		"a window whose end nobody wrote down is over by time":  {[]tweak{within("", -time.Hour), verdict(approved)}, accepts},
		"the applier has the first word on a window":            {[]tweak{within("", 10*time.Minute), ended(30 * time.Second), verdict(approved)}, again(settling - 30*time.Second)},
		"a window that ended a while ago is accepted":           {[]tweak{within("", 10*time.Minute), ended(settling), verdict(approved)}, accepts},
		"a window that ended and was resolved closes":           {[]tweak{within("", 10*time.Minute), ended(time.Second), verdict(rejected), resolved(committed)}, closes},
		"the applier has the first word on what was done in it": {[]tweak{within("cr-0", -time.Minute), verdict(approved)}, again(time.Minute + grace)},
		"what was done in a window is accepted later":           {[]tweak{within("cr-0", -time.Hour), verdict(approved)}, accepts},
	} {
		t.Run(name, func(t *testing.T) {
			rec := flagged(c.when...)
			got := next(rec, two())
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(step{})); diff != "" {
				t.Fatalf("due (-want +got):\n%s", diff)
			}
			got.take(&rec.Status, &v1alpha1.Resolution{State: accepted, At: metav1.NewTime(two())})
			if later := next(rec, two()); later.take(rec.Status.DeepCopy(), nil) {
				t.Errorf("once that is written there is more to write: %+v", later)
			}
		})
	}
}

func TestOverdue(t *testing.T) {
	for name, c := range map[string]struct {
		overdue Overdue
		when    []tweak
		want    time.Duration // after it was first seen; 0: never
	}{
		"a flag after three days":           {Overdue{}, nil, 72 * time.Hour},
		"an emergency after one":            {Overdue{}, []tweak{within("", time.Hour)}, 24 * time.Hour},
		"a flag as it is set":               {Overdue{BreakGlass: time.Minute, Other: time.Hour}, nil, time.Hour},
		"an emergency as it is set":         {Overdue{BreakGlass: time.Minute, Other: time.Hour}, []tweak{within("", time.Hour)}, time.Minute},
		"a time below none is the default":  {Overdue{Other: -1}, nil, 72 * time.Hour},
		"a comment is no verdict":           {Overdue{}, []tweak{commented}, 72 * time.Hour},
		"never what was reviewed":           {Overdue{}, []tweak{verdict(v1alpha1.ReviewRejected)}, 0},
		"never a denial":                    {Overdue{}, []tweak{outcome(v1alpha1.OutcomeDenied), phase(v1alpha1.PhaseDenied)}, 0},
		"never what was stopped in the end": {Overdue{}, []tweak{phase(v1alpha1.PhaseNotPersisted)}, 0},
		"also what was closed without one":  {Overdue{}, []tweak{phase(v1alpha1.PhaseClosed)}, 72 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			rec := flagged(c.when...)
			seen := rec.Status.FirstSeen.Time
			if c.want == 0 {
				if c.overdue.Is(rec, seen.Add(1000*24*time.Hour)) {
					t.Error("it is overdue some day")
				}
				return
			}
			before, then := c.overdue.Is(rec, seen.Add(c.want-time.Nanosecond)), c.overdue.Is(rec, seen.Add(c.want))
			if before || !then {
				t.Errorf("overdue just before %s: %t, then: %t", c.want, before, then)
			}
		})
	}
}
