package applier

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/live"
)

// step is one part of the way of a commit.
type step struct {
	name string
	do   func(*run, context.Context) error
}

// steps in the order in which they are taken. The first error ends the run.
func steps() []step {
	return []step{
		{"fetch", (*run).fetch},
		{"verify", (*run).verify},
		{"render", (*run).render},
		{"depend", (*run).depend},
		{"prepare", (*run).prepare},
		{"takeStock", (*run).takeStock},
		{"apply", (*run).apply},
		{"prune", (*run).prune},
		{"conclude", (*run).conclude},
		{"health", (*run).health},
	}
}

// run is one way from git to the cluster. What a step finds, the next ones use.
type run struct {
	*loop
	key   types.NamespacedName
	sync  *v1alpha1.GitSync // ours to change: its status is written at the end
	saved *v1alpha1.GitSync // as it is stored
	state *state
	log   logr.Logger

	cluster    *live.Cluster
	repository *git.Repository
	revision   git.Revision
	commit     git.Commit
	verified   git.Verified
	folder     *desired.Set // what the folder declares; nil when it is prepared already
	basis      [sha256.Size]byte
	objects    []live.Object
	stale      []live.Ref                       // applied once, not declared any more
	fresh      map[string]bool                  // ids that this run put into the inventory
	listed     map[kind]map[live.Key]live.State // by kinds of which many objects are new
	tally      tally
}

// tally counts what a run did.
type tally struct {
	created, configured, unchanged, recreated, pruned, leaving, held int
	failed                                                           []failed
}

// failed is one object that could not be applied or pruned.
type failed struct {
	key live.Key
	err error
}

// failure is why a run ended. Its zero value retries with backoff.
type failure struct {
	reason string // of the condition Ready
	err    error
	// stalled says that no further try will help: somebody must change the spec, the
	// commit, or what is referred to. The remote is still asked at the interval.
	stalled bool
	// retry after this long; 0: with backoff.
	retry time.Duration
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// failing is a failure that may pass by itself.
func failing(reason string, err error) error { return &failure{reason: reason, err: err} }

// stalled is a failure that won't.
func stalled(reason string, err error) error {
	return &failure{reason: reason, err: err, stalled: true}
}

// walk takes the steps.
func (r *run) walk(ctx context.Context) error {
	for _, s := range steps() {
		began := r.clock.Now()
		r.log.V(1).Info("taking a step", "step", s.name)
		err := s.do(r, ctx)
		r.metrics.step(s.name, r.clock.Since(began))
		if err != nil {
			return r.explain(ctx, s.name, err)
		}
	}
	return nil
}

// explain makes any error a failure, with the time limit named where it is to blame.
func (r *run) explain(ctx context.Context, step string, err error) *failure {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &failure{reason: v1alpha1.SyncTimedOut,
			err: fmt.Errorf("the run took longer than spec.timeout (%s), at step %s: %w", r.timeout(), step, err)}
	}
	var f *failure
	if errors.As(err, &f) {
		return f
	}
	return &failure{reason: v1alpha1.SyncApplyFailed, err: err}
}

func (r *run) timeout() time.Duration {
	if t := r.sync.Spec.Timeout; t != nil {
		return t.Duration
	}
	return defaultTimeout
}

func (r *run) interval() time.Duration {
	if t := r.sync.Spec.Interval; t != nil {
		return t.Duration
	}
	return defaultInterval
}

// Defaults of the spec, for syncs that were stored without them.
const (
	defaultTimeout  = 5 * time.Minute
	defaultInterval = time.Minute
)
