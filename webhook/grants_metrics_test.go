package webhook

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func TestMetricsCountAWindowOnce(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(noon)
	g := &Grants{Clock: clock}
	g.Opened(openingRecord(), policy.Window{})
	g.Opened(openingRecord(), policy.Window{}) // the API server tries again on a conflict
	g.Opened(openingRecord(recordNamed("cr-long"), func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.BreakGlass.Until.Time = noon.Add(2 * time.Hour)
	}), policy.Window{})
	g.sawWindow(openingRecord(recordNamed("cr-elsewhere"))) // another replica opened it
	g.Refused(v1alpha1.ReasonBreakGlassReason)
	g.Refused(v1alpha1.ReasonBreakGlassReason)

	expect := func(open string) {
		t.Helper()
		want := `
# HELP gitlatch_break_glass_opened_total Break-glass windows that this replica opened, by policy.
# TYPE gitlatch_break_glass_opened_total counter
gitlatch_break_glass_opened_total{policy="cluster"} 2
# HELP gitlatch_break_glass_refused_total Requests for break-glass that this replica refused, by reason.
# TYPE gitlatch_break_glass_refused_total counter
gitlatch_break_glass_refused_total{reason="BreakGlassReason"} 2
# HELP gitlatch_break_glass_windows_open Break-glass windows that are open, as this replica knows them. Every replica counts all: take the maximum, not the sum.
# TYPE gitlatch_break_glass_windows_open gauge
gitlatch_break_glass_windows_open ` + open + "\n"
		if err := testutil.CollectAndCompare(g, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
	}
	expect("3")
	clock.SetTime(noon.Add(time.Hour))
	expect("1")
}
