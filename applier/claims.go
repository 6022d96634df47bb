package applier

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// claims is who declares what, over all syncs. With it an object that moves from one
// sync to another in a commit is not deleted in between, and one that two syncs
// declare stays with the one that has it.
type claims struct {
	mu    sync.Mutex
	syncs map[types.NamespacedName]*claim
}

// claim is what one sync declares.
type claim struct {
	mark   string
	commit string // at which it was read; "" when it is what the sync had applied before this process
	keys   map[live.Key]bool
}

func newClaims() *claims { return &claims{syncs: map[types.NamespacedName]*claim{}} }

// claim says what a sync declares from now on. A commit that can't be read changes
// nothing.
func (c *claims) claim(key types.NamespacedName, commit string, keys map[live.Key]bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.syncs[key] = &claim{mark: v1alpha1.SyncLabel(key.Namespace, key.Name), commit: commit, keys: keys}
}

// seed says what a sync had applied before this process, until it says so itself.
func (c *claims) seed(key types.NamespacedName, applied []live.Ref) {
	keys := make(map[live.Key]bool, len(applied))
	for _, ref := range applied {
		keys[ref.Key] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.syncs[key] == nil {
		c.syncs[key] = &claim{mark: v1alpha1.SyncLabel(key.Namespace, key.Name), keys: keys}
	}
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

// at says whether what a sync declares at a commit is known.
func (c *claims) at(key types.NamespacedName, commit string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	claim := c.syncs[key]
	return claim != nil && claim.commit == commit
}

// free says that the sync with a mark has said what it declares, and does not declare
// an object any more.
func (c *claims) free(mark string, object live.Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, claim := range c.syncs {
		if claim.mark == mark {
			return claim.commit != "" && !claim.keys[object]
		}
	}
	return false
}

// keysOf are the objects of a set, before the cluster was asked which of their kinds
// have namespaces: one that names none counts with the default and without.
func keysOf(set *desired.Set, namespace string) map[live.Key]bool {
	keys := make(map[live.Key]bool, len(set.Objects))
	for i := range set.Objects {
		o := &set.Objects[i]
		gvk := o.GroupVersionKind()
		key := live.Key{Group: gvk.Group, Kind: gvk.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
		keys[key] = true
		if key.Namespace == "" {
			key.Namespace = namespace
			keys[key] = true
		}
	}
	return keys
}
