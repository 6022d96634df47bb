package webhook

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// grantMetrics counts break-glass. No user and no object is a label.
type grantMetrics struct {
	once    sync.Once
	open    *prometheus.Desc
	opened  *prometheus.CounterVec
	refused *prometheus.CounterVec
}

func (m *grantMetrics) make() {
	m.once.Do(func() {
		m.open = prometheus.NewDesc("gitlatch_break_glass_windows_open",
			"Break-glass windows that are open, as this replica knows them. Every replica counts all: take the maximum, not the sum.", nil, nil)
		m.opened = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_break_glass_opened_total",
			Help: "Break-glass windows that this replica opened, by policy.",
		}, []string{"policy"})
		m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_break_glass_refused_total",
			Help: "Requests for break-glass that this replica refused, by reason.",
		}, []string{"reason"})
	})
}

func (m *grantMetrics) countOpened(policy string) {
	m.make()
	m.opened.WithLabelValues(policy).Inc()
}

// Refused counts a refusal; reason is one of the reasons that begin with
// "BreakGlass". Dry runs are not counted.
func (g *Grants) Refused(reason v1alpha1.Reason) {
	g.metrics.make()
	g.metrics.refused.WithLabelValues(string(reason)).Inc()
}

// Describe and Collect make Grants a collector of its own metrics.
func (g *Grants) Describe(ch chan<- *prometheus.Desc) {
	g.metrics.make()
	ch <- g.metrics.open
	g.metrics.opened.Describe(ch)
	g.metrics.refused.Describe(ch)
}

// Collect counts the windows that are open now.
func (g *Grants) Collect(ch chan<- prometheus.Metric) {
	g.metrics.make()
	now, open := g.Clock.Now(), 0
	for _, k := range g.index.all() {
		if k.openAt(now) {
			open++
		}
	}
	ch <- prometheus.MustNewConstMetric(g.metrics.open, prometheus.GaugeValue, float64(open))
	g.metrics.opened.Collect(ch)
	g.metrics.refused.Collect(ch)
}
