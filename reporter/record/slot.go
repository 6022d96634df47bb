package record

import (
	"context"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A slot is what this replica knows of one record that it writes to: how much
// it has counted, and what of it is stored. Writer.mu guards all of it but
// ready, which is closed when the first attempt at creating has ended.
type slot struct {
	id    string // in Writer.slots
	name  string
	phase v1alpha1.Phase
	ready chan struct{}
	err   error // why it is not stored

	record  *v1alpha1.ChangeRecord // to be created; nil once it is
	created *v1alpha1.ChangeRecord // of what we created, see forStatus, until the first status is stored
	giveUp  time.Time              // when creating is no longer tried
	again   createFunc             // creates the record; nil: as it is, under its name
	busy    bool                   // a flush has it in hand
	adopted bool                   // another replica has created it, and most likely counts it

	base      int64 // this replica's count from before this slot
	baseKnown bool
	total     int64 // attempts seen by this slot
	stored    int64 // of total
	first     time.Time
	last      time.Time
	folded    bool
	all       bool // folded over all resources
	sample    []string
	sampled   int    // of sample, how many are stored
	realName  string // what a generated name turned out to be
	named     bool   // it is stored
	expires   time.Time
}

// createFunc creates a record. created is nil where there was one already, which rec is.
type createFunc func(context.Context) (rec, created *v1alpha1.ChangeRecord, err error)

// maxSamples is what the schema allows.
const maxSamples = 20

// saw counts one attempt.
func (s *slot) saw(now time.Time, name string) {
	if s.total == 0 {
		s.first = now
	}
	s.total++
	s.last = now
	name = cut(name, maxSample)
	if s.folded && name != "" && len(s.sample) < maxSamples && !slices.Contains(s.sample, name) {
		s.sample = append(s.sample, name)
	}
}

// oneAttempt tells a record of a single admitted write, which is counted once,
// from one that repeats are counted in.
func (s *slot) oneAttempt() bool { return s.id == s.name }

func (s *slot) dirty() bool {
	return s.record != nil || s.stored < s.total || s.sampled < len(s.sample) || s.realName != "" && !s.named
}

// settled tells that the first attempt at creating is over.
func (s *slot) settled() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// idle tells that a slot may be forgotten without a loss.
func (s *slot) idle() bool { return s.settled() && !s.busy && !s.dirty() }

// result is what becomes of a repeat, firstResult of the first.
func (s *slot) result() string {
	if s.folded {
		return resultFolded
	}
	return resultCoalesced
}

func (s *slot) firstResult() string {
	if s.folded {
		return resultFolded
	}
	return resultWritten
}

// fresh tells a record without a status: that is not to wait for the second.
func (s *slot) fresh() bool { return s.record == nil && s.stored == 0 && s.total > 0 && !s.adopted }

// share is what one flush stores: a copy, so that no lock is held meanwhile.
type share struct {
	replica  string
	one      bool // of a record that is counted once, by whichever replica
	phase    v1alpha1.Phase
	count    int64 // since the slot was made
	first    time.Time
	last     time.Time
	sample   []string
	realName string
}

func (s *slot) share(replica string) share {
	return share{
		replica: replica, one: s.oneAttempt(), phase: s.phase, count: s.total, first: s.first, last: s.last,
		sample: slices.Clone(s.sample), realName: s.realName,
	}
}

func (s *slot) saved(done share) {
	s.stored, s.sampled = done.count, len(done.sample)
	s.named = done.realName != "" && done.realName == s.realName
	s.created = nil
}
