package heartbeat

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Metrics of the heartbeat. Only the leader shows them.
type Metrics struct {
	state, expected *prometheus.GaugeVec
	enforcing       *prometheus.GaugeVec
	beats           *prometheus.CounterVec
	servers         *prometheus.GaugeVec
	at              *prometheus.GaugeVec
	open            *prometheus.GaugeVec
	gaps            *prometheus.CounterVec
	expires         *prometheus.GaugeVec
}

// NewMetrics makes the metrics and registers them.
func NewMetrics(to prometheus.Registerer) (*Metrics, error) {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		state:    gauge("gitlatch_gate_state", "1 for the state that the gate is in, 0 for the others; all 0 while no policy demands anything.", "state"),
		expected: gauge("gitlatch_gate_expected", "1 for the state that the policies demand of the gate, 0 for the others; all 0 while there is no policy.", "state"),
		enforcing: gauge("gitlatch_gate_enforcing",
			"1 while the gate is in the state that the policies demand, 0 while it is not. Not there while nothing is demanded."),
		beats: counter("gitlatch_heartbeat_total",
			"Canaries that an API server was asked to store in a dry run, by what became of them; denied is as it should be.", "result"),
		servers: gauge("gitlatch_heartbeat_api_servers", "API servers by what became of the last canaries; the worse of the two counts.", "result"),
		at: gauge("gitlatch_heartbeat_timestamp_seconds",
			"When it could last be told for certain whether the gate denies, as Unix time; at first, when it was begun to look."),
		open: gauge("gitlatch_gap_open", "1 while the gate is not in the state that it should be in, and that is on record."),
		gaps: counter("gitlatch_gaps_total", "Gaps that began: times in which the gate was not in the state that it should be in.", "cause"),
		expires: gauge("gitlatch_gate_certificate_expiry_timestamp_seconds",
			"When the certificate that the gate serves expires, as Unix time, seen by connecting to it. Not there where it could not be seen."),
	}
	for _, c := range []prometheus.Collector{m.state, m.expected, m.enforcing, m.beats, m.servers, m.at, m.open, m.gaps, m.expires} {
		if err := to.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func states() []v1alpha1.GateState {
	return []v1alpha1.GateState{v1alpha1.GateEnforcing, v1alpha1.GateAuditing, v1alpha1.GateOff, v1alpha1.GateFailing}
}

// begin shows the counters at zero: who looks for an increase needs a first value. The
// time is the present: who asks how long ago it was must not be told nothing.
func (m *Metrics) begin(now time.Time) {
	m.at.WithLabelValues().Set(seconds(now))
	for _, c := range Causes() {
		m.gaps.WithLabelValues(string(c))
	}
	for _, r := range results() {
		m.beats.WithLabelValues(string(r))
	}
}

// looked counts what a beat saw.
func (m *Metrics) looked(l *look) {
	worst := map[string]result{}
	rank := map[result]int{resultDenied: 1, resultUnreachable: 2, resultUnclear: 3, resultOverloaded: 4, resultNoAnswer: 5, resultPassed: 6}
	for _, a := range l.answers {
		m.beats.WithLabelValues(string(a.result)).Inc()
		if rank[a.result] > rank[worst[a.server]] {
			worst[a.server] = a.result
		}
	}
	count := map[result]int{}
	for _, r := range worst {
		count[r]++
	}
	for _, r := range results() {
		m.servers.WithLabelValues(string(r)).Set(float64(count[r]))
	}
}

// stands shows the state. One that can't be told leaves what was shown, and the time.
func (m *Metrics) stands(s standing, open *gap) {
	m.open.WithLabelValues().Set(one(open != nil))
	for _, state := range states() {
		m.expected.WithLabelValues(string(state)).Set(one(s.expected == state))
	}
	state := s.state
	if !s.known {
		if open == nil {
			return
		}
		state = v1alpha1.GateFailing
	} else {
		m.at.WithLabelValues().Set(seconds(s.at))
	}
	for _, other := range states() {
		m.state.WithLabelValues(string(other)).Set(one(state == other))
	}
	if s.expected == "" {
		m.enforcing.Reset()
		return
	}
	m.enforcing.WithLabelValues().Set(one(state == s.expected))
}

func (m *Metrics) began(g *gap) { m.gaps.WithLabelValues(g.record.Spec.Gap.Cause).Inc() }

func (m *Metrics) certificate(r reached) {
	if r.expires.IsZero() {
		m.expires.Reset()
		return
	}
	m.expires.WithLabelValues().Set(float64(r.expires.Unix()))
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
