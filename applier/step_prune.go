package applier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// pruneRetry is how soon what could not be pruned yet is looked at again.
const pruneRetry = 2 * time.Second

// prune deletes what this sync has applied and git no longer declares, in the
// reverse order of applying. It runs only after everything was applied: what was
// renamed is there under its new name first.
func (r *run) prune(ctx context.Context) error {
	if len(r.stale) == 0 {
		return nil
	}
	if !r.pruning() {
		r.stale = nil
		return nil
	}
	if err := r.settled(ctx); err != nil {
		return err
	}
	slices.SortStableFunc(r.stale, func(a, b live.Ref) int { return desired.Stage(b.Group, b.Kind) - desired.Stage(a.Group, a.Kind) })
	left := r.stale[:0]
	for _, ref := range r.stale {
		done, err := r.pruneOne(ctx, ref)
		if err != nil {
			r.tally.failed = append(r.tally.failed, failed{ref.Key, err})
		}
		if !done {
			left = append(left, ref)
		}
	}
	r.stale = left
	if n := len(r.tally.failed); n > 0 {
		f := r.tally.failed[0]
		err := fmt.Errorf("pruning %s: %w", f.key, f.err)
		if n > 1 {
			err = fmt.Errorf("%w (%s)", err, others(n-1))
		}
		return failing(v1alpha1.SyncPruneFailed, err)
	}
	return nil
}

// settled waits until every other sync that follows the same ref of the same
// repository has said what it declares at this commit: what left this sync may have
// moved there.
func (r *run) settled(ctx context.Context) error {
	all := &v1alpha1.GitSyncList{}
	if err := r.client.List(ctx, all); err != nil {
		return fmt.Errorf("listing GitSyncs: %w", err)
	}
	var others []types.NamespacedName
	for i := range all.Items {
		s := &all.Items[i]
		if key := client.ObjectKeyFromObject(s); key != r.key && s.Spec.URL == r.sync.Spec.URL && s.Spec.Ref == r.sync.Spec.Ref &&
			!s.Spec.Suspend && s.DeletionTimestamp.IsZero() {
			others = append(others, key)
		}
	}
	if other, waiting := r.claims.pending(r.key, r.revision.Commit, others, r.clock.Now()); waiting {
		return &failure{reason: v1alpha1.SyncProgressing, retry: pruneRetry,
			err: fmt.Errorf("waiting with pruning for GitSync %s, to which what left this one may have moved at %s", other, short(r.revision.Commit))}
	}
	return nil
}

// pruneOne deletes one object, and says whether it can be forgotten.
func (r *run) pruneOne(ctx context.Context, ref live.Ref) (done bool, err error) {
	held, err := r.state.keeper.held(ctx, ref.Key)
	if err != nil || held {
		r.tally.held++
		return false, err
	}
	if r.claims.other(r.key, ref.Key) {
		return true, nil // it moved: the other sync has it, or is about to take it
	}
	r.state.keeper.expect(ref.Key)
	deletion, err := r.cluster.Delete(ctx, ref, v1alpha1.SyncLabel(r.key.Namespace, r.key.Name))
	if err != nil {
		return false, err
	}
	switch deletion {
	case live.Deleted:
		r.tally.pruned++
		r.log.Info("pruned an object", "object", ref.String())
	case live.Spared:
		r.tally.spared++
	case live.Deleting:
		return false, nil // a finalizer holds it; it is looked at again
	}
	return true, nil
}
