package webhook

import (
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// guardedPaths are what an unresolved record guards: an admitted update takes its
// paths out of the sync's managedFields, and those that git declared stay guarded
// until the sync owns them again. A change that was not stored took nothing, and an
// object that was created or deleted has managedFields of its own.
func guardedPaths(rec *v1alpha1.ChangeRecord) []string {
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass:
	default:
		return nil
	}
	if rec.Labels[v1alpha1.LabelUnresolved] != record.Unresolved || rec.Status.Phase == v1alpha1.PhaseNotPersisted ||
		rec.Spec.Request.Operation != string(policy.Update) {
		return nil
	}
	var paths []string
	for _, c := range rec.Spec.Changes {
		path := c.Path
		if !c.Declared || ownGuard(path) {
			continue
		}
		if strings.HasSuffix(path, record.Unlisted) { // cut: it can't be told, and so guards all
			path = record.Unlisted
		}
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
	}
	return paths
}

// ownGuard tells what no record need guard. Last-applied changes with every write
// of the clients that keep it; finalizers and owners of a declared object are
// guarded as such, with the exceptions that operators need.
func ownGuard(path string) bool {
	for _, p := range []string{
		`.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]`, ".metadata.finalizers", ".metadata.ownerReferences",
	} {
		if path == p || below(path, p) {
			return true
		}
	}
	return false
}

// below says that the first path lies below the second.
func below(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// GuardOnly cuts a record down to what a guard is made of; it is a transform for
// the cache of unresolved records. There is one for every flagged write of declared
// fields until git caught up or took it back, and nothing else is read from that
// cache.
func GuardOnly(object any) (any, error) {
	rec, ok := object.(*v1alpha1.ChangeRecord)
	if !ok {
		return object, nil
	}
	small := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: rec.Name, UID: rec.UID, ResourceVersion: rec.ResourceVersion},
	}
	paths := guardedPaths(rec)
	if len(paths) == 0 {
		return small, nil
	}
	r := rec.Spec.Request
	small.Labels = map[string]string{v1alpha1.LabelUnresolved: record.Unresolved}
	small.Spec.Outcome = rec.Spec.Outcome
	small.Spec.Request = v1alpha1.RecordedRequest{
		Operation: r.Operation, Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name,
	}
	small.Status = v1alpha1.ChangeRecordStatus{Phase: rec.Status.Phase, Name: rec.Status.Name}
	for _, path := range paths {
		small.Spec.Changes = append(small.Spec.Changes, v1alpha1.Change{Path: path, Declared: true})
	}
	return small, nil
}

// guard is what one unresolved record guards.
type guard struct {
	target windowTarget
	paths  []*guardedPath
}

// guardedPath is a path of one target, and how many records guard it.
type guardedPath struct {
	path    string
	records int
}

// putGuard takes in what a record guards now, which may be nothing.
func (x *windowIndex) putGuard(rec *v1alpha1.ChangeRecord) {
	paths := guardedPaths(rec)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropGuard(rec.Name)
	if len(paths) == 0 {
		return
	}
	if x.guards == nil {
		x.guards, x.guarded = map[string]guard{}, map[windowTarget]map[string]*guardedPath{}
	}
	g := guard{target: recordTarget(rec), paths: make([]*guardedPath, len(paths))}
	set := x.guarded[g.target]
	if set == nil {
		set = map[string]*guardedPath{}
		x.guarded[g.target] = set
	}
	for i, path := range paths {
		p := set[path]
		if p == nil {
			p = &guardedPath{path: path}
			set[path] = p
		}
		p.records++
		g.paths[i] = p
	}
	x.guards[rec.Name] = g
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
	set := x.guarded[g.target]
	for _, p := range g.paths {
		if p.records--; p.records == 0 {
			delete(set, p.path)
		}
	}
	if len(set) == 0 {
		delete(x.guarded, g.target)
	}
}

// paths lists what is guarded of a target, sorted, each path once.
func (x *windowIndex) paths(t windowTarget) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Sorted(maps.Keys(x.guarded[t])) // nil where there is none
}
