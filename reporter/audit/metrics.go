package audit

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count what the bypass review reads and finds. No user and no object is a label.
// A nil *Metrics counts nothing.
type Metrics struct {
	events   *prometheus.CounterVec
	findings *prometheus.CounterVec
	batches  *prometheus.CounterVec
}

// NewMetrics registers the metrics of this package.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_audit_events_total",
			Help: "Events that the API server's audit webhook backend sent, by what they were: read, failed (a write that was not stored), answered (the gate decided), exempt (of whom it lets through), judged, malformed.",
		}, []string{"result"}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_audit_findings_total",
			Help: "Bypasses that were found and recorded, by witness (AuditLog, ManagedFields) and reason.",
		}, []string{"evidence", "reason"}),
		batches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_audit_batches_total",
			Help: "Batches that the audit webhook backend was sent, by the HTTP status of the answer. The API server sends again what was answered with 500.",
		}, []string{"code"}),
	}
	for _, c := range []prometheus.Collector{m.events, m.findings, m.batches} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("registering the metrics of the bypass review: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) found(f *Finding) {
	if m != nil {
		m.findings.WithLabelValues(string(f.Evidence), string(f.Reason)).Inc()
	}
}

func (m *Metrics) batch(code int) {
	if m != nil {
		m.batches.WithLabelValues(strconv.Itoa(code)).Inc()
	}
}

func (m *Metrics) read(s *LogStats) {
	if m == nil {
		return
	}
	for result, n := range map[string]int{
		"read": s.Reads, "failed": s.Failed, "answered": s.Answered, "exempt": s.Exempt, "judged": s.Judged, "malformed": s.Malformed,
	} {
		m.events.WithLabelValues(result).Add(float64(n))
	}
}
