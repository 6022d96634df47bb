package record

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Results of recording one attempt.
const (
	resultWritten   = "written"
	resultCoalesced = "coalesced"
	resultFolded    = "folded"
	resultFailed    = "failed"
)

// Metrics count records. No user and no object is a label. A nil *Metrics
// counts nothing.
type Metrics struct {
	records *prometheus.CounterVec
	seconds prometheus.Histogram
	pending prometheus.Gauge
	lost    prometheus.Counter
}

// NewMetrics registers the metrics of this package.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_records_total",
			Help: "Attempts to record, by outcome and by what became of it: written (a record of its own), coalesced (counted in one that exists), folded (counted in one of many targets), failed (not written before the answer).",
		}, []string{"outcome", "result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "gitlatch_records_write_seconds",
			Help:    "Time that creating a record took, failures included, in seconds.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gitlatch_records_pending",
			Help: "Records that could not be created and are tried again.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "gitlatch_records_dropped_total",
			Help: "Records, or counts of one, that are given up: only the log line has them.",
		}),
	}
	for _, collector := range []prometheus.Collector{m.records, m.seconds, m.pending, m.lost} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of records: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) record(outcome v1alpha1.Outcome, result string) {
	if m != nil {
		m.records.WithLabelValues(string(outcome), result).Inc()
	}
}

func (m *Metrics) wrote(took time.Duration) {
	if m != nil {
		m.seconds.Observe(took.Seconds())
	}
}

func (m *Metrics) queue(length int) {
	if m != nil {
		m.pending.Set(float64(length))
	}
}

func (m *Metrics) dropped() {
	if m != nil {
		m.lost.Inc()
	}
}
