package applier

import (
	"context"
	"errors"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// closing is a window that has ended: what it covers of this sync is looked at, and
// pulled back, before its record says how it ended.
type closing struct {
	window record.Window
	left   map[live.Key]record.Place
}

// reopen goes on with the windows that ended, and the records that were left, before
// this keeper began, or declared what it does now.
func (k *keeper) reopen() {
	k.mu.Lock()
	l := k.life
	if l == nil {
		k.mu.Unlock()
		return
	}
	for key, e := range k.kept {
		if e.applied() && len(k.watch.Unresolved(k.placeLocked(key))) > 0 {
			e.look = true
			k.enqueue(key, e, 0)
		}
	}
	k.mu.Unlock()
	k.endings.join(k)
	for key, place := range k.notKept() {
		l.group.Go(func() {
			if err := k.undeclare(l.ctx, key, place); err != nil && l.ctx.Err() == nil {
				k.log.V(1).Info("could not end the records of an object that left git, it is tried again", "object", key.String(), "error", err.Error())
			}
		})
	}
	for _, w := range k.watch.Ended() {
		l.group.Go(func() { k.close(l, w) })
	}
}

// notKept lists what a window waits for and this keeper does not keep any more.
func (k *keeper) notKept() map[live.Key]record.Place {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := map[live.Key]record.Place{}
	for _, c := range k.closings {
		for key, place := range c.left {
			if e := k.kept[key]; e == nil || e.lost {
				found[key] = place
			}
		}
	}
	return found
}

// close has everything of this sync that a window covered looked at. What was written
// inside it is known before that, so that its records end with it.
func (k *keeper) close(l *life, w record.Window) {
	if k.endings.has(w.Record, k) { // it waited for other syncs
		if err := k.finish(l.ctx, &w); err != nil && l.ctx.Err() == nil {
			k.log.V(1).Info("could not end a break-glass window, it is tried again", "record", w.Record, "error", err.Error())
		}
		return
	}
	if !k.covers(&w) {
		return
	}
	for {
		err := k.watch.Within(l.ctx, &w)
		if err == nil {
			break
		}
		k.log.V(1).Info("could not list the writes inside a break-glass window", "record", w.Record, "error", err.Error())
		select {
		case <-l.ctx.Done():
			return
		case <-k.clock.After(withinRetry):
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := k.covered(&w)
	if k.life != l || len(keys) == 0 || k.closings[w.Record] != nil || !k.waiting(w.Record) {
		return
	}
	if k.closings == nil {
		k.closings = map[string]*closing{}
	}
	c := &closing{window: w, left: map[live.Key]record.Place{}}
	k.closings[w.Record] = c
	for _, key := range keys {
		e := k.kept[key]
		c.left[key] = k.placeLocked(key)
		e.release, e.look = true, true
		k.enqueue(key, e, 0)
	}
}

// waiting says that the record of an ended window is still to be written: what was
// listed before may be over.
func (k *keeper) waiting(name string) bool {
	return slices.ContainsFunc(k.watch.Ended(), func(w record.Window) bool { return w.Record == name })
}

// covers says that a window covers something of this sync.
func (k *keeper) covers(w *record.Window) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.life != nil && len(k.covered(w)) > 0
}

// covered lists what a window covers of this sync. k.mu is held.
func (k *keeper) covered(w *record.Window) []live.Key {
	var keys []live.Key
	if w.Scope == v1alpha1.WindowObject {
		if key, ok := k.keyOf(w.Place); ok && !k.kept[key].lost {
			keys = append(keys, key)
		}
		return keys
	}
	for key, e := range k.kept {
		if !e.lost && w.Covers(k.placeLocked(key)) {
			keys = append(keys, key)
		}
	}
	return keys
}

// undeclare ends what was recorded of an object that git does not declare any more: by
// the commit that dropped it. What another sync has is that one's to end.
func (k *keeper) undeclare(ctx context.Context, key live.Key, place record.Place) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	now := k.clock.Now()
	windows := slices.DeleteFunc(k.watch.Over(place), func(w record.Window) bool { return w.OpenAt(now) })
	moved := slices.ContainsFunc(k.endings.others(k), func(other *keeper) bool { return other.keeps(key) })
	if !moved {
		for i := range windows {
			if err := k.watch.Within(ctx, &windows[i]); err != nil {
				return err
			}
		}
		if err := k.caughtUp(ctx, place, windows); err != nil {
			return err
		}
	}
	var errs []error
	for i := range windows {
		w := &windows[i]
		if !k.takeOff(key, w) {
			continue
		}
		k.endings.done(w.Record, k)
		errs = append(errs, k.finish(ctx, w))
	}
	return errors.Join(errs...)
}

// caughtUp ends the records that wait for a place which git has dropped, and says so of
// the windows over it.
func (k *keeper) caughtUp(ctx context.Context, place record.Place, windows []record.Window) error {
	k.mu.Lock()
	commit := commitOf(k.note)
	k.mu.Unlock()
	resolution := v1alpha1.Resolution{State: v1alpha1.ResolutionCommitted, Commit: commit, At: metav1.NewTime(k.clock.Now())}
	for _, open := range k.watch.Unresolved(place) {
		if slices.ContainsFunc(windows, func(w record.Window) bool { return w.Record == open.Record }) {
			continue
		}
		if err := k.records.Resolve(ctx, open.Record, resolution); err != nil {
			return err
		}
		k.watch.Forget(open.Record)
	}
	for i := range windows {
		k.endings.caughtUp(windows[i].Record, commit)
	}
	return nil
}

// takeOff takes an object off a window that waits for it, and says whether the window
// waits for nothing of this sync.
func (k *keeper) takeOff(key live.Key, w *record.Window) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.closings[w.Record]
	if c == nil {
		return len(k.covered(w)) == 0
	}
	delete(c.left, key)
	if len(c.left) > 0 {
		return false
	}
	delete(k.closings, w.Record)
	return true
}

// keeps says that this keeper has an object.
func (k *keeper) keeps(key live.Key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[key]
	return k.life != nil && e != nil && !e.lost
}

// finish ends the record of a window, once every sync of this process is done with what
// it covered. The last one does it.
func (k *keeper) finish(ctx context.Context, w *record.Window) error {
	for _, other := range k.endings.others(k) {
		if !k.endings.has(w.Record, other) && other.covers(w) {
			return nil
		}
	}
	k.mu.Lock()
	commit := commitOf(k.note)
	k.mu.Unlock()
	resolution, ok := k.endings.resolution(w.Record, commit)
	if !ok {
		return nil
	}
	resolution.At = metav1.NewTime(k.clock.Now())
	if err := k.records.Resolve(ctx, w.Record, resolution); err != nil {
		return err
	}
	k.watch.Forget(w.Record) // first: who has no ending of it asks the watch
	k.endings.forget(w.Record)
	return nil
}

// closeWith takes an object off the windows that wait for it, and ends the record of
// one that waits for no more.
func (k *keeper) closeWith(ctx context.Context, key live.Key, v verdict) error {
	over := map[*closing]record.Place{}
	k.mu.Lock()
	for name, c := range k.closings {
		place, waits := c.left[key]
		if !waits {
			continue
		}
		delete(c.left, key)
		e := k.kept[key]
		switch {
		case v.reverted:
			k.endings.pulledBack(name, commitOf(k.note))
		case e != nil && e.since.After(c.window.Opened):
			k.endings.caughtUp(name, commitOf(e.note))
		}
		if len(c.left) == 0 {
			over[c] = place
			delete(k.closings, name)
		}
	}
	k.mu.Unlock()
	var errs []error
	for c, place := range over {
		k.endings.done(c.window.Record, k)
		err := k.finish(ctx, &c.window)
		if err == nil {
			continue
		}
		errs = append(errs, err)
		k.mu.Lock()
		if k.closings != nil {
			c.left[key] = place
			k.closings[c.window.Record] = c
		}
		k.mu.Unlock()
	}
	return errors.Join(errs...)
}
