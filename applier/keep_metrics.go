package applier

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What became of one drift.
const (
	resultCorrected = "corrected"
	resultRecreated = "recreated"
	resultReported  = "reported" // and left, since spec.drift is Report
	resultFailed    = "failed"   // is tried again
	resultFought    = "fought"   // is put off, since somebody keeps writing it
)

// keepMetrics count what keepers do. No object and no sync is a label. A nil one counts
// nothing.
type keepMetrics struct {
	corrections *prometheus.CounterVec
	seconds     prometheus.Histogram
	fights      prometheus.Gauge
	held        prometheus.Gauge
}

func newKeepMetrics(registerer prometheus.Registerer) (*keepMetrics, error) {
	m := &keepMetrics{
		corrections: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_drift_corrections_total",
			Help: "Drift by what became of it: corrected, recreated, reported (spec.drift is Report), failed (is tried again), fought (is put off).",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gitlatch_drift_correction_seconds",
			Help:    "Time from the event that shows drift until it is corrected, in seconds.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15, 60},
		}),
		fights: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gitlatch_drift_fights", Help: "Objects that somebody keeps writing as fast as they are pulled back.",
		}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gitlatch_drift_held_objects", Help: "Declared objects that were written, or were to be, and are left alone in a break-glass window.",
		}),
	}
	for _, c := range []prometheus.Collector{m.corrections, m.seconds, m.fights, m.held} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of drift: %w", err)
		}
	}
	for _, result := range []string{resultCorrected, resultRecreated, resultReported, resultFailed, resultFought} {
		m.corrections.WithLabelValues(result)
	}
	return m, nil
}

// corrected counts a result, and how long a correction took.
func (m *keepMetrics) corrected(result string, took time.Duration) {
	if m == nil {
		return
	}
	m.corrections.WithLabelValues(result).Inc()
	if result == resultCorrected || result == resultRecreated {
		m.seconds.Observe(took.Seconds())
	}
}

func (m *keepMetrics) fight(by float64) {
	if m != nil {
		m.fights.Add(by)
	}
}

func (m *keepMetrics) hold(by float64) {
	if m != nil {
		m.held.Add(by)
	}
}
