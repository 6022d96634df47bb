package applier

import (
	"context"
	"errors"
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
	}
	name, err := r.keeper.Drifted(ctx, d)
	if err != nil {
		return err
	}
	return r.keeper.Resolve(ctx, name, v1alpha1.Resolution{
		State: v1alpha1.ResolutionCommitted, Commit: commit, At: metav1.NewTime(r.clock.Now()),
	})
}

// tookOver records what people own of an object before the run takes it from them. An
// error stops that.
func (k *keeper) tookOver(ctx context.Context, taken live.Takeover) error {
	k.mu.Lock()
	e := k.kept[taken.Ref.Key]
	if e == nil {
		k.mu.Unlock()
		return nil
	}
	t := &task{key: taken.Ref.Key, place: k.placeLocked(taken.Ref.Key), cluster: k.cluster, object: e.object, now: e.seen, commit: commitOf(k.note)}
	k.mu.Unlock()
	found, err := t.find(ctx)
	if err != nil || found == nil {
		return err
	}
	t.now = t.cluster.StateOf(found)
	d, err := t.difference(found)
	if err != nil || len(d.changes) == 0 {
		return err // what is taken is as git declares it, so nobody loses anything
	}
	d.manager, d.wrote = taken.Manager, taken.At.Unix()
	rec := k.recordOf(t, d)
	rec.Reason, rec.Message = v1alpha1.ReasonTakeover, "taken over by GitSync "+k.sync.String()+" at "+t.commit
	limited, cancel := context.WithTimeout(ctx, admissionTimeout)
	defer cancel()
	if rec.Admission, err = k.watch.Admission(limited, &rec); err != nil {
		return err
	}
	name, err := k.records.Drifted(ctx, rec)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	e.noted = append(e.noted, name)
	return nil
}

// verdict is what a look at an object came to: it matches git.
type verdict struct {
	at       time.Time // when it was looked at: what was admitted later is not judged
	reverted bool      // something was pulled back
	noted    []string  // records that say so
}

// settleSoon ends records apart from the correction, which is not to wait for it.
func (k *keeper) settleSoon(l *life, key live.Key, v verdict) {
	if len(v.noted) == 0 && len(k.watch.Unresolved(k.placeOf(key))) == 0 && !k.closes(key) {
		return
	}
	l.group.Go(func() { k.settle(l.ctx, key, v) })
}

func (k *keeper) closes(key live.Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.closings {
		if c.left[key] {
			return true
		}
	}
	return false
}

// settle ends the records of an object that matches git again.
func (k *keeper) settle(ctx context.Context, key live.Key, v verdict) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	var errs []error
	young := false
	now := metav1.NewTime(k.clock.Now())
	k.mu.Lock()
	reverted := v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, Commit: commitOf(k.note), At: now}
	k.mu.Unlock()
	for _, name := range v.noted {
		err := k.records.Resolve(ctx, name, reverted)
		errs = append(errs, err)
		if err == nil {
			k.watch.Forget(name)
		}
	}
	for _, open := range k.watch.Unresolved(k.placeOf(key)) {
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
	errs = append(errs, k.closeWith(ctx, key, v, reverted))
	err := errors.Join(errs...)
	if err != nil && ctx.Err() == nil {
		k.log.V(1).Info("could not end the records of an object, it is tried again", "object", key.String(), "error", err.Error())
	}
	if err != nil || young {
		k.lookAgain(key, settleRetry)
	}
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

// closeWith takes an object off the windows that wait for it, and ends the record of
// one that waits for no more.
func (k *keeper) closeWith(ctx context.Context, key live.Key, v verdict, reverted v1alpha1.Resolution) error {
	var over []*closing
	k.mu.Lock()
	for name, c := range k.closings {
		if !c.left[key] {
			continue
		}
		delete(c.left, key)
		c.reverted = c.reverted || v.reverted
		if e := k.kept[key]; e != nil && !v.reverted && e.since.After(c.window.Opened) {
			c.caught = commitOf(e.note)
		}
		if len(c.left) == 0 {
			over = append(over, c)
			delete(k.closings, name)
		}
	}
	k.mu.Unlock()
	var errs []error
	for _, c := range over {
		resolution := reverted
		if !c.reverted && c.caught != "" {
			resolution.State, resolution.Commit = v1alpha1.ResolutionCommitted, c.caught
		}
		if err := k.records.Resolve(ctx, c.window.Record, resolution); err != nil {
			errs = append(errs, err)
			k.mu.Lock()
			if k.closings != nil {
				c.left[key] = true
				k.closings[c.window.Record] = c
			}
			k.mu.Unlock()
			continue
		}
		k.watch.Forget(c.window.Record)
	}
	return errors.Join(errs...)
}
