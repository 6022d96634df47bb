package applier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// apply brings every object to what git declares, a stage after the other and in
// parallel within a stage. One that fails does not stop the others.
func (r *run) apply(ctx context.Context) error {
	r.state.keeper.declare(r.cluster, r.note(), r.objects)
	stop := r.report(ctx)
	defer r.disown() // after stop: both write the status
	defer stop()
	for from := 0; from < len(r.objects); {
		to := from
		for to < len(r.objects) && r.objects[to].Stage == r.objects[from].Stage {
			to++
		}
		r.applyStage(ctx, r.objects[from:to])
		if err := ctx.Err(); err != nil {
			return failing(v1alpha1.SyncApplyFailed, err)
		}
		if err := r.establish(ctx, r.objects[from:to]); err != nil {
			return err
		}
		from = to
	}
	return r.applyFailure()
}

// note is what the commit annotation says of an object that this run changes.
func (r *run) note() string {
	return r.revision.Commit + " " + strconv.Quote(r.commit.Subject)
}

func (r *run) applyStage(ctx context.Context, objects []live.Object) {
	r.listMany(ctx, objects)
	var group sync.WaitGroup
	for i := range objects {
		o := &objects[i]
		if r.state.keeper.unchanged(o) {
			r.count(func(t *tally) { t.unchanged++ })
			continue
		}
		select {
		case r.workers <- struct{}{}:
		case <-ctx.Done():
			group.Wait()
			return
		}
		group.Go(func() {
			defer func() { <-r.workers }()
			r.applyOne(ctx, o)
		})
	}
	group.Wait()
}

func (r *run) applyOne(ctx context.Context, o *live.Object) {
	defer r.state.keeper.lock(o.Key)()
	held, err := r.state.keeper.held(ctx, o.Key)
	if err != nil {
		r.fail(o.Key, err)
		return
	}
	if held {
		r.count(func(t *tally) { t.held++ })
		return
	}
	result, err := r.send(ctx, o)
	if err != nil {
		r.fail(o.Key, err)
		return
	}
	r.state.keeper.applied(o, result)
	r.count(func(t *tally) {
		switch result.Action {
		case live.Created:
			t.created++
		case live.Recreated:
			t.recreated++
		case live.Unchanged:
			t.unchanged++
		default:
			t.configured++
		}
	})
}

// send applies one object.
func (r *run) send(ctx context.Context, o *live.Object) (live.Result, error) {
	return r.cluster.Apply(ctx, o, live.ApplyOptions{
		Force: r.sync.Spec.Force, Commit: r.note(), Known: r.seen(o.Key), TookOver: r.state.keeper.tookOver,
		Released: func(mark string) bool { return r.released(ctx, mark, o.Key) },
	})
}

// released says that an object with the mark of another sync may be taken: that sync
// is gone, or has left it. In doubt it has not.
func (r *run) released(ctx context.Context, mark string, key live.Key) bool {
	if r.claims.free(mark, key) {
		return true
	}
	all := &v1alpha1.GitSyncList{}
	if err := r.client.List(ctx, all); err != nil {
		return false
	}
	return !slices.ContainsFunc(all.Items, func(s v1alpha1.GitSync) bool { return v1alpha1.SyncLabel(s.Namespace, s.Name) == mark })
}

// seen is what is known of an object: from the keeper's watch, or from the list that
// was made for many new objects of its kind. Nil costs a call of its own.
func (r *run) seen(key live.Key) *live.State {
	if state, ok := r.state.keeper.known(key); ok {
		return &state
	}
	if listed, ok := r.listed[kindOf(key)]; ok {
		state := listed[key] // the zero value: not there
		return &state
	}
	return nil
}

// listMany lists the metadata of kinds of which many objects are not known yet: a
// list is cheaper than a look at each. Where it is not allowed, looks it is.
func (r *run) listMany(ctx context.Context, objects []live.Object) {
	const many = 10
	unknown := map[kind]int{}
	for i := range objects {
		if _, ok := r.state.keeper.known(objects[i].Key); !ok {
			unknown[kindOf(objects[i].Key)]++
		}
	}
	for i := range objects {
		k := kindOf(objects[i].Key)
		if unknown[k] < many || r.listed[k] != nil {
			continue
		}
		if states, err := r.cluster.Snapshot(ctx, objects[i].GVK(), k.namespace); err == nil {
			r.listed[k] = states
		} else {
			unknown[k] = 0
		}
	}
}

// kind is a kind in one namespace, which is as far as a tenant may list.
type kind struct{ group, kind, namespace string }

func kindOf(k live.Key) kind { return kind{k.Group, k.Kind, k.Namespace} }

func (r *run) fail(key live.Key, err error) {
	r.log.V(1).Info("could not apply an object", "object", key.String(), "error", err.Error())
	r.count(func(t *tally) { t.failed = append(t.failed, failed{key, err}) })
}

func (r *run) count(change func(*tally)) {
	r.state.mu.Lock()
	defer r.state.mu.Unlock()
	change(&r.tally)
}

// establishWait bounds the wait for CRDs.
const establishWait = time.Minute

// establish waits for the CRDs of a stage, so that what is of their kinds can
// follow.
func (r *run) establish(ctx context.Context, stage []live.Object) error {
	var crds []live.Ref
	for i := range stage {
		if k := stage[i].Key; k.Group == "apiextensions.k8s.io" && k.Kind == "CustomResourceDefinition" && !r.state.established[k] {
			crds = append(crds, stage[i].Ref)
		}
	}
	if len(crds) == 0 {
		return nil
	}
	if err := r.cluster.Established(ctx, crds, establishWait); err != nil {
		return failing(v1alpha1.SyncApplyFailed, err)
	}
	for _, crd := range crds {
		r.state.established[crd.Key] = true
	}
	return nil
}

// applyFailure names what failed: the first in full, how many others.
func (r *run) applyFailure() error {
	if len(r.tally.failed) == 0 {
		return nil
	}
	first := r.tally.failed[0]
	for _, f := range r.tally.failed[1:] { // the same one each time, whichever ended first
		if f.key.String() < first.key.String() {
			first = f
		}
	}
	err := first.err
	if !strings.Contains(err.Error(), first.key.String()) {
		err = fmt.Errorf("%s: %w", first.key, err)
	}
	if more := len(r.tally.failed) - 1; more > 0 {
		err = fmt.Errorf("%w (%s)", err, others(more))
	}
	var conflict *live.ConflictError
	switch {
	case errors.As(first.err, &conflict):
		return &failure{reason: v1alpha1.SyncConflict, err: err}
	case apierrors.IsForbidden(first.err):
		return &failure{reason: v1alpha1.SyncForbidden, err: err}
	}
	return &failure{reason: v1alpha1.SyncApplyFailed, err: err}
}

// others is how a message that names the first of several speaks of the rest.
func others(n int) string {
	if n == 1 {
		return "and 1 other"
	}
	return fmt.Sprintf("and %d others", n)
}

// report says every few seconds how far a long run is.
func (r *run) report(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		ticker := r.clock.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-ticker.C():
				r.state.mu.Lock()
				t := r.tally
				r.state.mu.Unlock()
				ready := t.created + t.configured + t.unchanged + t.recreated
				r.progress(fmt.Sprintf("applied %d of %d objects of %s", ready, len(r.objects), r.revisionName()))
				if err := r.save(ctx); err != nil {
					r.log.V(1).Info("could not write the progress", "error", err.Error())
				}
			}
		}
	})
	return func() { close(done); group.Wait() }
}
