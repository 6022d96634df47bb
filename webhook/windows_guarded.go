package webhook

import (
	"maps"
	"slices"

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
