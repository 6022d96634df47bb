package webhook

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Metrics counts what the handlers do. No user and no object is a label.
type Metrics struct {
	decisions  *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	undecided  *prometheus.CounterVec
	unrecorded *prometheus.CounterVec
	inFlight   prometheus.Gauge
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(to prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_decisions_total",
			Help: "Admission requests decided, dry runs included.",
		}, []string{"policy", "class", "reason", "operation", "action", "phase"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gitlatch_webhook_duration_seconds",
			Help:    "Time from the first byte of a review to its answer, the record included.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
		}, []string{"phase", "action"}),
		undecided: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_webhook_undecided_total",
			Help: "Requests that could not be read or judged in full, by cause. They are denied where Enforce may govern them.",
		}, []string{"cause"}),
		unrecorded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_webhook_unrecorded_total",
			Help: "Requests answered without their record being written, by the outcome to record and what was answered.",
		}, []string{"outcome", "action"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gitlatch_webhook_in_flight",
			Help: "Admission requests being answered now.",
		}),
	}
	for _, c := range []prometheus.Collector{m.decisions, m.duration, m.undecided, m.unrecorded, m.inFlight} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// decided counts an answer.
func (m *Metrics) decided(req *policy.Request, d *policy.Decision, took time.Duration) {
	phase, action := phaseOf(req.Final), d.Action.String()
	m.decisions.WithLabelValues(d.Policy, string(d.Class), string(d.Reason), operationLabel(req.Operation), action, phase).Inc()
	m.duration.WithLabelValues(phase, action).Observe(took.Seconds())
}

func (m *Metrics) couldNotDecide(cause string) { m.undecided.WithLabelValues(cause).Inc() }

func (m *Metrics) notRecorded(outcome v1alpha1.Outcome, action policy.Action) {
	m.unrecorded.WithLabelValues(string(outcome), action.String()).Inc()
}

// operationLabel keeps the label to what is known, whatever a client sends.
func operationLabel(op policy.Operation) string {
	switch op {
	case policy.Create, policy.Update, policy.Delete, policy.Connect:
		return strings.ToLower(string(op))
	}
	return "unknown"
}

func phaseOf(final bool) string {
	if final {
		return "validating"
	}
	return "mutating"
}
