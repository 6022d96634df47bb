package retention

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const day = 24 * time.Hour

func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon().Add(-d)) }

// seen is a record of alice's that was seen last so long ago.
func seen(outcome v1alpha1.Outcome, phase v1alpha1.Phase, age time.Duration, tweaks ...func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
	at := metav1.NewMicroTime(noon().Add(-age))
	rec := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "cr-one", CreationTimestamp: ago(age)},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: outcome, Requester: v1alpha1.Requester{Username: "alice"},
			Request:  v1alpha1.RecordedRequest{Operation: "UPDATE", Version: "v1", Resource: "configmaps", Kind: "ConfigMap", Namespace: "prod", Name: "web"},
			Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		},
		Status: v1alpha1.ChangeRecordStatus{Phase: phase, Count: 1, FirstSeen: at, LastSeen: at},
	}
	for _, tweak := range tweaks {
		tweak(rec)
	}
	return rec
}

func reviewed(age time.Duration) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Status.Review = &v1alpha1.Review{Verdict: v1alpha1.ReviewApproved, Reviewer: "carol", At: ago(age)}
	}
}

func labelled(key, value string) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) { rec.Labels = map[string]string{key: value} }
}

func opened(until time.Duration, end *v1alpha1.WindowEnd) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: "INC-42: db failover", Until: ago(-until), Scope: v1alpha1.WindowObject}
		rec.Status.Window = end
	}
}

func gap(end *v1alpha1.GapEnd) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Gap = &v1alpha1.Gap{State: v1alpha1.GateFailing, Expected: v1alpha1.GateEnforcing}
		rec.Status.Gap = end
	}
}

// verdict is what the rules say of a record.
type verdict struct {
	Why    Kept
	TooOld bool // at 90 days
	Rank   rank
	Closes bool // at 7 days
}

func TestWhatGoes(t *testing.T) {
	audited := ago(100 * day)
	for name, tc := range map[string]struct {
		rec  *v1alpha1.ChangeRecord
		want verdict
	}{
		"a denial of a minute ago":            {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, time.Minute), verdict{Rank: rankNever}},
		"a denial of two hours ago goes last": {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 2*time.Hour), verdict{Rank: rankYoung}},
		"a denial of two days ago":            {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 2*day), verdict{Rank: rankDone}},
		"a denial of a week ago is closed":    {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 7*day), verdict{Rank: rankDone, Closes: true}},
		"a denial whose status was never written": {seen(v1alpha1.OutcomeDenied, "", 8*day, func(rec *v1alpha1.ChangeRecord) {
			rec.Status = v1alpha1.ChangeRecordStatus{}
		}), verdict{Rank: rankDone, Closes: true}},
		"a denial that was commented on yesterday": {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 8*day, func(rec *v1alpha1.ChangeRecord) {
			rec.Status.Review = &v1alpha1.Review{Comments: []v1alpha1.ReviewComment{{Author: "carol", Text: "why?", At: ago(2 * day)}}}
		}), verdict{Rank: rankDone}},
		"a closed denial goes first":                {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed, 8*day), verdict{Rank: rankOver}},
		"a denial of ninety days ago":               {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed, 90*day), verdict{TooOld: true, Rank: rankOver}},
		"a drift of two hours ago":                  {seen(v1alpha1.OutcomeDrift, v1alpha1.PhaseResolved, 2*time.Hour), verdict{Rank: rankNever}},
		"a drift of two days ago":                   {seen(v1alpha1.OutcomeDrift, v1alpha1.PhaseResolved, 2*day), verdict{Rank: rankDone}},
		"a flag that nobody reviewed":               {seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved, 2*day), verdict{Rank: rankWaiting}},
		"an old flag that nobody reviewed":          {seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved, 91*day), verdict{TooOld: true, Rank: rankWaiting}},
		"an old flag that was reviewed an hour ago": {seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseClosed, 91*day, reviewed(time.Hour)), verdict{Rank: rankNever}},
		"a flag that was not stored":                {seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseNotPersisted, 2*day, labelled(v1alpha1.LabelUnresolved, record.Unresolved)), verdict{Rank: rankOver}},
		"a flag that guards fields":                 {seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved, 100*day, labelled(v1alpha1.LabelUnresolved, record.Unresolved)), verdict{Why: KeptGuard, Rank: rankNever}},
		"a break-glass that nobody reviewed":        {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseResolved, 1000*day), verdict{Why: KeptUnreviewed, Rank: rankNever}},
		"a break-glass that was only commented on": {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseResolved, 1000*day, func(rec *v1alpha1.ChangeRecord) {
			rec.Status.Review = &v1alpha1.Review{Comments: []v1alpha1.ReviewComment{{Text: "hm", At: ago(900 * day)}}}
		}), verdict{Why: KeptUnreviewed, Rank: rankNever}},
		"an unreviewed break-glass that was not stored":   {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseNotPersisted, 1000*day), verdict{Why: KeptUnreviewed, Rank: rankNever}},
		"a break-glass that was closed without a verdict": {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseClosed, 1000*day), verdict{Why: KeptUnreviewed, Rank: rankNever}},
		"a flag that was closed without a verdict":        {seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseClosed, 2*day), verdict{Rank: rankWaiting}},
		"a reviewed break-glass that was not stored":      {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseNotPersisted, 100*day, reviewed(99*day)), verdict{TooOld: true, Rank: rankOver}},
		"a break-glass that was reviewed":                 {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseClosed, 100*day, reviewed(99*day)), verdict{TooOld: true, Rank: rankOver}},
		"a reviewed break-glass whose window is open":     {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseClosed, 100*day, reviewed(99*day), opened(time.Hour, nil)), verdict{Why: KeptWindow, Rank: rankNever}},
		"one whose window ended": {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseClosed, 100*day, reviewed(99*day), opened(time.Hour, &v1alpha1.WindowEnd{At: metav1.NewMicroTime(ago(99 * day).Time)})),
			verdict{TooOld: true, Rank: rankOver}},
		"one whose window's end is not written": {seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseClosed, 100*day, reviewed(99*day), opened(-90*day, nil), labelled(v1alpha1.LabelWindow, record.WindowOpen)),
			verdict{Why: KeptWindow, Rank: rankNever}},
		"a bypass that nobody reviewed":    {seen(v1alpha1.OutcomeBypass, v1alpha1.PhaseObserved, 1000*day), verdict{Why: KeptUnreviewed, Rank: rankNever}},
		"a tampering that nobody reviewed": {seen(v1alpha1.OutcomeTampered, v1alpha1.PhaseObserved, 1000*day), verdict{Why: KeptUnreviewed, Rank: rankNever}},
		"a reviewed gap that is open":      {seen(v1alpha1.OutcomeTampered, v1alpha1.PhaseObserved, 100*day, reviewed(99*day), gap(nil)), verdict{Why: KeptGap, Rank: rankNever}},
		"a reviewed gap that was not audited": {seen(v1alpha1.OutcomeTampered, v1alpha1.PhaseObserved, 100*day, reviewed(99*day), gap(&v1alpha1.GapEnd{At: metav1.NewMicroTime(audited.Time)})),
			verdict{Why: KeptGap, Rank: rankNever}},
		"a reviewed gap that is over": {seen(v1alpha1.OutcomeTampered, v1alpha1.PhaseClosed, 100*day, reviewed(99*day), gap(&v1alpha1.GapEnd{At: metav1.NewMicroTime(audited.Time), Audited: &audited})),
			verdict{TooOld: true, Rank: rankOver}},
	} {
		t.Run(name, func(t *testing.T) {
			got := verdict{Why(tc.rec, noon()), tooOld(tc.rec, noon(), 90*day), rankOf(tc.rec, noon(), false), mayClose(tc.rec, noon(), 7*day)}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestADenialThatNobodyWasToldOf: it stays for a day, where somebody is to be told.
func TestADenialThatNobodyWasToldOf(t *testing.T) {
	told := func(rec *v1alpha1.ChangeRecord) {
		rec.Status.Notified = []v1alpha1.Notified{{Receiver: "oncall", At: ago(time.Hour)}}
	}
	for name, tc := range map[string]struct {
		rec       *v1alpha1.ChangeRecord
		notifying bool
		want      rank
	}{
		"nobody was told yet":         {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 23*time.Hour), true, rankNever},
		"oncall was told":             {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 2*time.Hour, told), true, rankYoung},
		"nobody is to be told":        {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 2*time.Hour), false, rankYoung},
		"nobody was told for a day":   {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 25*time.Hour), true, rankDone},
		"oncall was told this minute": {seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, time.Minute, told), true, rankNever},
	} {
		t.Run(name, func(t *testing.T) {
			if got := rankOf(tc.rec, noon(), tc.notifying); got != tc.want {
				t.Errorf("rankOf() = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestARuleThatIsOffSaysNothing(t *testing.T) {
	rec := seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 1000*day)
	if tooOld(rec, noon(), 0) || mayClose(rec, noon(), 0) {
		t.Error("0 is an age")
	}
}

// TestTheOldestGoFirst, however many there are: by rank, then by age, and no more than
// a bounded number is kept.
func TestTheOldestGoFirst(t *testing.T) {
	var o oldest
	for n := range 3 * maxCandidates {
		n = n * 7919 % (3 * maxCandidates) // in no order
		o.add(candidate{name: fmt.Sprintf("cr-%05d", n), rank: rank(n % 3), at: noon().Add(time.Duration(n) * time.Second)})
	}
	o.add(candidate{name: "cr-never", rank: rankNever})
	got := o.first(maxCandidates + 1)
	if len(got) != maxCandidates || len(o.worst) != maxCandidates {
		t.Fatalf("%d of %d are kept", len(got), len(o.worst))
	}
	if !slices.IsSortedFunc(got, candidate.compare) {
		t.Error("they are in no order")
	}
	for n, c := range got { // of 3*max, one in three has rank 0: just those
		if want := fmt.Sprintf("cr-%05d", 3*n); c.name != want {
			t.Fatalf("number %d is %s, want %s", n, c.name, want)
		}
	}
}

func TestOptions(t *testing.T) {
	for name, tc := range map[string]struct {
		options Options
		want    string
	}{
		"the defaults":   {Options{MaxAge: DefaultMaxAge, MaxRecords: DefaultMaxRecords, CloseAfter: DefaultCloseAfter}, ""},
		"all off":        {Options{}, ""},
		"too short":      {Options{MaxAge: time.Minute}, "the age 1m0s: must be 0 or at least 1h"},
		"before now":     {Options{MaxAge: -day}, "the age -24h0m0s: must be 0 or at least 1h"},
		"less than none": {Options{MaxRecords: -1}, "the number of records -1: must be 0 or more"},
		"closed before":  {Options{CloseAfter: -1}, "the time to close -1ns: must be 0 or more"},
		"no interval":    {Options{Every: -1}, "the interval -1ns: must be 0 or more"},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			if err := tc.options.Validate(); err != nil {
				said = err.Error()
			}
			if said != tc.want || strings.Contains(said, "\n") {
				t.Errorf("Validate() = %q, want %q", said, tc.want)
			}
		})
	}
}
