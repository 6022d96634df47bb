package applier

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// retryFirst and retryMost bound the pause before an object that could not be
	// corrected is tried again.
	retryFirst = 100 * time.Millisecond
	retryMost  = time.Minute
	// tendTimeout bounds one try.
	tendTimeout = 30 * time.Second
)

// task is one look at one object, with what was known of it when the look began.
type task struct {
	key     live.Key
	life    *life
	entry   *kept
	place   record.Place
	cluster *live.Cluster
	object  *live.Object
	state   live.State // as we left it
	claim   live.Claim // what we owned of it then
	own     live.Claim // what we own of it now
	taken   live.State // where to take hold of it again did not help
	now     live.State // as it is; the zero value: gone
	note    string
	commit  string
	moved   time.Time // when it was noticed
	began   time.Time
	applied bool // before: what differs is not for the run to apply
	release bool
	correct bool
	force   bool

	admitted []string // the gate's records of what was found
}

// work looks at what was noticed, one object after the other.
func (k *keeper) work(l *life) {
	for {
		key, stopped := l.queue.Get()
		if stopped {
			return
		}
		ctx, cancel := context.WithTimeout(l.ctx, tendTimeout)
		err := k.tend(ctx, key)
		cancel()
		switch {
		case l.ctx.Err() != nil:
		case err == nil:
			l.queue.Forget(key)
		case errors.Is(err, errMeanwhile):
			k.again(key)
			l.queue.AddRateLimited(key)
		default:
			k.log.V(1).Info("could not correct an object, it is tried again", "object", key.String(), "error", err.Error())
			k.metrics.corrected(resultFailed, 0)
			k.again(key)
			l.queue.AddRateLimited(key)
		}
		l.queue.Done(key)
	}
}

// again has the next try look even where nothing seems to have moved.
func (k *keeper) again(key live.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[key]; e != nil {
		e.look = true
	}
}

// tend looks at one object, and pulls it back if it is not as git declares it, unless a
// break-glass window covers it.
func (k *keeper) tend(ctx context.Context, key live.Key) error {
	defer k.lock(key)()
	t := k.task(key)
	if t == nil {
		return nil
	}
	if _, open := k.watch.Open(t.place); open {
		k.hold(key, true)
		return nil
	}
	found, err := t.find(ctx)
	if err != nil {
		return err
	}
	if found != nil {
		if t.now = t.cluster.StateOf(found); t.now.Deleting {
			return nil // when it is gone, the watch says so
		}
	}
	d, err := t.difference(found)
	if err != nil {
		return err
	}
	if err := t.confirm(ctx, d, found); err != nil {
		return err
	}
	if !d.drift() && !d.loose && len(d.marks) == 0 {
		k.fine(t)
		return nil
	}
	// What is written in a window is written after its record: who asks now knows it.
	if err := k.watch.Refresh(ctx); err != nil {
		return err
	}
	if _, open := k.watch.Open(t.place); open {
		k.hold(key, true)
		return nil
	}
	if !t.correct && d.drift() {
		return k.report(ctx, t, d)
	}
	if !t.correct && !d.loose {
		return nil
	}
	if wait := k.pause(t, d); wait > 0 {
		return nil
	}
	return k.pullBack(ctx, t, d)
}

// task takes down what is known; nil says that there is nothing to do.
func (k *keeper) task(key live.Key) *task {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[key]
	if e == nil || k.life == nil || e.lost || !e.applied() && !e.release {
		return nil
	}
	if !e.look && !e.release && same(e.seen, e.state) && e.seen.UID != "" {
		k.calmed(e)
		return nil
	}
	t := &task{
		key: key, life: k.life, entry: e, claim: e.claim, taken: e.taken, place: k.placeLocked(key), cluster: k.cluster, object: e.object, state: e.state, now: e.seen,
		note: e.note, commit: commitOf(k.note), moved: e.moved, began: k.clock.Now(),
		applied: e.applied(), release: e.release, correct: k.correct, force: k.force,
	}
	if !e.applied() || t.note == "" {
		t.note = k.note
	}
	if t.moved.IsZero() {
		t.moved = t.began
	}
	e.look = false
	return t
}

// find reads the object; nil when it is gone. A watch by our mark tells of a mark that
// was stripped as of a deletion, so that is not believed.
func (t *task) find(ctx context.Context) (*unstructured.Unstructured, error) {
	found, err := t.cluster.Get(ctx, t.object.Ref)
	if apierrors.IsNotFound(err) {
		t.now = live.State{}
		return nil, nil
	}
	return found, err
}

// fine: the object is as git declares it, whoever wrote it.
func (k *keeper) fine(t *task) {
	k.mu.Lock()
	e := k.kept[t.key]
	if e == nil || e.object != t.object || k.life == nil {
		k.mu.Unlock()
		return
	}
	if !e.applied() {
		e.hash, e.note, e.since = e.object.Hash, t.note, k.clock.Now()
	}
	k.quiet(e)
	e.stopped, e.claim = false, t.own
	k.left(t.key, e, t.now)
	noted := e.noted
	e.noted = nil
	l := k.life
	k.mu.Unlock()
	k.hold(t.key, false)
	k.settleSoon(l, t.key, verdict{at: t.began, reverted: len(noted) > 0, noted: noted})
}

// lose stops keeping an object that another sync has: the run says so, and tries to
// apply it again.
func (k *keeper) lose(t *task, err error) bool {
	var conflict *live.ConflictError
	if !errors.As(err, &conflict) {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[t.key]; e != nil {
		e.lost, e.hash = true, [32]byte{}
	}
	k.log.Info("an object that is declared here belongs to another sync", "object", t.key.String(), "other", conflict.Sync)
	return true
}
