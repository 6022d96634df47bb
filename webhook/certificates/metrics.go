package certificates

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// expiry is the metric of both sources, read when it is scraped.
type expiry struct {
	ca, leaf func() time.Time // zero: unknown, and not reported
}

func (e expiry) desc() *prometheus.Desc {
	return prometheus.NewDesc("gitlatch_certificate_expiry_timestamp_seconds",
		"When the webhook's certificate ends, in seconds since the epoch: kind is ca or leaf.",
		[]string{"kind"}, nil)
}

func (e expiry) describe(ch chan<- *prometheus.Desc) { ch <- e.desc() }

func (e expiry) collect(ch chan<- prometheus.Metric) {
	for _, m := range []struct {
		kind string
		at   time.Time
	}{{"ca", e.ca()}, {"leaf", e.leaf()}} {
		if !m.at.IsZero() {
			ch <- prometheus.MustNewConstMetric(e.desc(), prometheus.GaugeValue, float64(m.at.Unix()), m.kind)
		}
	}
}
