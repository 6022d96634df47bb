package applier

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// More than fightCount corrections of one object in fightSpan are a fight. From then on
// it is corrected ever less often, down to once in fightMost, until it was quiet for
// longer than the pause.
const (
	fightCount = 5
	fightSpan  = time.Minute
	fightFirst = 10 * time.Second
	fightMost  = 5 * time.Minute
)

// fight is how often an object was corrected of late.
type fight struct {
	times  []time.Time   // of the last corrections, oldest first, at most fightCount
	on     bool          // it is a fight
	pause  time.Duration // until the next correction
	until  time.Time     // not before
	record string        // of the fight
}

// pause says how long an object must wait for its correction; 0: it needs not. Of a
// fight that begins people are told.
func (k *keeper) pause(t *task, d *difference) time.Duration {
	if !d.drift() && !d.loose {
		return 0
	}
	k.mu.Lock()
	e := k.kept[t.key]
	if e == nil || e.fight == nil {
		k.mu.Unlock()
		return 0
	}
	now, f := k.clock.Now(), e.fight
	f.times = slices.DeleteFunc(f.times, func(at time.Time) bool { return now.Sub(at) >= fightSpan })
	begun := false
	switch {
	case f.on && now.Sub(f.until) > max(f.pause, fightSpan):
		k.calm(e) // it was quiet for long
	case !f.on && len(f.times) >= fightCount:
		begun = true
		f.on, f.pause, f.until = true, fightFirst, now.Add(fightFirst)
		k.metrics.fight(1)
	}
	wait := f.until.Sub(now)
	if e.fight == nil || wait <= 0 {
		k.mu.Unlock()
		return 0
	}
	e.look = true
	k.enqueue(t.key, e, wait)
	until := f.until
	k.mu.Unlock()
	if begun {
		k.metrics.corrected(resultFought, 0)
		k.log.Info("somebody keeps writing what is pulled back, so that is done less often", "object", t.key.String(), "manager", d.manager, "until", until)
		if k.fought != nil {
			k.fought(k.sync, t.key, until)
		}
	}
	return wait
}

// count counts a correction. k.mu is held.
func (k *keeper) count(e *kept) {
	if e.fight == nil {
		e.fight = &fight{}
	}
	f, now := e.fight, k.clock.Now()
	if f.times = append(f.times, now); len(f.times) > fightCount {
		f.times = slices.Delete(f.times, 0, len(f.times)-fightCount)
	}
	if f.on {
		f.pause = min(2*f.pause, fightMost)
		f.until = now.Add(f.pause)
	}
}

// quiet ends a fight that is over by its time. k.mu is held.
func (k *keeper) quiet(e *kept) {
	f, now := e.fight, k.clock.Now()
	if f == nil {
		return
	}
	f.times = slices.DeleteFunc(f.times, func(at time.Time) bool { return now.Sub(at) >= fightSpan })
	if f.on && now.Sub(f.until) > max(f.pause, fightSpan) || !f.on && len(f.times) == 0 {
		k.calm(e)
	}
}

// calm forgets what was counted, before an object is forgotten or when it was quiet.
// k.mu is held.
func (k *keeper) calm(e *kept) {
	if e.fight != nil && e.fight.on {
		k.metrics.fight(-1)
	}
	e.fight = nil
	if e.held {
		k.metrics.hold(-1)
		e.held = false
	}
}

// explain is the reason of a record, and what it says for people.
func (k *keeper) explain(t *task, reason v1alpha1.Reason) (v1alpha1.Reason, string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[t.key]; e != nil && e.fight != nil && e.fight.on {
		return v1alpha1.ReasonFight, fmt.Sprintf("pulled back to %s more than %d times in a minute; it is corrected less often from now on, and counted here", t.commit, fightCount)
	}
	return reason, "pulled back to " + t.commit
}

// fightRecord is the record in which the corrections of a fight are counted; "": there
// is none.
func (k *keeper) fightRecord(key live.Key) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[key]; e != nil && e.fight != nil && e.fight.on {
		return e.fight.record
	}
	return ""
}

// foughtUnder keeps the name of a fight's record.
func (k *keeper) foughtUnder(key live.Key, reason v1alpha1.Reason, name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[key]; e != nil && e.fight != nil && reason == v1alpha1.ReasonFight {
		e.fight.record = name
	}
}

// counted adds to a fight's record.
func (k *keeper) counted(ctx context.Context, name string) {
	if err := k.records.Again(ctx, name); err != nil {
		k.log.V(1).Info("could not count a correction", "record", name, "error", err.Error())
	}
}
