package applier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// takeStock writes down what is about to be applied before it is, beside what was
// applied before: a crash after this leaves no object that nobody remembers.
func (r *run) takeStock(ctx context.Context) error {
	known := map[string]v1alpha1.InventoryEntry{}
	if i := r.sync.Status.Inventory; i != nil {
		for _, e := range i.Entries {
			known[e.ID] = e
		}
	}
	r.fresh = map[string]bool{}
	for i := range r.objects {
		e := r.objects[i].Entry()
		if _, old := known[e.ID]; !old {
			r.fresh[e.ID] = true
		}
		known[e.ID] = e
	}
	r.setInventory(known)
	if r.sync.Status.LastAppliedCommit == r.revision.Commit && equality.Semantic.DeepEqual(r.saved.Status.Inventory, r.sync.Status.Inventory) {
		return nil
	}
	r.progress(fmt.Sprintf("applying %d objects of %s", len(r.objects), r.revisionName()))
	return r.save(ctx)
}

// disown takes out of the inventory what this run wrote down and then was refused:
// it is not ours, and who may not even look at it could never prune it.
func (r *run) disown() {
	refused := map[string]bool{}
	for _, f := range r.tally.failed {
		if id := (live.Ref{Key: f.key}).Entry().ID; r.fresh[id] && unwritten(f.err) && !r.marked(f.key) {
			refused[id] = true
		}
	}
	i := r.sync.Status.Inventory
	if i == nil || len(refused) == 0 {
		return
	}
	left := map[string]v1alpha1.InventoryEntry{}
	for _, e := range i.Entries {
		if !refused[e.ID] {
			left[e.ID] = e
		}
	}
	r.setInventory(left)
}

// unwritten says that nothing can have been written.
func unwritten(err error) bool {
	var conflict *live.ConflictError
	return errors.As(err, &conflict) || apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// marked says that the object was seen with our mark.
func (r *run) marked(key live.Key) bool {
	state, ok := r.state.keeper.known(key)
	return ok && state.Sync == v1alpha1.SyncLabel(r.key.Namespace, r.key.Name)
}

// setInventory writes the entries in order.
func (r *run) setInventory(entries map[string]v1alpha1.InventoryEntry) {
	if len(entries) == 0 {
		r.sync.Status.Inventory = nil
		return
	}
	list := make([]v1alpha1.InventoryEntry, 0, len(entries))
	for _, e := range entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b v1alpha1.InventoryEntry) int { return strings.Compare(a.ID, b.ID) })
	r.sync.Status.Inventory = &v1alpha1.Inventory{Entries: list}
}

// entriesOf reads an inventory back.
func entriesOf(inventory *v1alpha1.Inventory) ([]live.Ref, error) {
	if inventory == nil {
		return nil, nil
	}
	refs := make([]live.Ref, 0, len(inventory.Entries))
	for _, e := range inventory.Entries {
		ref, err := live.ParseEntry(e)
		if err != nil {
			return nil, fmt.Errorf("reading status.inventory: %w", err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// revisionName is the ref and the commit as people write them: main@3f2c1ab.
func (r *run) revisionName() string {
	name := strings.TrimPrefix(strings.TrimPrefix(r.revision.Name, "refs/heads/"), "refs/tags/")
	if name == "" {
		return short(r.revision.Commit)
	}
	return name + "@" + short(r.revision.Commit)
}
