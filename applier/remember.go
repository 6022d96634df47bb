package applier

import (
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// settleTimeout bounds what is written about one object.
	settleTimeout = 30 * time.Second
	// settleRetry is how soon it is tried again.
	settleRetry = 3 * time.Second
	// settlePause is how long it waits at a time while there is something to correct, and
	// settleLast how long at most.
	settlePause = 20 * time.Millisecond
	settleLast  = 5 * time.Second
	// settlers is how many objects' records are ended at a time.
	settlers = 4
)

// records writes down what is not about one object.
type records struct {
	keeper *record.Keeper
	clock  interface{ Now() time.Time }
}

// rewritten records that a sync went on to a commit that the one it had applied is no
// ancestor of.
func (r records) rewritten(ctx context.Context, sync *v1alpha1.GitSync, last, commit string) error {
	d := record.Drift{
		Sync: sync.Namespace + "/" + sync.Name, Reason: v1alpha1.ReasonHistoryRewritten,
		Request: v1alpha1.RecordedRequest{
			Operation: "UPDATE", Group: v1alpha1.Group, Version: v1alpha1.GroupVersion.Version,
			Resource: "gitsyncs", Kind: "GitSync", Namespace: sync.Namespace, Name: sync.Name,
		},
		Target:  &v1alpha1.Target{UID: sync.UID},
		Changes: []record.Change{{Path: ".status.lastAppliedCommit", From: last, To: commit, HasFrom: true, HasTo: true}},
		Message: last + " is not among the ancestors of " + commit + ": the branch was force-pushed",
		Once:    true,
	}
	if h := sync.Status.History; len(h) > 0 { // the same rewriting again starts from another time
		d.Wrote = h[0].At.Time
	}
	name, err := r.keeper.Drifted(ctx, d)
	if err != nil {
		return err
	}
	return r.keeper.Resolve(ctx, name, v1alpha1.Resolution{
		State: v1alpha1.ResolutionCommitted, Commit: commit, At: metav1.NewTime(r.clock.Now()),
	})
}

// tookOver records what one manager loses of an object before the run takes it. An
// error stops that.
func (k *keeper) tookOver(ctx context.Context, taken live.Takeover) error {
	d := &difference{manager: taken.Manager, wrote: taken.At.Unix()}
	for _, c := range taken.Changes {
		if !markPath(c.Path) {
			d.changes = append(d.changes, c)
		}
	}
	key := taken.Ref.Key
	k.mu.Lock()
	e := k.kept[key]
	if e == nil || len(d.changes) == 0 || e.recorded.UID != "" && same(e.recorded, taken.State) {
		k.mu.Unlock()
		return nil // what is taken is as git declares it, or is recorded
	}
	t := &task{key: key, place: k.placeLocked(key), cluster: k.cluster, object: e.object, now: taken.State, commit: commitOf(k.note)}
	k.mu.Unlock()
	rec := k.recordOf(t, d)
	rec.Reason, rec.Message = v1alpha1.ReasonTakeover, "taken over by GitSync "+k.sync.String()+" at "+t.commit
	limited, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	var err error
	if rec.Admission, err = k.admitted(limited, &rec, taken.Manager); err != nil {
		return err
	}
	name, err := k.records.Drifted(ctx, rec)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e.keepNames([]string{name})
	return nil
}

// admitted is the record under which the gate let in what is taken over: of the write
// that changed it, or of its creation by the same manager.
func (k *keeper) admitted(ctx context.Context, d *record.Drift, manager string) (*v1alpha1.ChangeRecord, error) {
	found, err := k.watch.Admission(ctx, d)
	if err != nil || found != nil {
		return found, err
	}
	created := *d
	created.Request.Operation = "CREATE"
	if found, err = k.watch.Admission(ctx, &created); err != nil || found == nil || found.Spec.Request.FieldManager != manager {
		return nil, err
	}
	return found, nil
}

// verdict is what a look at an object came to: it matches git.
type verdict struct {
	at       time.Time // when it was looked at: what was admitted later is not judged
	reverted bool      // something was pulled back
	noted    []string  // records that say so
}

// settleSoon ends records apart from the correction, which is not to wait for it.
func (k *keeper) settleSoon(l *life, key live.Key, v verdict) {
	if len(v.noted) == 0 && !k.noted(key) && len(k.watch.Unresolved(k.placeOf(key))) == 0 && !k.closes(key) {
		return
	}
	l.group.Go(func() {
		if l.idle() {
			k.settle(l.ctx, key, v)
			<-l.settling
		}
	})
}

// idle waits for a turn to end records: corrections come first, for a while. The turn
// is given back by taking one from l.settling; false: the life is over.
func (l *life) idle() bool {
	select {
	case l.settling <- struct{}{}:
	case <-l.ctx.Done():
		return false
	}
	for waited := time.Duration(0); waited < settleLast && l.queue.Len() > 0; waited += settlePause {
		select {
		case <-time.After(settlePause):
		case <-l.ctx.Done():
			return false
		}
	}
	return true
}

func (k *keeper) closes(key live.Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.closings {
		if _, waits := c.left[key]; waits {
			return true
		}
	}
	return false
}

// noted says that there are records to end of an object that is applied.
func (k *keeper) noted(key live.Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[key]
	return e != nil && e.applied() && len(e.noted) > 0
}

// takeNoted takes the records to end that were kept with an object. Of one that is yet
// to be applied they are not: what they tell of is yet to be pulled back.
func (k *keeper) takeNoted(key live.Key) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[key]
	if e == nil || !e.applied() {
		return nil
	}
	names := e.noted
	e.noted = nil
	return names
}

// noteAgain keeps the records that could not be ended.
func (k *keeper) noteAgain(key live.Key, names []string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[key]; e != nil {
		e.noted = append(e.noted, names...)
	}
}

// settle ends the records of an object that matches git again.
func (k *keeper) settle(ctx context.Context, key live.Key, v verdict) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	k.mu.Lock()
	reverted := v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, Commit: commitOf(k.note), At: metav1.NewTime(k.clock.Now())}
	k.mu.Unlock()
	err := k.settleNoted(ctx, key, v, reverted)
	young, err2 := k.settleOpen(ctx, key, v, reverted)
	err = errors.Join(err, err2, k.closeWith(ctx, key, v))
	if err != nil && ctx.Err() == nil {
		k.log.V(1).Info("could not end the records of an object, it is tried again", "object", key.String(), "error", err.Error())
	}
	if err != nil || young {
		k.lookAgain(key, settleRetry)
	}
}

// settleNoted ends the records of what was pulled back. What can't be ended now is kept
// with the object.
func (k *keeper) settleNoted(ctx context.Context, key live.Key, v verdict, reverted v1alpha1.Resolution) error {
	var errs []error
	var left []string
	for _, name := range append(slices.Clone(v.noted), k.takeNoted(key)...) {
		if err := k.records.Resolve(ctx, name, reverted); err != nil {
			errs, left = append(errs, err), append(left, name)
			continue
		}
		k.watch.Forget(name)
	}
	k.noteAgain(key, left)
	return errors.Join(errs...)
}

// settleOpen ends the records that wait for the object. The one that opened a window on
// a namespace waits for all that it covers.
func (k *keeper) settleOpen(ctx context.Context, key live.Key, v verdict, reverted v1alpha1.Resolution) (young bool, err error) {
	var errs []error
	place := k.placeOf(key)
	over := k.watch.Over(place)
	for _, open := range k.watch.Unresolved(place) {
		if slices.ContainsFunc(over, func(w record.Window) bool { return w.Record == open.Record && w.Scope == v1alpha1.WindowNamespace }) {
			continue
		}
		if open.Seen.After(v.at.Add(-settleAfter)) {
			young = true // its write may not be stored yet
			continue
		}
		resolution, err := k.judge(ctx, key, &open, reverted)
		if err == nil {
			err = k.records.Resolve(ctx, open.Record, resolution)
		}
		errs = append(errs, err)
		if err == nil {
			k.watch.Forget(open.Record)
		}
	}
	return young, errors.Join(errs...)
}

// lookAgain has an object looked at though nothing seems to have moved.
func (k *keeper) lookAgain(key live.Key, after time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[key]; e != nil {
		e.look = true
		k.enqueue(key, e, after)
	}
}

// judge says how a record's target came to match git: by a commit since, which declares
// what the record's write had set, or by being pulled back.
func (k *keeper) judge(ctx context.Context, key live.Key, open *record.Open, reverted v1alpha1.Resolution) (v1alpha1.Resolution, error) {
	k.mu.Lock()
	e := k.kept[key]
	if e == nil || !e.since.After(open.Seen) {
		k.mu.Unlock()
		return reverted, nil
	}
	object, commit := e.object, commitOf(e.note)
	k.mu.Unlock()
	content, err := object.Content()
	if err != nil {
		return reverted, err
	}
	same, err := k.records.Declares(ctx, open.Record, func(path string) (any, bool) { return live.Field(content, path) })
	if err != nil || !same {
		return reverted, err
	}
	return v1alpha1.Resolution{State: v1alpha1.ResolutionCommitted, Commit: commit, At: reverted.At}, nil
}
