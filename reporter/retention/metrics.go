package retention

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics tell what is archived and deleted. No user and no object is a label. A nil
// *Metrics counts nothing.
type Metrics struct {
	archived, closed            prometheus.Counter
	deleted                     *prometheus.CounterVec
	archiveFailures, failures   prometheus.Counter
	broken                      prometheus.Counter
	pending, stored, over, head prometheus.Gauge
	kept                        *prometheus.GaugeVec
}

// NewMetrics registers the metrics of this package.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &Metrics{
		archived: counter("gitlatch_records_archived_total", "Records that were written to the archive; one that changed before it was deleted counts again."),
		closed:   counter("gitlatch_records_closed_total", "Denials that were closed since nobody reviewed them in time."),
		deleted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gitlatch_records_deleted_total",
			Help: "Records that were deleted after they were archived, by the rule that said so: age, number.",
		}, []string{"reason"}),
		archiveFailures: counter("gitlatch_archive_failures_total", "Batches that the archive did not take, or whose end could not be noted in the cluster. They are tried again, and nothing is deleted meanwhile."),
		failures:        counter("gitlatch_retention_failures_total", "Passes over the records that ended early for another reason: records that could not be listed, closed or deleted."),
		broken:          counter("gitlatch_archive_broken_total", "Times that the archive did not end where the reporter left it: somebody else wrote to it, cut it, or restored it from a copy."),
		pending:         gauge("gitlatch_archive_pending", "Records whose time is over and that are not archived yet, as of the last pass."),
		stored:          gauge("gitlatch_records_stored", "Records in the cluster, as of the last pass."),
		over:            gauge("gitlatch_records_over_limit", "Records above the largest number that may be kept, which nothing may delete, as of the last pass."),
		head:            gauge("gitlatch_archive_head_seq", "Number of the last line of the archive."),
		kept: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gitlatch_records_kept",
			Help: "Records that no rule deletes, by why, as of the last pass: unreviewed (break-glass, bypass, tampering), window (open), guard (its fields are not git's again), gap (open, or not yet audited).",
		}, []string{"why"}),
	}
	for _, collector := range []prometheus.Collector{
		m.archived, m.closed, m.deleted, m.archiveFailures, m.failures, m.broken, m.pending, m.stored, m.over, m.head, m.kept,
	} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of retention: %w", err)
		}
	}
	m.countFromZero()
	return m, nil
}

// countFromZero: a series that begins with 1 has no increase that an alert sees.
func (m *Metrics) countFromZero() {
	for _, rule := range []rule{byAge, byNumber} {
		m.deleted.WithLabelValues(string(rule))
	}
	for _, why := range []Kept{KeptUnreviewed, KeptWindow, KeptGuard, KeptGap} {
		m.kept.WithLabelValues(string(why))
	}
}

// tell counts what a pass did.
func (m *Metrics) tell(r *Result) {
	if m == nil {
		return
	}
	m.archived.Add(float64(r.Archived))
	m.closed.Add(float64(r.Closed))
	m.deleted.WithLabelValues(string(byAge)).Add(float64(r.DeletedByAge))
	m.deleted.WithLabelValues(string(byNumber)).Add(float64(r.DeletedByNumber))
	m.broken.Add(float64(len(r.Broken)))
	m.head.Set(float64(r.Head.Seq))
	if !r.Listed { // what is there is not known anew
		return
	}
	m.pending.Set(float64(r.Pending))
	m.stored.Set(float64(r.Stored))
	m.over.Set(float64(r.Over))
	for _, why := range []Kept{KeptUnreviewed, KeptWindow, KeptGuard, KeptGap} {
		m.kept.WithLabelValues(string(why)).Set(float64(r.Kept[why]))
	}
}

func (m *Metrics) failed(archive bool) {
	switch {
	case m == nil:
	case archive:
		m.archiveFailures.Inc()
	default:
		m.failures.Inc()
	}
}
