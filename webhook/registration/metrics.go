package registration

import "github.com/prometheus/client_golang/prometheus"

// Metrics of the registration. Only the leader moves them.
type Metrics struct {
	rewrites     *prometheus.CounterVec
	standingDown prometheus.Gauge
	policies     *prometheus.GaugeVec
	exemptions   *prometheus.GaugeVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
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
