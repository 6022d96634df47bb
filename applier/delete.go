package applier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// delete carries out the deletion policy, also of a sync that is suspended or whose
// account is gone, and then lets it go. What it can't do it tries again, ever slower.
func (r *run) delete(ctx context.Context) (ctrl.Result, error) {
	if !slices.Contains(r.sync.Finalizers, v1alpha1.FinalizerSync) {
		return ctrl.Result{}, nil
	}
	r.state.keeper.suspend() // it would recreate what is deleted
	limited, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	err := r.clear(limited)
	if ctx.Err() != nil {
		return ctrl.Result{}, nil // the process ends; the next one goes on
	}
	if err != nil {
		r.set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.SyncDeletionFailed, oneLine(err.Error()))
		if err := r.save(ctx); err != nil {
			return ctrl.Result{}, err
		}
		return ctrl.Result{RequeueAfter: r.next(err)}, nil
	}
	before := r.sync.DeepCopy()
	controllerutil.RemoveFinalizer(r.sync, v1alpha1.FinalizerSync)
	// On condition that nobody wrote meanwhile: the policy may be another now, and a list
	// of finalizers is replaced as a whole.
	err = r.client.Patch(ctx, r.sync, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	switch {
	case apierrors.IsConflict(err):
		return ctrl.Result{RequeueAfter: firstRetry}, nil
	case client.IgnoreNotFound(err) != nil:
		return ctrl.Result{}, fmt.Errorf("letting GitSync %s go: %w", r.key, err)
	}
	r.log.Info("a sync is deleted", "policy", r.sync.Spec.DeletionPolicy)
	return ctrl.Result{}, nil
}

// clear deletes what the sync has applied, if its policy says so. What is done is
// taken out of the inventory, so that another try is about the rest.
func (r *run) clear(ctx context.Context) error {
	if r.sync.Spec.DeletionPolicy != v1alpha1.DeletionPrune {
		return nil
	}
	refs, err := entriesOf(r.sync.Status.Inventory)
	if err != nil || len(refs) == 0 {
		return err
	}
	if r.cluster, err = r.undertaker(ctx); err != nil {
		return err
	}
	moved, err := r.heirs(ctx)
	if err != nil {
		return err
	}
	held, err := r.windows(ctx, refs)
	if err != nil {
		return err
	}
	slices.SortStableFunc(refs, func(a, b live.Ref) int { return desired.Stage(b.Group, b.Kind) - desired.Stage(a.Group, a.Kind) })
	var waiting []live.Key
	var failures []error
	left := map[string]v1alpha1.InventoryEntry{}
	for _, ref := range refs {
		switch {
		case moved[ref.Key] || r.claims.other(r.key, ref.Key):
			continue
		case slices.ContainsFunc(held, func(key live.Key) bool { return key == ref.Key || holds(ref.Key, key) }):
			waiting = append(waiting, ref.Key)
		default:
			if _, err := r.cluster.Delete(ctx, ref, v1alpha1.SyncLabel(r.key.Namespace, r.key.Name)); err == nil {
				continue
			} else {
				failures = append(failures, fmt.Errorf("%s: %w", ref, err))
			}
		}
		left[ref.Entry().ID] = ref.Entry()
	}
	r.setInventory(left)
	return uncleared(failures, waiting)
}

// uncleared is why a deletion has not come to its end.
func uncleared(failures []error, waiting []live.Key) error {
	if len(failures) > 3 {
		failures = append(failures[:3:3], errors.New(others(len(failures)-3)))
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("deleting what the sync has applied: %w", err)
	}
	if len(waiting) == 0 {
		return nil
	}
	return &failure{reason: v1alpha1.SyncDeletionFailed, retry: staleRetry,
		err: fmt.Errorf("deleting what the sync has applied: %d objects wait for the end of a break-glass window, %s first", len(waiting), waiting[0])}
}

// windows lists the objects that an open break-glass window covers: whoever opened it
// is at work on them. The keeper rests, and may never have known the kinds.
func (r *run) windows(ctx context.Context, refs []live.Ref) (held []live.Key, err error) {
	k := r.state.keeper
	if err := k.watch.Refresh(ctx); err != nil {
		return nil, err
	}
	objects := slices.Clone(r.objects) // the keeper goes on with those
	for _, ref := range refs {
		objects = append(objects, live.Object{Ref: ref})
	}
	k.place(r.cluster, objects)
	for i := range refs {
		if _, open := k.watch.Open(k.placeOf(refs[i].Key)); open {
			held = append(held, refs[i].Key)
		}
	}
	return held, nil
}

// holds says that one object takes another along when it goes: a namespace what is in
// it, a definition what is of its kind.
func holds(outer, inner live.Key) bool {
	switch {
	case isNamespace(outer):
		return inner.Namespace == outer.Name
	case outer.Group == "apiextensions.k8s.io" && outer.Kind == "CustomResourceDefinition":
		_, group, _ := strings.Cut(outer.Name, ".")
		return inner.Group == group
	}
	return false
}

// heirs are what other syncs of the same repository declare, although they may not
// have come to it yet: it moved there, and is not deleted in between. A new process
// has yet to hear of them. Where the remote can't be asked any more, each of them must
// have said what it declares.
func (r *run) heirs(ctx context.Context) (map[live.Key]bool, error) {
	all := &v1alpha1.GitSyncList{}
	if err := r.client.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing GitSyncs: %w", err)
	}
	var silent []types.NamespacedName
	asked := false
	for i := range all.Items {
		other := &all.Items[i]
		key := client.ObjectKeyFromObject(other)
		if key == r.key {
			continue
		}
		applied, err := entriesOf(other.Status.Inventory)
		if err != nil {
			return nil, fmt.Errorf("GitSync %s: %w", key, err)
		}
		r.claims.seed(key, applied)
		if !other.DeletionTimestamp.IsZero() || sameRepository(other.Spec.URL) != sameRepository(r.sync.Spec.URL) {
			continue
		}
		asked = true
		if !other.Spec.Suspend && r.claims.at(key, "") {
			silent = append(silent, key)
		}
	}
	if !asked {
		return nil, nil
	}
	err := r.fetch(ctx)
	switch {
	case err == nil:
		return r.moved(ctx)
	case len(silent) > 0:
		return nil, fmt.Errorf("deletion waits for GitSync %s, to which what left this one may have moved; the repository can't be asked: %w", silent[0], err)
	}
	return nil, nil
}

// undertaker is the cluster with which a deleted sync's objects are deleted: under
// its account, or, where that is certainly gone, under our own rights. The owner mark,
// which only the applier sets, keeps that from reaching anything else.
func (r *run) undertaker(ctx context.Context) (*live.Cluster, error) {
	name := r.sync.Spec.ServiceAccountName
	if name == "" {
		return r.clusters.of(identity{})
	}
	account := types.NamespacedName{Namespace: r.key.Namespace, Name: name}
	exists, err := r.clusters.exists(ctx, account)
	switch {
	case err != nil: // whoever may not look can't tell
		return nil, err
	case !exists:
		return r.clusters.of(identity{})
	}
	return r.clusters.of(identity{account: account, sync: r.key})
}
