package applier

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// progressEvery is how often a long run says how far it is.
const progressEvery = 5 * time.Second

// prepare finds where the cluster serves what is declared, and refuses what would
// empty it by mistake: a repository that was read by half, a path that was moved.
func (r *run) prepare(context.Context) error {
	if r.folder != nil {
		objects, err := r.cluster.Prepare(r.folder.Objects, r.preparation())
		if err != nil {
			// A kind that the API server does not know may come with another sync, so this is
			// tried again.
			return &failure{reason: v1alpha1.SyncInvalid, err: fmt.Errorf("%w; %s", err, r.keeping())}
		}
		r.objects, r.folder = objects, nil
		r.state.prepared = prepared{basis: r.basis, objects: objects}
	}
	before, err := entriesOf(r.sync.Status.Inventory)
	if err != nil {
		return stalled(v1alpha1.SyncInvalid, err)
	}
	r.stale = undeclared(before, r.objects)
	return r.emptying(before)
}

func (r *run) preparation() live.Preparation {
	return live.Preparation{
		Mark: v1alpha1.SyncLabel(r.key.Namespace, r.key.Name), Namespace: r.defaultNamespace(r.folder), Ignore: r.sync.Spec.Ignore,
		Repository: r.sync.Spec.URL, Ref: refName(&r.sync.Spec.Ref),
	}
}

// undeclared are the entries that are not among the objects.
func undeclared(before []live.Ref, objects []live.Object) []live.Ref {
	declared := make(map[live.Key]bool, len(objects))
	for i := range objects {
		declared[objects[i].Key] = true
	}
	var stale []live.Ref
	for _, ref := range before {
		if !declared[ref.Key] {
			stale = append(stale, ref)
		}
	}
	return stale
}

// emptying refuses a commit that declares nothing any more, or no namespace any more.
func (r *run) emptying(before []live.Ref) error {
	if r.sync.Annotations[v1alpha1.AnnotationAllowEmpty] == "true" {
		return nil
	}
	lost, namespaces := 0, 0
	for _, ref := range r.stale {
		if isNamespace(ref.Key) {
			lost++
		}
	}
	for i := range r.objects {
		if isNamespace(r.objects[i].Key) {
			namespaces++
		}
	}
	insist := fmt.Sprintf("to insist, annotate the sync %s=true; %s", v1alpha1.AnnotationAllowEmpty, r.keeping())
	switch {
	case len(r.objects) == 0 && len(before) > 0:
		return stalled(v1alpha1.SyncWouldEmpty, fmt.Errorf("%s declares nothing at %s, and %d objects would be deleted: %s",
			pathOf(r.sync), short(r.revision.Commit), len(before), insist))
	case lost > 0 && namespaces == 0 && r.pruning():
		return stalled(v1alpha1.SyncWouldEmpty, fmt.Errorf("%s declares no namespace any more at %s, and all %d would be deleted: %s",
			pathOf(r.sync), short(r.revision.Commit), lost, insist))
	}
	return nil
}

func isNamespace(k live.Key) bool { return k.Group == "" && k.Kind == "Namespace" }

func pathOf(sync *v1alpha1.GitSync) string { return cmp.Or(sync.Spec.Path, "the repository's root") }

// pruning: what left git is deleted.
func (r *run) pruning() bool { return r.sync.Spec.Prune == nil || *r.sync.Spec.Prune }
