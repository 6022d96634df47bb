package review

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Metrics show what waits and what was said. They are computed each time that they are
// asked for, since a record grows old without changing. A nil *Metrics shows nothing.
type Metrics struct {
	overdue  Overdue
	clock    clock.PassiveClock
	verdicts *prometheus.CounterVec
	failures prometheus.Counter

	mu     sync.Mutex
	ledger ledger
}

// NewMetrics registers the metrics of this package.
func NewMetrics(registerer prometheus.Registerer, overdue Overdue, clock clock.PassiveClock) (*Metrics, error) {
	m := &Metrics{
		overdue: overdue,
		clock:   clock,
		verdicts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_reviews_total",
			Help: "Verdicts that were given while this reporter watched, by verdict. One that replaces another counts again.",
		}, []string{"verdict"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gitlatch_review_failures_total",
			Help: "Times that the end of a reviewed record could not be written. It is tried again.",
		}),
	}
	for _, verdict := range []v1alpha1.ReviewVerdict{v1alpha1.ReviewApproved, v1alpha1.ReviewRejected} {
		m.verdicts.WithLabelValues(string(verdict))
	}
	for _, collector := range []prometheus.Collector{m.verdicts, m.failures, m} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of reviews: %w", err)
		}
	}
	return m, nil
}

// waiting are the outcomes that wait for a verdict; a metric shows each, so that a rule
// that looks for more than none finds a number.
func waiting() []v1alpha1.Outcome {
	return []v1alpha1.Outcome{
		v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass, v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered,
	}
}

// ages are the values of the label age, youngest first.
func ages() []string { return []string{"<1h", "<1d", "<7d", "older"} }

func ageOf(d time.Duration) int {
	for i, limit := range []time.Duration{time.Hour, 24 * time.Hour, 7 * 24 * time.Hour} {
		if d < limit {
			return i
		}
	}
	return len(ages()) - 1
}

func waitingDesc() *prometheus.Desc {
	return prometheus.NewDesc("gitlatch_records_waiting",
		"Records that wait for a verdict, by outcome and by the time since they were first seen.", []string{"outcome", "age"}, nil)
}

func overdueDesc() *prometheus.Desc {
	return prometheus.NewDesc("gitlatch_reviews_overdue",
		"Records that have waited for a verdict longer than they may, by outcome.", []string{"outcome"}, nil)
}

// Describe and Collect make Metrics the collector of what waits.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	to <- waitingDesc()
	to <- overdueDesc()
}

// Collect counts. Until all records were listed once there is nothing to say.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	complete, sums := m.ledger.complete, m.ledger.sums(m.overdue, m.clock.Now())
	m.mu.Unlock()
	if !complete {
		return
	}
	for _, outcome := range waiting() {
		for i, age := range ages() {
			to <- prometheus.MustNewConstMetric(waitingDesc(), prometheus.GaugeValue, float64(sums[outcome].byAge[i]), string(outcome), age)
		}
		to <- prometheus.MustNewConstMetric(overdueDesc(), prometheus.GaugeValue, float64(sums[outcome].overdue), string(outcome))
	}
}

func (m *Metrics) changed(rec *v1alpha1.ChangeRecord) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ledger.put(rec) && slices.Contains([]v1alpha1.ReviewVerdict{v1alpha1.ReviewApproved, v1alpha1.ReviewRejected}, rec.Status.Review.Verdict) {
		m.verdicts.WithLabelValues(string(rec.Status.Review.Verdict)).Inc()
	}
}

func (m *Metrics) deleted(rec *v1alpha1.ChangeRecord) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ledger.remove(rec.Name)
}

func (m *Metrics) listing() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ledger.round++
}

func (m *Metrics) listed() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ledger.sweep()
	m.ledger.complete = true
}

func (m *Metrics) failed() {
	if m != nil {
		m.failures.Inc()
	}
}
