package record

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// When an admitted write is looked for.
const (
	firstLook = 2 * time.Second
	lastLook  = 30 * time.Second
	// lookTimeout bounds one look, resumeEvery is when records are listed again
	// after there were too many to hold.
	lookTimeout = 10 * time.Second
	resumeEvery = 10 * time.Minute
	// giveUpLooking ends it when the API server does not answer.
	giveUpLooking = time.Hour
)

// Follower looks whether what was admitted was stored, by two live reads of
// the target's metadata: a later webhook, a conflict or a quota may have
// stopped it. It moves status.phase, and nothing else.
type Follower struct {
	Store    Store
	Metadata metadata.Interface
	Clock    clock.WithTicker // nil: the real one
	Workers  int              // looks at the same time; 0: 4
	MaxQueue int              // records held in memory; 0: 16384

	once       sync.Once
	queue      workqueue.TypedDelayingInterface[look]
	mu         sync.Mutex
	held       map[look]struct{} // what waits in the queue
	overflowed atomic.Bool
}

// look is one look to take.
type look struct {
	name string
	last bool
}

func (f *Follower) init() {
	f.once.Do(func() {
		if f.Clock == nil {
			f.Clock = clock.RealClock{}
		}
		if f.Workers == 0 {
			f.Workers = 4
		}
		if f.MaxQueue == 0 {
			f.MaxQueue = 16384
		}
		f.held = map[look]struct{}{}
		f.queue = workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[look]{Clock: f.Clock})
	})
}

// Follow looks for the record's target in two seconds, and, if that is not
// clear, again thirty seconds after.
func (f *Follower) Follow(name string) {
	f.init()
	f.add(look{name: name}, firstLook)
}

func (f *Follower) add(l look, after time.Duration) {
	if f.hold(l) {
		f.queue.AddAfter(l, after)
	}
}

// hold makes room for a look; false says that there is none, or that it is to be taken
// anyway: each try of a request that conflicts asks for the same one.
func (f *Follower) hold(l look) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, waits := f.held[l]; waits {
		return false
	}
	if len(f.held) >= f.MaxQueue {
		f.overflowed.Store(true) // found again by listing
		return false
	}
	f.held[l] = struct{}{}
	return true
}

func (f *Follower) letGo(l look) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.held, l)
}

// Run follows until ctx ends. It goes on with what an earlier process left.
func (f *Follower) Run(ctx context.Context) error {
	f.init()
	var workers sync.WaitGroup
	for range f.Workers {
		workers.Go(func() { f.work(ctx) })
	}
	workers.Go(func() { f.resumeAlways(ctx) })
	<-ctx.Done()
	f.queue.ShutDown()
	workers.Wait()
	return nil
}

// Start is [Follower.Run] under the name that a manager calls it by.
func (f *Follower) Start(ctx context.Context) error { return f.Run(ctx) }

// NeedLeaderElection says that it runs on every replica: each follows what it
// has admitted.
func (f *Follower) NeedLeaderElection() bool { return false }

func (f *Follower) work(ctx context.Context) {
	for {
		l, stopped := f.queue.Get()
		if stopped {
			return
		}
		f.letGo(l)
		if again, err := f.look(ctx, l); err != nil || again {
			if err != nil && ctx.Err() == nil {
				logf.FromContext(ctx).V(1).Info("could not look for an admitted write", "record", l.name, "error", err.Error())
			}
			f.add(look{name: l.name, last: true}, lastLook)
		}
		f.queue.Done(l)
	}
}

// look takes one look; again asks for another.
func (f *Follower) look(ctx context.Context, l look) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	rec := &v1alpha1.ChangeRecord{}
	if err := f.Store.Get(ctx, client.ObjectKey{Name: l.name}, rec); err != nil {
		if gone(err) {
			return !l.last, nil // perhaps only late
		}
		return true, err
	}
	if rec.Status.Count == 0 {
		if err := f.fillIn(ctx, rec); err != nil {
			return !gone(err), err
		}
	}
	if !undecided(rec) || !leavesTrace(rec.Spec.Request) {
		return false, nil
	}
	age := f.Clock.Since(Seen(rec))
	seen := reading{last: l.last, late: age > lateAfter}
	if seen.object, err = f.read(ctx, rec); err != nil && age < giveUpLooking {
		return true, err
	}
	phase := decidePhase(rec, seen)
	if err != nil {
		phase = v1alpha1.PhaseUnconfirmed
	}
	if phase == "" {
		return true, nil
	}
	_, err = patchStatus(ctx, f.Store, l.name, rec, func(rec *v1alpha1.ChangeRecord) bool {
		if !undecided(rec) {
			return false
		}
		rec.Status.Phase = phase
		return true
	})
	return err != nil && !gone(err), err
}

// fillIn writes the first status of a record whose writer did not live to do it. It
// stands in no replica's name, so that one that was only late counts as it would have.
func (f *Follower) fillIn(ctx context.Context, rec *v1alpha1.ChangeRecord) error {
	filled, err := patchStatus(ctx, f.Store, rec.Name, rec.DeepCopy(), func(rec *v1alpha1.ChangeRecord) bool {
		if rec.Status.Count > 0 {
			return false
		}
		at := metav1.NewMicroTime(Seen(rec))
		rec.Status.Count, rec.Status.Phase, rec.Status.FirstSeen, rec.Status.LastSeen = 1, PhaseOf(rec), at, at
		return true
	})
	if err == nil {
		*rec = *filled
	}
	return err
}

// read reads the metadata of a record's target, live; nil says that there is
// none. Of a subresource it is the object that it belongs to.
func (f *Follower) read(ctx context.Context, rec *v1alpha1.ChangeRecord) (*metav1.PartialObjectMetadata, error) {
	name := TargetName(rec)
	if name == "" {
		return nil, nil
	}
	r := rec.Spec.Request
	resource := f.Metadata.Resource(schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource})
	var (
		object *metav1.PartialObjectMetadata
		err    error
	)
	if r.Namespace == "" || isNamespace(r) {
		object, err = resource.Get(ctx, name, metav1.GetOptions{})
	} else {
		object, err = resource.Namespace(r.Namespace).Get(ctx, name, metav1.GetOptions{})
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s/%s: %w", r.Resource, r.Namespace, name, err)
	}
	return object, nil
}

// resumeAlways lists what is open at the start, and again whenever there was
// too much to hold.
func (f *Follower) resumeAlways(ctx context.Context) {
	ticker := f.Clock.NewTicker(resumeEvery)
	defer ticker.Stop()
	f.overflowed.Store(true)
	for {
		if f.overflowed.Swap(false) {
			if err := f.resume(ctx); err != nil {
				f.overflowed.Store(true)
				logf.FromContext(ctx).Error(err, "could not list the records that are to be followed")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
	}
}

// resume takes the last look for whatever is still open, and the first for what was
// not even counted.
func (f *Follower) resume(ctx context.Context) error {
	for _, outcome := range []v1alpha1.Outcome{v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass} {
		err := pages(ctx, f.Store, client.MatchingLabels{v1alpha1.LabelOutcome: string(outcome)}, func(rec *v1alpha1.ChangeRecord) {
			age := f.Clock.Since(Seen(rec))
			if rec.Status.Count == 0 {
				f.add(look{name: rec.Name}, max(firstLook-age, 0))
				return
			}
			if !undecided(rec) || !leavesTrace(rec.Spec.Request) {
				return
			}
			f.add(look{name: rec.Name, last: true}, max(lastLook-age, 0))
		})
		if err != nil {
			return err
		}
	}
	return nil
}
