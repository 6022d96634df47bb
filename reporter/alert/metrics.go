package alert

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Results of a notification, or of an Event.
const (
	resultDelivered = "delivered"
	resultFailed    = "failed"
	resultRefused   = "refused"
	resultExpired   = "expired"
	resultDropped   = "dropped"
)

// Metrics count notifications. A receiver's name is the configuration's. A nil *Metrics
// counts nothing.
type Metrics struct {
	notifications *prometheus.CounterVec
	pending       *prometheus.GaugeVec
	oldest        *prometheus.GaugeVec
	valid         prometheus.Gauge
	events        *prometheus.CounterVec
}

// NewMetrics registers the metrics of this package.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_notifications_total",
			Help: "Notifications, by receiver and result: delivered (records that the receiver took, each of a digest counted), failed (attempts that are repeated: no answer, or the receiver is in trouble), refused (attempts at a notification that the receiver doesn't take, repeated later), expired (records that were never taken and are given up by age).",
		}, []string{"receiver", "result"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gitlatch_notifications_pending",
			Help: "Records that the receiver is still to be told of.",
		}, []string{"receiver"}),
		oldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gitlatch_notification_oldest_seconds",
			Help: "Age of the oldest record that the receiver is still to be told of, in seconds; 0 when there is none.",
		}, []string{"receiver"}),
		valid: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "gitlatch_notification_config_valid",
			Help: "0 when the file of receivers is wrong, or is missing although receivers were told before: then the one before it is used; else 1.",
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_events_total",
			Help: "Kubernetes Events on the targets of records, by result: delivered, failed (not tried again), dropped (more than the limit).",
		}, []string{"result"}),
	}
	m.valid.Set(1) // a process that waits for the lease reads no file
	for _, collector := range []prometheus.Collector{m.notifications, m.pending, m.oldest, m.valid, m.events} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of notifications: %w", err)
		}
	}
	return m, nil
}

// known makes a receiver's series begin at zero, so that its first failure is a rise.
func (m *Metrics) known(receiver string) {
	if m == nil {
		return
	}
	for _, result := range []string{resultDelivered, resultFailed, resultRefused, resultExpired} {
		m.notifications.WithLabelValues(receiver, result)
	}
	m.waits(receiver, 0, 0)
}

// gone ends a receiver's series.
func (m *Metrics) gone(receiver string) {
	if m != nil {
		m.notifications.DeletePartialMatch(prometheus.Labels{"receiver": receiver})
		m.pending.DeleteLabelValues(receiver)
		m.oldest.DeleteLabelValues(receiver)
	}
}

func (m *Metrics) count(receiver, result string, n int) {
	if m != nil {
		m.notifications.WithLabelValues(receiver, result).Add(float64(n))
	}
}

func (m *Metrics) waits(receiver string, pending int, oldest time.Duration) {
	if m != nil {
		m.pending.WithLabelValues(receiver).Set(float64(pending))
		m.oldest.WithLabelValues(receiver).Set(max(oldest, 0).Seconds())
	}
}

func (m *Metrics) read(ok bool) {
	if m == nil {
		return
	}
	m.valid.Set(0)
	if ok {
		m.valid.Set(1)
	}
}

func (m *Metrics) event(result string) {
	if m != nil {
		m.events.WithLabelValues(result).Inc()
	}
}
