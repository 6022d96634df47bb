package applier

import (
	"sync"

	"github.com/gitlatch/gitlatch/applier/live"
)

// keyLocks are locks, one for each object that is being written. The zero value is
// ready for use.
type keyLocks struct {
	mu   sync.Mutex
	keys map[live.Key]*keyLock
}

type keyLock struct {
	sync.Mutex
	users int
}

// lock has an object for one writer alone, until unlock: a correction and the run of
// the sync, which applies and prunes, would each undo what the other does. It is never
// taken under keeper.mu, nor twice by one writer.
func (k *keeper) lock(key live.Key) (unlock func()) {
	l := &k.writing
	l.mu.Lock()
	if l.keys == nil {
		l.keys = map[live.Key]*keyLock{}
	}
	one := l.keys[key]
	if one == nil {
		one = &keyLock{}
		l.keys[key] = one
	}
	one.users++
	l.mu.Unlock()
	one.Lock()
	return func() {
		one.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(l.keys, key)
		}
	}
}
