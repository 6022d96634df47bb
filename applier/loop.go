package applier

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/live"
)

// loop reconciles GitSyncs, each by one run at a time.
type loop struct {
	client       client.Client
	repositories *git.Store
	disk         disk
	clusters     *clusters
	references   *references
	claims       *claims
	keeping      *keeping
	records      records
	events       events
	metrics      *metrics
	clock        clock.WithTicker
	kubeVersion  string
	workers      chan struct{} // one slot for each object that may be applied at a time

	mu     sync.Mutex
	states map[types.NamespacedName]*state
}

// state is what is remembered of a sync between runs. Losing it costs time only.
type state struct {
	keeper      *keeper
	identity    string // whose rights cluster uses
	cluster     *live.Cluster
	judgement   judgement
	fetched     fetched
	prepared    prepared
	claimed     [sha256.Size]byte // the basis of the render that was claimed
	established map[live.Key]bool // CRDs
	failures    int               // in a row
	healthy     bool
	healthAt    uint64 // the keeper's activity when health was last looked at
	healthTries int

	mu    sync.Mutex // over the tally of the run, and:
	woken bool       // something that a fetch depends on changed, or a push came
	wrote string     // the resourceVersion of the status that was written last
}

// Waits between runs.
const (
	firstRetry  = time.Second
	longRetry   = time.Minute
	healthEvery = 2 * time.Second
	healthSlow  = 30 * time.Second
	staleRetry  = 10 * time.Second
	cacheLag    = 50 * time.Millisecond
)

// Reconcile takes one sync as far as it goes.
func (l *loop) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	stored := &v1alpha1.GitSync{}
	if err := l.client.Get(ctx, request.NamespacedName, stored); err != nil {
		if apierrors.IsNotFound(err) {
			l.forget(request.NamespacedName)
			l.sweep(ctx)
			return ctrl.Result{}, nil
		}
		return ctrl.Result{}, fmt.Errorf("getting GitSync %s: %w", request.NamespacedName, err)
	}
	state, err := l.state(stored)
	if err != nil {
		return ctrl.Result{}, err
	}
	if state.ahead(stored.ResourceVersion) {
		return ctrl.Result{RequeueAfter: cacheLag}, nil // the cache has yet to show what we wrote
	}
	defer l.use(ctx, stored)()
	r := &run{
		loop: l, key: request.NamespacedName, state: state,
		sync: stored.DeepCopy(), saved: stored, listed: map[kind]map[live.Key]live.State{}, log: logr.FromContextOrDiscard(ctx),
	}
	switch {
	case !stored.DeletionTimestamp.IsZero():
		return r.delete(ctx)
	case stored.Spec.Suspend:
		return ctrl.Result{}, r.rest(ctx)
	case controllerutil.AddFinalizer(r.sync, v1alpha1.FinalizerSync):
		if err := l.client.Patch(ctx, r.sync, client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, fmt.Errorf("adding the finalizer to GitSync %s: %w", r.key, err)
		}
		r.saved = r.sync.DeepCopy()
	}
	return r.once(ctx)
}

// once takes the steps within the time limit and writes down what came of it.
func (r *run) once(ctx context.Context) (ctrl.Result, error) {
	requested := r.sync.Annotations[v1alpha1.AnnotationRequestedAt]
	limited, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	err := r.enter(limited)
	if err == nil {
		err = r.walk(limited)
	}
	if ctx.Err() != nil {
		return ctrl.Result{}, nil // the process ends; the next one goes on
	}
	if err != nil {
		err = r.guard(ctx, err)
	}
	r.sync.Status.LastHandledReconcileAt = requested
	r.conclusion(err)
	r.metrics.run(err)
	if err := r.save(ctx); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: r.next(err)}, nil
}

// enter finds the cluster under the identity that the spec asks for.
func (r *run) enter(ctx context.Context) error {
	if err := live.CheckIgnore(r.sync.Spec.Ignore); err != nil {
		return stalled(v1alpha1.SyncSpecInvalid, err)
	}
	identity, err := r.clusters.identity(ctx, r.sync)
	if err != nil {
		return err
	}
	if r.state.cluster, err = r.clusters.of(identity); err != nil {
		return failing(v1alpha1.SyncApplyFailed, err)
	}
	r.state.identity, r.cluster = identity.String(), r.state.cluster
	k := r.state.keeper
	k.mode(r.sync.Spec.Drift, identity.namespaced())
	k.forcing(r.sync.Spec.Force)
	if r.sync.Status.LastAppliedGeneration == r.sync.Generation {
		k.resume(r.sync.Status.LastAppliedCommit)
	} else {
		k.resume("") // with another spec the same commit may declare something else
	}
	return nil
}

// rest stops everything of a suspended sync, and leaves its status as it was.
func (r *run) rest(ctx context.Context) error {
	r.state.keeper.suspend()
	r.state.failures = 0
	r.suspended()
	return r.save(ctx)
}

// next is how long until the sync is looked at again without anybody asking.
func (r *run) next(err error) time.Duration {
	interval := r.interval()
	interval += time.Duration(rand.Int64N(int64(interval/20) + 1)) // so that syncs don't march in step
	if err == nil {
		r.state.failures = 0
		switch {
		case len(r.stale) > 0, // in a break-glass window, or held by finalizers
			r.state.keeper != nil && len(r.state.keeper.blind()) > 0: // until it may watch
			return min(interval, staleRetry)
		case r.state.healthy:
			r.state.healthTries = 0
			return interval
		}
		r.state.healthTries++
		if r.state.healthTries > 30 {
			return min(interval, healthSlow)
		}
		return min(interval, healthEvery)
	}
	var f *failure
	if errors.As(err, &f) && f.stalled {
		return interval
	} else if f != nil && f.retry > 0 {
		return min(interval, f.retry)
	}
	r.state.failures++
	return min(firstRetry<<min(r.state.failures-1, 10), longRetry)
}

// save writes the status where it differs from what is stored.
func (r *run) save(ctx context.Context) error {
	if sameStatus(&r.saved.Status, &r.sync.Status) {
		return nil
	}
	written := r.sync.DeepCopy()
	if err := r.client.Status().Patch(ctx, written, client.MergeFrom(r.saved)); err != nil {
		if apierrors.IsNotFound(err) {
			return nil // deleted meanwhile, which the next event says
		}
		return fmt.Errorf("writing the status of GitSync %s: %w", r.key, err)
	}
	r.saved = written
	r.state.mu.Lock()
	r.state.wrote = written.ResourceVersion
	r.state.mu.Unlock()
	r.sync.ResourceVersion = written.ResourceVersion // or the next patch would say that it must be the old one
	return nil
}

// state of a sync. What it had applied before this process is claimed for it.
func (l *loop) state(sync *v1alpha1.GitSync) (*state, error) {
	key := client.ObjectKeyFromObject(sync)
	l.mu.Lock()
	s := l.states[key]
	l.mu.Unlock()
	if s != nil {
		return s, nil
	}
	applied, err := entriesOf(sync.Status.Inventory)
	if err != nil {
		return nil, fmt.Errorf("GitSync %s: %w", key, err)
	}
	l.claims.seed(key, applied)
	l.mu.Lock()
	defer l.mu.Unlock()
	s = &state{keeper: l.keeping.newKeeper(key), established: map[live.Key]bool{}}
	l.states[key] = s
	return s, nil
}

// ahead says that a resourceVersion is older than the one that was written last.
func (s *state) ahead(version string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	order, known := versions(version, s.wrote)
	return known && order < 0
}

// versions compares two resourceVersions of one object: they are numbers that grow
// (Kubernetes API concepts, "Resource versions"). What is none is not known.
func versions(a, b string) (order int, known bool) {
	x, err := strconv.ParseUint(a, 10, 64)
	y, err2 := strconv.ParseUint(b, 10, 64)
	return cmp.Compare(x, y), err == nil && err2 == nil
}

// wakeUp has the next run of a sync ask the remote, whatever the interval.
func (l *loop) wakeUp(key types.NamespacedName) {
	l.mu.Lock()
	s := l.states[key]
	l.mu.Unlock()
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.woken = true
}

// forget drops what is remembered of a sync that is gone.
func (l *loop) forget(key types.NamespacedName) {
	l.mu.Lock()
	s := l.states[key]
	delete(l.states, key)
	l.mu.Unlock()
	if s != nil {
		s.keeper.stop()
	}
	l.claims.forget(key)
	l.clusters.forget(key)
	l.references.forget(key)
}

// stopAll ends every keeper, when the process does.
func (l *loop) stopAll() {
	l.mu.Lock()
	states := maps.Clone(l.states)
	l.mu.Unlock()
	for _, s := range states {
		s.keeper.stop()
	}
}
