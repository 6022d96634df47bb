package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/policy"
)

// others: the object is there, and what it holds may be somebody else's: it is not
// this sync's yet, our entry is gone, or people own fields.
func (s *State) others(o *Object) bool {
	return s.UID != "" && (s.Sync != o.Sync || s.Held == 0 || s.People)
}

// tell says what others lose, before anything is written: the first apply takes the
// declared fields by force, and after it nothing shows any more what they were. The
// write then depends on what was told.
func (c *Cluster) tell(ctx context.Context, o *Object, a ApplyOptions, w *write) error {
	if w.whole == nil {
		found, err := c.Get(ctx, o.Ref)
		if apierrors.IsNotFound(err) {
			w.known, w.on = State{}, conditions{}
			return nil
		}
		if err != nil {
			return err
		}
		w.whole, w.known = found, c.state(found)
		if err := a.owner(o, &w.known); err != nil {
			return err
		}
		if w.commit == "" {
			w.commit = w.known.Commit
		}
	}
	taken, err := c.takings(o, w.whole)
	if err != nil {
		return err
	}
	for _, t := range taken {
		if slices.ContainsFunc(*a.told, t.within) {
			continue
		}
		if err := a.TookOver(ctx, t); err != nil {
			return fmt.Errorf("recording what %s takes from %s: %w", o.Key, t.Manager, err)
		}
		*a.told = append(*a.told, t)
	}
	w.on = conditions{uid: w.known.UID, resourceVersion: w.known.ResourceVersion}
	// Of an object that says nothing of who owns it, all that is there becomes
	// before-first-apply's with our first apply, and is told of then.
	w.told, w.sure = taken, len(w.whole.GetManagedFields()) > 0
	return nil
}

// takings lists who loses what when the object is applied: people all that they own and
// may not keep, others what is changed. Each change is with one manager.
func (c *Cluster) takings(o *Object, found *unstructured.Unstructured) ([]Takeover, error) {
	declared, err := o.content()
	if err != nil {
		return nil, err
	}
	state := c.state(found)
	var out []Takeover
	entries := found.GetManagedFields()
	for i := range entries {
		e := &entries[i]
		if !c.person(e) {
			continue
		}
		take, _, err := o.split(e, declared)
		if err != nil {
			return nil, err
		}
		if !take.Empty() {
			t := takeover(o.Ref, e, take)
			t.State = state
			out = append(out, t)
		}
	}
	_, goes, err := c.Personal(o, found)
	if err != nil {
		return nil, err
	}
	for _, change := range append(Differences(o, found.Object), goes...) {
		if !change.HasFrom {
			continue // nobody loses what was not there
		}
		manager, at := Writer(found, change.Path)
		if manager == "" && state.Held > 0 {
			continue // it was ours: a commit changes it
		}
		if manager == "" {
			manager, at = state.Manager, state.Wrote
		}
		i := slices.IndexFunc(out, func(t Takeover) bool { return t.Manager == manager })
		if i < 0 {
			i = len(out)
			t := Takeover{Ref: o.Ref, Manager: manager, Operation: string(metav1.ManagedFieldsOperationUpdate), State: state}
			if at > 0 {
				t.At = time.Unix(at, 0).UTC()
			}
			out = append(out, t)
		}
		t := &out[i]
		if slices.ContainsFunc(t.Changes, func(c policy.Change) bool { return c.Path == change.Path }) {
			continue
		}
		t.Changes = append(t.Changes, change)
		if !slices.ContainsFunc(t.Fields, func(f string) bool { return strings.HasPrefix(f, change.Path) || strings.HasPrefix(change.Path, f) }) {
			t.Fields = append(t.Fields, change.Path)
		}
	}
	return out, nil
}
