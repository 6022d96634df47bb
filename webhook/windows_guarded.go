package webhook

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// guardOf is what an unresolved record guards: an admitted change takes its paths
// out of the sync's managedFields, and they stay guarded until the sync owns them
// again. A change that was not stored took nothing.
func guardOf(rec *v1alpha1.ChangeRecord) (g guard, ok bool) {
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass:
	default:
		return guard{}, false
	}
	if rec.Labels[v1alpha1.LabelUnresolved] != record.Unresolved || rec.Status.Phase == v1alpha1.PhaseNotPersisted {
		return guard{}, false
	}
	g.target = recordTarget(rec)
	for _, c := range rec.Spec.Changes {
		g.paths = append(g.paths, c.Path)
	}
	return g, len(g.paths) > 0
}

// GuardOnly cuts a record down to what a guard is made of; it is a transform for
// the cache of unresolved records. There is one for every flagged write until git
// caught up or took it back, and nothing else is read from that cache.
func GuardOnly(object any) (any, error) {
	rec, ok := object.(*v1alpha1.ChangeRecord)
	if !ok {
		return object, nil
	}
	r := rec.Spec.Request
	small := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: rec.Name, UID: rec.UID, ResourceVersion: rec.ResourceVersion},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: rec.Spec.Outcome,
			Request: v1alpha1.RecordedRequest{Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name},
		},
		Status: v1alpha1.ChangeRecordStatus{Phase: rec.Status.Phase, Name: rec.Status.Name},
	}
	if v, ok := rec.Labels[v1alpha1.LabelUnresolved]; ok {
		small.Labels = map[string]string{v1alpha1.LabelUnresolved: v}
	}
	for _, c := range rec.Spec.Changes {
		small.Spec.Changes = append(small.Spec.Changes, v1alpha1.Change{Path: c.Path})
	}
	return small, nil
}

// putGuard takes in what a record guards now, which may be nothing.
func (x *windowIndex) putGuard(rec *v1alpha1.ChangeRecord) {
	g, ok := guardOf(rec)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropGuard(rec.Name)
	if !ok {
		return
	}
	if x.guards == nil {
		x.guards, x.guarded = map[string]guard{}, map[windowTarget]map[string]struct{}{}
	}
	x.guards[rec.Name] = g
	addName(x.guarded, g.target, rec.Name)
}

// forgetGuard drops what a record guarded.
func (x *windowIndex) forgetGuard(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropGuard(name)
}

func (x *windowIndex) dropGuard(name string) {
	g, ok := x.guards[name]
	if !ok {
		return
	}
	delete(x.guards, name)
	removeName(x.guarded, g.target, name)
}

// paths lists what is guarded of a target, sorted, each path once.
func (x *windowIndex) paths(t windowTarget) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	names := x.guarded[t]
	if len(names) == 0 {
		return nil
	}
	set := map[string]struct{}{}
	for name := range names {
		for _, p := range x.guards[name].paths {
			set[p] = struct{}{}
		}
	}
	return slices.Sorted(maps.Keys(set))
}
