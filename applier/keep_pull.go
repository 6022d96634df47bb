package applier

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/policy"
)

// errMeanwhile: what was looked at is not so any more; it is looked at again.
var errMeanwhile = errors.New("it was written, or declared otherwise, meanwhile")

// maxSends of one correction that writes of no matter, such as a status, get in the
// way of.
const maxSends = 5

// pullBack records, then applies what is declared: one call, without rendering. The
// record comes first, since after the correction nothing shows any more what was there;
// a crash in between finds the same drift again, under the same name. It is not waited
// for longer than a second, since to leave the cluster other than declared helps nobody.
func (k *keeper) pullBack(ctx context.Context, t *task, d *difference) error {
	v := verdict{reverted: d.gone || len(d.changes) > 0, at: t.began}
	if v.reverted {
		k.noteDrift(ctx, t, d, v1alpha1.ReasonDrift, &v)
	}
	result := live.Result{State: t.now, Claim: t.own}
	if d.drift() || d.loose {
		var err error
		if result, err = k.send(ctx, t, d, &v); err != nil {
			if k.lose(t, err) {
				return nil
			}
			if errors.Is(err, errMeanwhile) {
				k.putOff(t, v)
			}
			return err
		}
	}
	if len(d.marks) > 0 {
		state, err := t.unmark(ctx, result.State)
		if err != nil {
			return err
		}
		result.State = state
	}
	k.pulledBack(t, d, result, v)
	return nil
}

// noteDrift records a difference, or counts it in the record of a fight.
func (k *keeper) noteDrift(ctx context.Context, t *task, d *difference, reason v1alpha1.Reason, v *verdict) {
	if again := k.fightRecord(t.key); again != "" {
		k.counted(ctx, again)
		v.noted = append(v.noted, again)
		return
	}
	rec := k.recordOf(t, d)
	rec.Reason, rec.Message = k.explain(t, reason)
	name, admission := k.remember(ctx, t, rec)
	v.noted = append(v.noted, name)
	if admission != nil {
		v.noted, t.admitted = append(v.noted, admission.Name), append(t.admitted, admission.Name)
	}
	k.foughtUnder(t.key, rec.Reason, name)
}

// send applies what is declared over what was looked at, and over nothing else: not
// when a newer commit is declared or a window has opened since, and not over a write
// that came since. One of a status alone is no such write.
func (k *keeper) send(ctx context.Context, t *task, d *difference, v *verdict) (live.Result, error) {
	for try := 1; ; try++ {
		if _, open := k.watch.Open(t.place); open || !k.current(t) {
			return live.Result{}, errMeanwhile
		}
		result, err := t.cluster.Apply(ctx, t.object, live.ApplyOptions{
			Force: t.force, Commit: t.note, Known: &t.now, Firm: true,
			TookOver: func(ctx context.Context, taken live.Takeover) error {
				k.noteTakeover(ctx, t, d, taken, v)
				return nil
			},
		})
		if !live.Moved(err) {
			return result, err
		}
		if still, err := k.still(ctx, t, d); err != nil || !still || try == maxSends {
			return live.Result{}, errors.Join(errMeanwhile, err)
		}
	}
}

// noteTakeover records what people wrote after the drift was recorded.
func (k *keeper) noteTakeover(ctx context.Context, t *task, d *difference, taken live.Takeover, v *verdict) {
	late := &difference{manager: taken.Manager, wrote: taken.At.Unix()}
	for _, c := range taken.Changes {
		if !markPath(c.Path) && !slices.ContainsFunc(d.changes, func(told policy.Change) bool { return reflect.DeepEqual(told, c) }) {
			late.changes = append(late.changes, c)
		}
	}
	if len(late.changes) > 0 {
		v.reverted = true
		k.noteDrift(ctx, t, late, v1alpha1.ReasonTakeover, v)
	}
}

// current says that what is about to be applied is declared still.
func (k *keeper) current(t *task) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.life != nil && k.life == t.life && k.kept[t.key] == t.entry && t.entry.object.Hash == t.object.Hash
}

// still looks again, and says whether the object differs as it did before. Which windows
// are open is known after it.
func (k *keeper) still(ctx context.Context, t *task, d *difference) (bool, error) {
	was := t.now
	found, err := t.find(ctx)
	if err != nil || found == nil || was.UID == "" {
		return false, err
	}
	if t.now = t.cluster.StateOf(found); !same(was, t.now) || t.now.Deleting {
		return false, nil
	}
	now, err := t.difference(found)
	if err != nil || len(d.changes) > 0 && !reflect.DeepEqual(d.changes, now.changes) {
		return false, err
	}
	return true, k.watch.Refresh(ctx)
}

// putOff keeps the records of a correction that was not made, for whoever brings the
// object back to git; those of the gate wait by themselves. What is declared no more
// goes, and its records end.
func (k *keeper) putOff(t *task, v verdict) {
	v.noted = slices.DeleteFunc(v.noted, func(name string) bool { return slices.Contains(t.admitted, name) })
	if len(v.noted) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch e := k.kept[t.key]; {
	case k.life == nil || k.life != t.life:
	case e == nil:
		k.life.group.Go(func() { k.settle(t.life.ctx, t.key, verdict{reverted: true, noted: v.noted}) })
	default:
		e.recorded = t.now
		e.keepNames(v.noted)
	}
}

// keepNames keeps the names of records that are to end, each once.
func (e *kept) keepNames(names []string) {
	for _, name := range names {
		if !slices.Contains(e.noted, name) {
			e.noted = append(e.noted, name)
		}
	}
}

// pulledBack takes in what the correction left.
func (k *keeper) pulledBack(t *task, d *difference, result live.Result, v verdict) {
	k.mu.Lock()
	e, l := k.kept[t.key], k.life
	if e == nil || l == nil || l != t.life {
		k.mu.Unlock()
		k.putOff(t, v)
		return
	}
	e.keepNames(v.noted)
	v.noted, e.noted = e.noted, nil
	e.release, e.moved = false, time.Time{}
	if v.reverted || d.loose {
		k.count(e)
	}
	if e == t.entry && e.object.Hash == t.object.Hash {
		if !e.applied() {
			e.since = k.clock.Now()
		}
		e.hash, e.note, e.stopped, e.claim = t.object.Hash, t.note, false, result.Claim
		if d.loose {
			e.taken = result.State
		}
		k.left(t.key, e, result.State)
	} else { // a newer commit was declared while this one was on its way
		e.look = true
		k.stir(t.key, e)
	}
	k.kick(t.key, result.Action)
	k.mu.Unlock()
	k.hold(t.key, false)
	switch {
	case d.gone:
		k.metrics.corrected(resultRecreated, k.clock.Since(t.moved))
	case v.reverted:
		k.metrics.corrected(resultCorrected, k.clock.Since(t.moved))
	}
	k.settleSoon(l, t.key, v)
}
