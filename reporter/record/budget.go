package record

import (
	"time"

	"k8s.io/utils/lru"
)

// A budget limits the new records of a minute. Folded ones are limited per
// requester only: every requester is kept, whatever others do.
type budget struct {
	perRequester, perRequesterFolds, all int

	minute     time.Time
	spent      int
	requesters *lru.Cache // requester -> *spending
}

type spending struct {
	minute         time.Time
	targets, folds int
}

// maxRequesters bounds the memory of a flood of requesters. One who is
// forgotten within the minute gets a new allowance, within the global one.
const maxRequesters = 4096

func newBudget(o Options) *budget {
	return &budget{
		perRequester:      o.TargetsPerRequester,
		perRequesterFolds: o.FoldsPerRequester,
		all:               o.TargetsPerMinute,
		requesters:        lru.New(maxRequesters),
	}
}

// target spends one target of the requester, if there is one left.
func (b *budget) target(requester string, now time.Time) bool {
	b.turn(now)
	s := b.of(requester)
	if s.targets >= b.perRequester || b.spent >= b.all {
		return false
	}
	s.targets++
	b.spent++
	return true
}

// fold spends one folded record of the requester, if there is one left.
func (b *budget) fold(requester string, now time.Time) bool {
	b.turn(now)
	s := b.of(requester)
	if s.folds >= b.perRequesterFolds {
		return false
	}
	s.folds++
	return true
}

func (b *budget) turn(now time.Time) {
	if minute := now.Truncate(time.Minute); !minute.Equal(b.minute) {
		b.minute, b.spent = minute, 0
	}
}

func (b *budget) of(requester string) *spending {
	if found, ok := b.requesters.Get(requester); ok {
		if s := found.(*spending); s.minute.Equal(b.minute) {
			return s
		}
	}
	s := &spending{minute: b.minute}
	b.requesters.Add(requester, s)
	return s
}
