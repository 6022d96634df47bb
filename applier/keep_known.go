package applier

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// applied takes in what an apply of the run returned, so that its echo in the watch is
// not taken for somebody's write.
func (k *keeper) applied(o *live.Object, r live.Result) {
	k.mu.Lock()
	e := k.kept[o.Key]
	if e == nil || k.life == nil {
		k.mu.Unlock()
		return
	}
	if e.hash != o.Hash {
		e.since = k.clock.Now()
	}
	e.hash, e.note, e.stopped, e.lost = o.Hash, cmp.Or(r.State.Commit, k.note), false, false
	e.claim, e.taken, e.recorded = r.Claim, live.State{}, live.State{}
	k.left(o.Key, e, r.State)
	noted := e.noted
	e.noted = nil
	l := k.life
	k.mu.Unlock()
	k.settleSoon(l, o.Key, verdict{reverted: len(noted) > 0, at: k.clock.Now(), noted: noted})
}

// left remembers the state in which we left an object, unless somebody has written it
// since. k.mu is held.
func (k *keeper) left(key live.Key, e *kept, s live.State) {
	e.state = s
	if newer(s, e.seen) || same(s, e.seen) {
		e.seen = s
		k.calmed(e)
		return
	}
	k.stir(key, e)
}

// calmed: the object is as we left it. k.mu is held.
func (k *keeper) calmed(e *kept) {
	e.moved, e.drifted, e.release = time.Time{}, false, false
}

// same says that no declared field can have changed between two states.
func same(a, b live.State) bool { return a.UID == b.UID && a.Hold == b.Hold }

// newer says that a is of the same object as b, and not before it.
func newer(a, b live.State) bool {
	if b.UID == "" {
		return true
	}
	order, known := versions(a.ResourceVersion, b.ResourceVersion)
	return a.UID != "" && known && order >= 0
}

// unchanged says that the object is applied as it is declared: what others do to it is
// the keeper's, and the run needs no call. Where nobody tells what they do it does.
func (k *keeper) unchanged(o *live.Object) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[o.Key]
	return e != nil && e.hash == o.Hash && !e.lost && k.life != nil && !k.unwatched(o.Key)
}

// known is what was seen of an object last.
func (k *keeper) known(key live.Key) (live.State, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[key]
	if e == nil || e.seen.UID == "" || k.unwatched(key) {
		return live.State{}, false
	}
	return e.seen, true
}

// suspect says that somebody else wrote an object, or that nobody would tell, and that
// the open windows were not asked for since: what is written in a window is written
// after its record. mark is what has been asked for then.
func (k *keeper) suspect(key live.Key) (mark uint64, is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[key]
	if e == nil {
		return k.writes, false
	}
	if k.unwatched(key) {
		return k.writes, k.round > k.asked
	}
	s := &e.seen
	wrote := s.UID != "" && (s.People || s.Stamped || s.Deleting || s.Held == 0 || s.Wrote > s.Held)
	left := e.state.UID != "" && !same(*s, e.state)
	return k.writes, (wrote || left) && e.told > k.asked
}

// windowsAsked notes that the open windows are known, as of the mark.
func (k *keeper) windowsAsked(mark uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = max(k.asked, mark)
}

// expect forgets an object that the run is about to delete.
func (k *keeper) expect(key live.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.kept[key]; e != nil {
		k.calm(e)
		delete(k.kept, key)
	}
}

// activity counts what was seen to happen to the declared objects.
func (k *keeper) activity() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.events
}

// drifted lists what differs from git and is only reported, in order.
func (k *keeper) drifted() []live.Key {
	return k.those(func(e *kept) bool { return e.drifted })
}

// fights lists the objects that somebody else keeps writing, in order.
func (k *keeper) fights() []live.Key {
	return k.those(func(e *kept) bool { return e.fight != nil && e.fight.on })
}

func (k *keeper) those(is func(*kept) bool) []live.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	var keys []live.Key
	for key, e := range k.kept {
		if is(e) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b live.Key) int { return strings.Compare(a.String(), b.String()) })
	return keys
}

// placeOf is where records find an object.
func (k *keeper) placeOf(key live.Key) record.Place {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.placeLocked(key)
}

func (k *keeper) placeLocked(key live.Key) record.Place {
	p := record.Place{Group: key.Group, Resource: k.resources[groupKind(key)].Resource, Namespace: key.Namespace, Name: key.Name}
	if isNamespace(key) {
		p.Namespace = key.Name
	}
	return p
}
