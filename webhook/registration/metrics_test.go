package registration

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// A replica that does not lead any longer tells nothing of what it saw last: the alert on
// the off switch looks at all replicas. How often it wrote stays told.
func TestWhoeverLeadsNoLongerTellsNoState(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	m := NewMetrics(registry)
	mine, end := m.Term()
	see := func() {
		(&Reconciler{Metrics: mine}).gauge(1)
		mine.tell(func() {
			mine.policies.WithLabelValues(stateInvalid).Set(2)
			mine.exemptions.WithLabelValues("ValidatingWebhookConfiguration").Set(1)
		})
	}
	see()
	if got := testutil.ToFloat64(m.standingDown); got != 1 {
		t.Fatalf("the leader tells %v", got)
	}
	mine.rewrites.WithLabelValues("ValidatingWebhookConfiguration").Inc()
	end()
	see() // it was under way when the lease was lost
	want := `
# HELP gitlatch_registration_rewrites_total How often a webhook configuration was restored after somebody else changed or deleted it.
# TYPE gitlatch_registration_rewrites_total counter
gitlatch_registration_rewrites_total{configuration="ValidatingWebhookConfiguration"} 1
# HELP gitlatch_registration_standing_down 1 while the off switch is set on a webhook configuration, else 0.
# TYPE gitlatch_registration_standing_down gauge
gitlatch_registration_standing_down 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	next, _ := m.Term()
	(&Reconciler{Metrics: next}).gauge(1)
	if got := testutil.ToFloat64(m.standingDown); got != 1 {
		t.Errorf("in its next term the leader tells %v", got)
	}
}
