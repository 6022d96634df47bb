package registration

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics of the registration. Only the leader moves them, see [Metrics.Term].
type Metrics struct {
	rewrites     *prometheus.CounterVec
	standingDown prometheus.Gauge
	policies     *prometheus.GaugeVec
	exemptions   *prometheus.GaugeVec
	term         *term
}

// term is a time of leading; once it is over, it moves no gauge.
type term struct {
	mu   sync.Mutex
	over bool
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		term: &term{},
		rewrites: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_registration_rewrites_total",
			Help: "How often a webhook configuration was restored after somebody else changed or deleted it.",
		}, []string{"configuration"}),
		standingDown: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gitlatch_registration_standing_down",
			Help: "1 while the off switch is set on a webhook configuration, else 0.",
		}),
		policies: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gitlatch_registration_policies",
			Help: "Policies by state: valid, kept (invalid, its last valid generation is in force), invalid (not in force).",
		}, []string{"state"}),
		exemptions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gitlatch_registration_platform_exemptions",
			Help: "Requirements that the platform added to the namespace selectors of a webhook configuration: namespaces that do not meet them are not guarded by the webhooks.",
		}, []string{"configuration"}),
	}
	registry.MustRegister(m.rewrites, m.standingDown, m.policies, m.exemptions)
	return m
}

// Term returns the metrics for one term of leading. end takes back what its gauges say:
// another replica leads from then on, and what this one saw last would be told beside
// what that one sees. What still runs of the term, since a lost lease ends it at once,
// moves no gauge any more. Counters stay.
func (m *Metrics) Term() (mine *Metrics, end func()) {
	mine = &Metrics{rewrites: m.rewrites, standingDown: m.standingDown, policies: m.policies, exemptions: m.exemptions, term: &term{}}
	return mine, mine.end
}

func (m *Metrics) end() {
	m.tell(func() {
		m.term.over = true
		m.standingDown.Set(0)
		m.policies.Reset()
		m.exemptions.Reset()
	})
}

// tell moves gauges; nil metrics, and those of a term that is over, are told nothing.
func (m *Metrics) tell(move func()) {
	if m == nil {
		return
	}
	m.term.mu.Lock()
	defer m.term.mu.Unlock()
	if !m.term.over {
		move()
	}
}
