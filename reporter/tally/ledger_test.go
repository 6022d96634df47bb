package tally

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// two is when the tests' clock starts.
func two() time.Time { return time.Date(2026, 3, 4, 14, 0, 0, 0, time.UTC) }

// attempt is alice's denied write a minute ago.
func attempt(name string, tweak ...func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
	rec := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome:   v1alpha1.OutcomeDenied,
			Requester: v1alpha1.Requester{Username: "alice"},
			Evidence:  v1alpha1.EvidenceAdmission,
		},
	}
	ago(time.Minute)(rec)
	for _, change := range tweak {
		change(rec)
	}
	return rec
}

func ago(d time.Duration) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) { rec.Status.FirstSeen = metav1.NewMicroTime(two().Add(-d)) }
}

func by(user string) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) { rec.Spec.Requester.Username = user }
}

func outcome(o v1alpha1.Outcome, p v1alpha1.Phase) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) { rec.Spec.Outcome, rec.Status.Phase = o, p }
}

func evidence(e v1alpha1.Evidence) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) { rec.Spec.Evidence = e }
}

func listed(records ...*v1alpha1.ChangeRecord) *Tally {
	t := &Tally{Clock: clocktesting.NewFakePassiveClock(two())}
	list(t, records...)
	return t
}

// list is what a stream tells when it lists.
func list(t *Tally, records ...*v1alpha1.ChangeRecord) {
	t.listing()
	for _, rec := range records {
		t.changed(rec)
	}
	t.listed()
}

// shows asserts a whole metric but the outcomes of which there are none; want is outcome,
// or outcome and phase, and number.
func shows(t *testing.T, tally *Tally, name, help string, want map[string]int) {
	t.Helper()
	lines := []string{"# HELP " + name + " " + help, "# TYPE " + name + " gauge"}
	add := func(labels string, n int) {
		lines = append(lines, fmt.Sprintf("%s%s %d", name, labels, n))
	}
	if name == "gitlatch_records" {
		for key, n := range want {
			outcome, phase, _ := strings.Cut(key, " ")
			add(fmt.Sprintf("{outcome=%q,phase=%q}", outcome, phase), n)
		}
	} else {
		for _, outcome := range outcomes()[:6] {
			add(fmt.Sprintf("{outcome=%q}", outcome), want[string(outcome)])
		}
	}
	if err := testutil.CollectAndCompare(tally, strings.NewReader(strings.Join(lines, "\n")+"\n"), name); err != nil {
		t.Error(err)
	}
}

const (
	recordsHelp    = "Records that are kept in the cluster, by outcome and phase."
	recentHelp     = "Records that were first seen in the last ten minutes, by outcome."
	newcomersHelp  = "Users and service accounts whose first record that is kept is younger than an hour, by that record's outcome."
	requestersHelp = "Users and service accounts of whom a record of an attempt is kept."
)

func TestWhoIsNew(t *testing.T) {
	for name, tc := range map[string]struct {
		records []*v1alpha1.ChangeRecord
		want    map[string]int
	}{
		"somebody with one denial": {[]*v1alpha1.ChangeRecord{attempt("cr-1")}, map[string]int{"Denied": 1}},
		"somebody who tried twice is one": {[]*v1alpha1.ChangeRecord{attempt("cr-1"), attempt("cr-2", ago(time.Second))},
			map[string]int{"Denied": 1}},
		"two people": {[]*v1alpha1.ChangeRecord{attempt("cr-1"), attempt("cr-2", by("bob"))}, map[string]int{"Denied": 2}},
		"not who was denied yesterday too": {[]*v1alpha1.ChangeRecord{attempt("cr-1"), attempt("cr-2", ago(24*time.Hour))},
			map[string]int{}},
		"the first record counts, whatever comes after": {[]*v1alpha1.ChangeRecord{
			attempt("cr-1"), attempt("cr-2", outcome(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved), ago(2*time.Minute))},
			map[string]int{"Flagged": 1}},
		"not after an hour":     {[]*v1alpha1.ChangeRecord{attempt("cr-1", ago(time.Hour))}, map[string]int{}},
		"nobody without a name": {[]*v1alpha1.ChangeRecord{attempt("cr-1", by(""))}, map[string]int{}},
		"not the name that a watch or managedFields gives": {[]*v1alpha1.ChangeRecord{
			attempt("cr-1", outcome(v1alpha1.OutcomeDrift, v1alpha1.PhaseResolved), evidence(v1alpha1.EvidenceWatch)),
			attempt("cr-2", outcome(v1alpha1.OutcomeBypass, ""), evidence(v1alpha1.EvidenceManagedFields))},
			map[string]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			shows(t, listed(tc.records...), "gitlatch_requesters_new", newcomersHelp, tc.want)
		})
	}
}

func TestWhatIsKeptAndWhatIsRecent(t *testing.T) {
	tally := listed(
		attempt("cr-1"),
		attempt("cr-2", by("bob"), ago(9*time.Minute)),
		attempt("cr-3", ago(10*time.Minute), outcome(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseObserved)),
		attempt("cr-4", outcome(v1alpha1.OutcomeBypass, ""), evidence(v1alpha1.EvidenceAuditLog)),
		attempt("cr-5", outcome("Later", "Sometime")), // of a version to come
	)
	shows(t, tally, "gitlatch_records", recordsHelp, map[string]int{
		"Denied Denied": 2, "BreakGlass Observed": 1, "Bypass Admitted": 1, "unknown unknown": 1,
	})
	shows(t, tally, "gitlatch_records_recent", recentHelp, map[string]int{"Denied": 2, "Bypass": 1})
	if err := testutil.CollectAndCompare(tally, strings.NewReader(
		"# HELP gitlatch_requesters "+requestersHelp+"\n# TYPE gitlatch_requesters gauge\ngitlatch_requesters 2\n"), "gitlatch_requesters"); err != nil {
		t.Error(err)
	}
}

// TestARecordThatChangesIsOne, and one that goes is none.
func TestARecordThatChangesIsOne(t *testing.T) {
	tally := listed(attempt("cr-1"), attempt("cr-2"))
	tally.changed(attempt("cr-1", outcome(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed)))
	tally.deleted(attempt("cr-2"))
	shows(t, tally, "gitlatch_records", recordsHelp, map[string]int{"Denied Closed": 1})
}

// TestWhatWasDeletedUnseen: a watch breaks, a record goes, and the next list does not
// tell of it, though the broken watch did.
func TestWhatWasDeletedUnseen(t *testing.T) {
	tally := listed(attempt("cr-1"), attempt("cr-2"), attempt("cr-3"))
	tally.changed(attempt("cr-2", outcome(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed)))
	list(tally, attempt("cr-1"))
	shows(t, tally, "gitlatch_records", recordsHelp, map[string]int{"Denied Denied": 1})
}

// TestHalfAListSaysNothing: or whoever is in the other half would be new.
func TestHalfAListSaysNothing(t *testing.T) {
	tally := &Tally{Clock: clocktesting.NewFakePassiveClock(two())}
	tally.listing()
	tally.changed(attempt("cr-1"))
	if n := testutil.CollectAndCount(tally); n != 0 {
		t.Errorf("%d metrics before the list is complete", n)
	}
}
