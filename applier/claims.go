package applier

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// claimPatience is how long one sync waits with pruning for another of the same
// repository to say what it declares at the same commit.
const claimPatience = 30 * time.Second

// claims is who declares what, over all syncs. With it an object that moves from one
// sync to another in a commit is not deleted in between, and one that two syncs
// declare stays with the one that has it.
type claims struct {
	mu    sync.Mutex
	syncs map[types.NamespacedName]*claim
}

// claim is what one sync declares.
type claim struct {
	mark  string
	tried string // the newest commit that was tried; "" before the first
	keys  map[live.Key]bool
	// waits is since when this sync waits for others to come to a commit.
	waits map[wait]time.Time
}

type wait struct {
	commit string
	other  types.NamespacedName
}

func newClaims() *claims { return &claims{syncs: map[types.NamespacedName]*claim{}} }

// claim says what a sync declares from now on.
func (c *claims) claim(key types.NamespacedName, commit string, objects []live.Object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := c.entry(key)
	mine.tried = commit
	clear(mine.keys)
	for i := range objects {
		mine.keys[objects[i].Key] = true
	}
}

// attempted says that a sync could not be rendered at a commit: it declares what it
// did before.
func (c *claims) attempted(key types.NamespacedName, commit string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entry(key).tried = commit
}

func (c *claims) entry(key types.NamespacedName) *claim {
	mine := c.syncs[key]
	if mine == nil {
		mine = &claim{mark: v1alpha1.SyncLabel(key.Namespace, key.Name), keys: map[live.Key]bool{}, waits: map[wait]time.Time{}}
		c.syncs[key] = mine
	}
	return mine
}

// forget drops a sync that is gone.
func (c *claims) forget(key types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.syncs, key)
}

// other says whether a sync but this one declares an object.
func (c *claims) other(key types.NamespacedName, object live.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other, claim := range c.syncs {
		if other != key && claim.keys[object] {
			return true
		}
	}
	return false
}

// free says that the sync with a mark is known, and does not declare an object any
// more. One that is not known may have yet to be heard of.
func (c *claims) free(mark string, object live.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, claim := range c.syncs {
		if claim.mark == mark {
			return claim.tried != "" && !claim.keys[object]
		}
	}
	return false
}

// pending is the first of some other syncs that has not come to a commit yet, so that
// what it declares there is not known. After some patience it is waited for no longer:
// then what it declared before counts.
func (c *claims) pending(key types.NamespacedName, commit string, others []types.NamespacedName, now time.Time) (types.NamespacedName, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine := c.entry(key)
	for w := range mine.waits {
		if w.commit != commit {
			delete(mine.waits, w)
		}
	}
	for _, other := range others {
		if claim := c.syncs[other]; claim != nil && claim.tried == commit {
			continue
		}
		w := wait{commit, other}
		if _, ok := mine.waits[w]; !ok {
			mine.waits[w] = now
		}
		if now.Sub(mine.waits[w]) < claimPatience {
			return other, true
		}
	}
	return types.NamespacedName{}, false
}
