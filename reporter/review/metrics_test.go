package review

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func named(name string) tweak {
	return func(rec *v1alpha1.ChangeRecord) { rec.Name = name }
}

func ago(d time.Duration) tweak {
	return func(rec *v1alpha1.ChangeRecord) { rec.Status.FirstSeen = metav1.NewMicroTime(two().Add(-d)) }
}

func newMetrics(t *testing.T) (*Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	m, err := NewMetrics(registry, Overdue{}, clocktesting.NewFakePassiveClock(two()))
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// list is what a stream tells when it lists.
func list(m *Metrics, records ...*v1alpha1.ChangeRecord) {
	m.listing()
	for _, rec := range records {
		m.changed(rec)
	}
	m.listed()
}

// shows asserts the two gauges whole; waits is "outcome age" and number.
func shows(t *testing.T, registry *prometheus.Registry, waits, overdue map[string]int) {
	t.Helper()
	text := "# HELP gitlatch_records_waiting Records that wait for a verdict, by outcome and by the time since they were first seen.\n# TYPE gitlatch_records_waiting gauge\n"
	for _, o := range waiting() {
		for _, age := range ages() {
			text += fmt.Sprintf("gitlatch_records_waiting{age=%q,outcome=%q} %d\n", age, o, waits[string(o)+" "+age])
		}
	}
	text += "# HELP gitlatch_reviews_overdue Records that have waited for a verdict longer than they may, by outcome.\n# TYPE gitlatch_reviews_overdue gauge\n"
	for _, o := range waiting() {
		text += fmt.Sprintf("gitlatch_reviews_overdue{outcome=%q} %d\n", o, overdue[string(o)])
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "gitlatch_records_waiting", "gitlatch_reviews_overdue"); err != nil {
		t.Error(err)
	}
}

func ruled(t *testing.T, m *Metrics, approved, rejected float64) {
	t.Helper()
	got := [2]float64{testutil.ToFloat64(m.verdicts.WithLabelValues("Approved")), testutil.ToFloat64(m.verdicts.WithLabelValues("Rejected"))}
	if got != [2]float64{approved, rejected} {
		t.Errorf("approved and rejected: %v, want %v and %v", got, approved, rejected)
	}
}

func TestWhatWaitsAndWhatIsOverdue(t *testing.T) {
	m, registry := newMetrics(t)
	list(m,
		flagged(named("cr-1"), ago(59*time.Minute)),
		flagged(named("cr-2")), // an hour
		flagged(named("cr-3"), ago(73*time.Hour)),
		flagged(named("cr-4"), verdict(v1alpha1.ReviewApproved)),
		flagged(named("cr-5"), commented, ago(8*24*time.Hour)),
		flagged(named("cr-6"), within("", time.Minute), ago(23*time.Hour)),
		flagged(named("cr-7"), within("cr-6", time.Minute), ago(24*time.Hour)),
		flagged(named("cr-8"), outcome(v1alpha1.OutcomeDenied), phase(v1alpha1.PhaseDenied), ago(90*24*time.Hour)),
		flagged(named("cr-9"), gap(false), ago(time.Minute)),
	)
	shows(t, registry,
		map[string]int{"Flagged <1h": 1, "Flagged <1d": 1, "Flagged <7d": 1, "Flagged older": 1, "BreakGlass <1d": 1, "BreakGlass <7d": 1, "Tampered <1h": 1},
		map[string]int{"Flagged": 2, "BreakGlass": 1})

	m.changed(flagged(named("cr-3"), verdict(v1alpha1.ReviewRejected)))
	m.deleted(flagged(named("cr-5")))
	shows(t, registry,
		map[string]int{"Flagged <1h": 1, "Flagged <1d": 1, "BreakGlass <1d": 1, "BreakGlass <7d": 1, "Tampered <1h": 1},
		map[string]int{"BreakGlass": 1})

	list(m, flagged(named("cr-1"), ago(time.Minute))) // the others went while nobody watched
	shows(t, registry, map[string]int{"Flagged <1h": 1}, nil)
}

func TestNothingIsShownBeforeAllIsListed(t *testing.T) {
	m, registry := newMetrics(t)
	m.listing()
	m.changed(flagged())
	for _, name := range []string{"gitlatch_records_waiting", "gitlatch_reviews_overdue"} {
		if n, err := testutil.GatherAndCount(registry, name); n != 0 || err != nil {
			t.Errorf("%s has %d series (%v) while half of the records are known", name, n, err)
		}
	}
}

func TestAVerdictIsCountedOnce(t *testing.T) {
	m, _ := newMetrics(t)
	old := flagged(named("cr-old"), verdict(v1alpha1.ReviewApproved))
	list(m, old, flagged(named("cr-1")), flagged(named("cr-2")))
	ruled(t, m, 0, 0) // nobody knows when the old one was

	approved := flagged(named("cr-1"), verdict(v1alpha1.ReviewApproved))
	m.changed(approved)
	m.changed(approved)
	ruled(t, m, 1, 0)
	m.changed(flagged(named("cr-1"), verdict(v1alpha1.ReviewApproved), phase(v1alpha1.PhaseClosed)))
	m.changed(flagged(named("cr-2"), commented))
	list(m, old, approved, flagged(named("cr-2"), commented))
	ruled(t, m, 1, 0)
	m.changed(flagged(named("cr-1"), verdict(v1alpha1.ReviewRejected)))
	ruled(t, m, 1, 1)
}
