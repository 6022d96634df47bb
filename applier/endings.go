package applier

import (
	"slices"
	"sync"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// endings is what the keepers of this process did about windows that have ended: a
// window on a namespace may cover objects of many syncs, and its record ends once. A
// keeper's lock may be held while this one is taken, never the other way round.
type endings struct {
	mu      sync.Mutex
	keepers []*keeper
	all     map[string]*ending // by the record of the window
}

// ending is how one window ends.
type ending struct {
	done     []*keeper
	reverted string // the commit to which something was pulled back
	caught   string // the commit by which git caught up
}

// join has a keeper asked before a window ends.
func (s *endings) join(k *keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.keepers, k) {
		s.keepers = append(s.keepers, k)
	}
}

// others lists the keepers but for k, and forgets those that have stopped: one that
// goes on joins again.
func (s *endings) others(k *keeper) []*keeper {
	s.mu.Lock()
	all := slices.Clone(s.keepers)
	s.mu.Unlock()
	all = slices.DeleteFunc(all, func(other *keeper) bool { return other == k })
	stopped := func(other *keeper) bool { return !other.lives() }
	gone := slices.DeleteFunc(slices.Clone(all), func(other *keeper) bool { return !stopped(other) })
	s.mu.Lock()
	s.keepers = slices.DeleteFunc(s.keepers, func(other *keeper) bool { return slices.Contains(gone, other) })
	s.mu.Unlock()
	return slices.DeleteFunc(all, func(other *keeper) bool { return slices.Contains(gone, other) })
}

func (k *keeper) lives() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.life != nil
}

// of is the ending of a window. s.mu is held.
func (s *endings) of(name string) *ending {
	if s.all == nil {
		s.all = map[string]*ending{}
	}
	if s.all[name] == nil {
		s.all[name] = &ending{}
	}
	return s.all[name]
}

func (s *endings) pulledBack(name, commit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(name).reverted = commit
}

func (s *endings) caughtUp(name, commit string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of(name).caught = commit
}

// done says that a keeper has looked at all that a window covered of its sync.
func (s *endings) done(name string, k *keeper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.of(name); !slices.Contains(e.done, k) {
		e.done = append(e.done, k)
	}
}

// has says that a keeper is done with a window.
func (s *endings) has(name string, k *keeper) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[name]
	return e != nil && slices.Contains(e.done, k)
}

// resolution says how a window ended. That something was pulled back outweighs that
// git caught up with the rest; where neither was needed, somebody took it back, and
// all is as the commit declares it. ok is false where its record is written already.
func (s *endings) resolution(name, commit string) (r v1alpha1.Resolution, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.all[name]
	switch {
	case e == nil:
		return v1alpha1.Resolution{}, false
	case e.reverted != "":
		return v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, Commit: e.reverted}, true
	case e.caught != "":
		return v1alpha1.Resolution{State: v1alpha1.ResolutionCommitted, Commit: e.caught}, true
	}
	return v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, Commit: commit}, true
}

func (s *endings) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, name)
}
