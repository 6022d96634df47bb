package applier

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// metrics of the loop. No name of a sync is a label: how many are in which state is
// enough to alert on, and `kubectl get gitsyncs -A` says which.
type metrics struct {
	steps  *prometheus.HistogramVec
	runs   *prometheus.CounterVec
	pushes *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer, syncs client.Reader) (*metrics, error) {
	m := &metrics{
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gitlatch_sync_step_seconds", Help: "How long a step of a sync took.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"step"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_sync_runs_total", Help: "Runs of syncs by result: applied, failed (is tried again), stalled (somebody must change something).",
		}, []string{"result"}),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_push_notifications_total", Help: "Push notifications by result: accepted, refused (not proven), ignored (a ping).",
		}, []string{"result"}),
	}
	for _, c := range []prometheus.Collector{m.steps, m.runs, m.pushes, newSyncStates(syncs)} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("registering the applier's metrics: %w", err)
		}
	}
	for _, result := range []string{"applied", "failed", "stalled"} {
		m.runs.WithLabelValues(result)
	}
	return m, nil
}

func (m *metrics) step(name string, took time.Duration) {
	m.steps.WithLabelValues(name).Observe(took.Seconds())
}

func (m *metrics) push(result string) { m.pushes.WithLabelValues(result).Inc() }

func (m *metrics) run(err error) {
	var f *failure
	switch {
	case err == nil:
		m.runs.WithLabelValues("applied").Inc()
	case errors.As(err, &f) && f.stalled:
		m.runs.WithLabelValues("stalled").Inc()
	default:
		m.runs.WithLabelValues("failed").Inc()
	}
}
