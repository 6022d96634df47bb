package tally

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// outcomes and phases that are told apart; what else comes is the last.
func outcomes() []v1alpha1.Outcome {
	return []v1alpha1.Outcome{
		v1alpha1.OutcomeDenied, v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass,
		v1alpha1.OutcomeDrift, v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered, "unknown",
	}
}

func phases() []v1alpha1.Phase {
	return []v1alpha1.Phase{
		v1alpha1.PhaseDenied, v1alpha1.PhaseAdmitted, v1alpha1.PhaseObserved, v1alpha1.PhaseNotPersisted,
		v1alpha1.PhaseUnconfirmed, v1alpha1.PhaseResolved, v1alpha1.PhaseClosed, "unknown",
	}
}

// index of a word in its list, the last where it is in none.
func index[T comparable](list []T, word T) uint8 {
	if i := slices.Index(list, word); i >= 0 {
		return uint8(i)
	}
	return uint8(len(list) - 1)
}

// descs describe the metrics.
type descs struct {
	records, recent, requesters, newcomers *prometheus.Desc
}

func newDescs() descs {
	return descs{
		records: prometheus.NewDesc("gitlatch_records",
			"Records that are kept in the cluster, by outcome and phase.", []string{"outcome", "phase"}, nil),
		recent: prometheus.NewDesc("gitlatch_records_recent",
			"Records that were first seen in the last ten minutes, by outcome.", []string{"outcome"}, nil),
		requesters: prometheus.NewDesc("gitlatch_requesters",
			"Users and service accounts of whom a record of an attempt is kept.", nil, nil),
		newcomers: prometheus.NewDesc("gitlatch_requesters_new",
			"Users and service accounts whose first record that is kept is younger than an hour, by that record's outcome.", []string{"outcome"}, nil),
	}
}

func (d descs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.records, d.recent, d.requesters, d.newcomers}
}

// show tells every outcome, also those that there are none of: a rule that looks for more
// than none must find a number.
func (d descs) show(to chan<- prometheus.Metric, s sums) {
	gauge := func(desc *prometheus.Desc, n int, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(d.requesters, s.requesters)
	for i, outcome := range outcomes()[:len(outcomes())-1] {
		gauge(d.recent, s.recent[uint8(i)], string(outcome))
		gauge(d.newcomers, s.newcomers[uint8(i)], string(outcome))
	}
	for key, n := range s.records {
		gauge(d.records, n, string(outcomes()[key.outcome]), string(phases()[key.phase]))
	}
}
