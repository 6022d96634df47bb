package applier

import (
	"context"
	"fmt"
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

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
	moved, err := r.moved(ctx)
	if err != nil {
		return &failure{reason: v1alpha1.SyncProgressing, err: err}
	}
	held, err := r.windows(ctx, r.stale)
	if err != nil {
		return failing(v1alpha1.SyncPruneFailed, err)
	}
	slices.SortStableFunc(r.stale, func(a, b live.Ref) int { return desired.Stage(b.Group, b.Kind) - desired.Stage(a.Group, a.Kind) })
	var left []live.Ref
	going := -1 // the stage of what is on its way out: what it may need to get there stays
	for _, ref := range r.stale {
		stage := desired.Stage(ref.Group, ref.Kind)
		if stage < going {
			left = append(left, ref)
			continue
		}
		before := r.tally.leaving
		done, err := r.pruneOne(ctx, ref, moved, held)
		if err != nil {
			r.tally.failed = append(r.tally.failed, failed{ref.Key, err})
		}
		if r.tally.leaving > before {
			going = stage
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

// pruneOne deletes one object, and says whether it can be forgotten. What a
// break-glass window covers, or what would take such a thing along, waits for its end.
func (r *run) pruneOne(ctx context.Context, ref live.Ref, moved map[live.Key]bool, held []live.Key) (done bool, err error) {
	defer r.state.keeper.lock(ref.Key)()
	if slices.ContainsFunc(held, func(key live.Key) bool { return key == ref.Key || holds(ref.Key, key) }) {
		r.tally.held++
		return false, nil
	}
	if moved[ref.Key] || r.claims.other(r.key, ref.Key) {
		return r.handedOver(ctx, ref)
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
	case live.Deleting:
		r.tally.leaving++ // a finalizer holds it; it is looked at again
		return false, nil
	}
	return true, nil
}

// handedOver says whether the sync to which an object moved has taken it. Until then
// this one remembers it, so that it is never nobody's.
func (r *run) handedOver(ctx context.Context, ref live.Ref) (bool, error) {
	state, err := r.cluster.Look(ctx, ref)
	if err != nil {
		return false, err
	}
	return state.Sync != v1alpha1.SyncLabel(r.key.Namespace, r.key.Name), nil
}
