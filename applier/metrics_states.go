package applier

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// states of syncs, as the metric names them: a sync is in the first that fits.
const (
	stateSuspended = "suspended"
	stateStalled   = "stalled"
	stateReady     = "ready"
	stateFailing   = "failing"
	stateWorking   = "reconciling"
)

// syncStates counts the syncs by state, and the unhealthy, each time it is asked.
type syncStates struct {
	reader    client.Reader
	syncs     *prometheus.Desc
	unhealthy *prometheus.Desc
}

func newSyncStates(reader client.Reader) *syncStates {
	return &syncStates{
		reader:    reader,
		syncs:     prometheus.NewDesc("gitlatch_syncs", "GitSyncs by state: ready, reconciling, failing (is tried again), stalled (somebody must change something), suspended.", []string{"state"}, nil),
		unhealthy: prometheus.NewDesc("gitlatch_syncs_unhealthy", "GitSyncs whose objects are not as their own status says they should be.", nil, nil),
	}
}

func (s *syncStates) Describe(to chan<- *prometheus.Desc) {
	to <- s.syncs
	to <- s.unhealthy
}

// Collect reads the cache; while that can't be read there is nothing to say.
func (s *syncStates) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	all := &v1alpha1.GitSyncList{}
	if err := s.reader.List(ctx, all); err != nil {
		return
	}
	count := map[string]int{stateSuspended: 0, stateStalled: 0, stateReady: 0, stateFailing: 0, stateWorking: 0}
	unhealthy := 0
	for i := range all.Items {
		count[stateOf(&all.Items[i])]++
		if meta.IsStatusConditionFalse(all.Items[i].Status.Conditions, v1alpha1.ConditionHealthy) {
			unhealthy++
		}
	}
	for state, n := range count {
		to <- prometheus.MustNewConstMetric(s.syncs, prometheus.GaugeValue, float64(n), state)
	}
	to <- prometheus.MustNewConstMetric(s.unhealthy, prometheus.GaugeValue, float64(unhealthy))
}

func stateOf(sync *v1alpha1.GitSync) string {
	conditions := sync.Status.Conditions
	switch {
	case sync.Spec.Suspend:
		return stateSuspended
	case meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled):
		return stateStalled
	case ready(sync):
		return stateReady
	case meta.IsStatusConditionFalse(conditions, v1alpha1.ConditionReady):
		return stateFailing
	}
	return stateWorking
}
