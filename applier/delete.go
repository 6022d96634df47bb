package applier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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

// deletionRetry is how soon a deletion that did not come to its end goes on.
const deletionRetry = 2 * time.Second

// delete carries out the deletion policy, also of a sync that is suspended or whose
// account is gone, and then lets it go.
func (r *run) delete(ctx context.Context) (ctrl.Result, error) {
	if !slices.Contains(r.sync.Finalizers, v1alpha1.FinalizerSync) {
		return ctrl.Result{}, nil
	}
	r.state.keeper.suspend() // it would recreate what is deleted
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	if err := r.clear(ctx); err != nil {
		r.set(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.SyncDeletionFailed, oneLine(err.Error()))
		return ctrl.Result{RequeueAfter: deletionRetry}, r.save(ctx)
	}
	before := r.sync.DeepCopy()
	controllerutil.RemoveFinalizer(r.sync, v1alpha1.FinalizerSync)
	if err := r.client.Patch(ctx, r.sync, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("letting GitSync %s go: %w", r.key, err)
	}
	r.log.Info("a sync is deleted", "policy", r.sync.Spec.DeletionPolicy)
	return ctrl.Result{}, nil
}

// clear deletes what the sync has applied, if its policy says so.
func (r *run) clear(ctx context.Context) error {
	if r.sync.Spec.DeletionPolicy != v1alpha1.DeletionPrune {
		return nil
	}
	refs, err := entriesOf(r.sync.Status.Inventory)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		return nil
	}
	if r.cluster, err = r.undertaker(ctx); err != nil {
		return err
	}
	slices.SortStableFunc(refs, func(a, b live.Ref) int { return desired.Stage(b.Group, b.Kind) - desired.Stage(a.Group, a.Kind) })
	var failures []error
	for _, ref := range refs {
		if r.claims.other(r.key, ref.Key) {
			continue
		}
		if _, err := r.cluster.Delete(ctx, ref, v1alpha1.SyncLabel(r.key.Namespace, r.key.Name)); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", ref, err))
		}
	}
	if len(failures) > 3 {
		failures = append(failures[:3:3], errors.New(others(len(failures)-3)))
	}
	if err := errors.Join(failures...); err != nil {
		return fmt.Errorf("deleting what the sync has applied: %w", err)
	}
	return nil
}

// undertaker is the cluster with which a deleted sync's objects are deleted: under
// its account, or, where that is gone already, under our own rights. The owner mark,
// which only the applier sets, keeps that from reaching anything else.
func (r *run) undertaker(ctx context.Context) (*live.Cluster, error) {
	name := r.sync.Spec.ServiceAccountName
	if name == "" {
		return r.clusters.of(identity{})
	}
	account := types.NamespacedName{Namespace: r.key.Namespace, Name: name}
	exists, err := r.clusters.exists(ctx, account)
	if err != nil && !apierrors.IsForbidden(err) {
		return nil, err
	}
	if !exists {
		return r.clusters.of(identity{})
	}
	return r.clusters.of(identity{account: account, sync: r.key})
}
