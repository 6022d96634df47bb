package live

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Takeover is what one manager that is a person's owns on an object and loses.
type Takeover struct {
	Ref Ref
	// Manager, and whether it wrote by Update or Apply.
	Manager   string
	Operation string
	// At is when it wrote last, to the second.
	At time.Time
	// Fields that it loses, as paths like those of policy.Change. What git declares of
	// them is as git declares it, the others go.
	Fields []string
	// Changes that this makes, from what is live to what is declared; each is told of
	// with one manager.
	Changes []policy.Change
	// State of the object before.
	State State
}

// takeOver makes the fields of people ours, and applies again, so that what they added
// goes. It runs only where the answer to an apply shows such fields. All in all it costs
// two more calls.
func (c *Cluster) takeOver(ctx context.Context, o *Object, a ApplyOptions, w write, answer *metav1.PartialObjectMetadata, result Result) (Result, error) {
	before, taken, err := c.disown(ctx, o, a, answer, w)
	if err != nil || len(taken) == 0 {
		return result, err
	}
	result.Taken, result.Action = taken, TookOver
	a.Known, a.Firm = nil, false
	if w, err = c.plan(ctx, o, a); err != nil {
		return result, err
	}
	w.on.uid = string(answer.UID) // one that went meanwhile is not made anew here
	answer, _, err = c.send(ctx, o, w)
	if apierrors.IsInvalid(err) {
		// Something among it can't be taken off a live object, such as the volume of a
		// claim. All that is declared is applied; that which can't go stays, nobody's.
		answer, err = c.release(ctx, o, before)
	}
	if err != nil {
		return result, err
	}
	result.State, result.Claim = c.state(answer), ClaimOn(o, answer)
	return result, nil
}

// disown moves people's fields to our entry; nothing else changes. It returns our entry
// as it was. What was told of before the write is not told of again.
func (c *Cluster) disown(ctx context.Context, o *Object, a ApplyOptions, answer *metav1.PartialObjectMetadata, w write) (before *metav1.ManagedFieldsEntry, taken []Takeover, err error) {
	declared, err := o.content()
	if err != nil {
		return nil, nil, err
	}
	for range maxTries {
		u, err := c.upgrade(o, answer.ManagedFields, declared)
		if err != nil || len(u.taken) == 0 {
			return nil, nil, err
		}
		version := answer.ResourceVersion
		if !w.sure {
			if version, err = c.tellLate(ctx, o, a, &u, w.told); err != nil || len(u.taken) == 0 {
				return nil, nil, err
			}
		}
		_, err = c.setManagedFields(ctx, o, u.entries, version)
		if !apierrors.IsConflict(err) {
			return u.before, u.taken, err
		}
		w.sure = false
		if answer, err = c.look(ctx, o.Ref); err != nil || answer == nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("taking over fields of %s: %w", o.Key, errMoved)
}

// tellLate tells of what people lose who wrote since we knew the object, and returns
// the version of which that is true.
func (c *Cluster) tellLate(ctx context.Context, o *Object, a ApplyOptions, u *upgraded, before []Takeover) (version string, err error) {
	found, err := c.Get(ctx, o.Ref)
	if err != nil {
		return "", err
	}
	declared, err := o.content()
	if err != nil {
		return "", err
	}
	if *u, err = c.upgrade(o, found.GetManagedFields(), declared); err != nil || len(u.taken) == 0 {
		return "", err
	}
	told, err := c.takings(o, found)
	if err != nil {
		return "", err
	}
	for _, t := range told {
		if !slices.ContainsFunc(u.taken, func(taken Takeover) bool { return taken.Manager == t.Manager }) || slices.ContainsFunc(before, t.within) {
			continue // not a person's, or told of
		}
		if err := a.TookOver(ctx, t); err != nil {
			return "", fmt.Errorf("recording what %s takes from %s: %w", o.Key, t.Manager, err)
		}
	}
	return found.GetResourceVersion(), nil
}

// within: another takeover told of all that this one takes, as it is.
func (t *Takeover) within(other Takeover) bool {
	return t.Manager == other.Manager &&
		!slices.ContainsFunc(t.Fields, func(f string) bool { return !slices.Contains(other.Fields, f) }) &&
		!slices.ContainsFunc(t.Changes, func(c policy.Change) bool {
			return !slices.ContainsFunc(other.Changes, func(o policy.Change) bool { return reflect.DeepEqual(c, o) })
		})
}

// upgraded is a list of managedFields after a takeover.
type upgraded struct {
	entries []metav1.ManagedFieldsEntry
	before  *metav1.ManagedFieldsEntry // our entry as it was
	taken   []Takeover
}

func (c *Cluster) upgrade(o *Object, entries []metav1.ManagedFieldsEntry, declared map[string]any) (upgraded, error) {
	var u upgraded
	at, all := -1, &fieldpath.Set{}
	for i := range entries {
		e := &entries[i]
		if !c.person(e) {
			if ours(e) {
				at, u.before = len(u.entries), e.DeepCopy()
			}
			u.entries = append(u.entries, *e)
			continue
		}
		take, stay, err := o.split(e, declared)
		if err != nil {
			return u, err
		}
		if take.Empty() {
			u.entries = append(u.entries, *e)
			continue
		}
		u.taken = append(u.taken, takeover(o.Ref, e, take))
		all = all.Union(take)
		if !stay.Empty() {
			rest := e.DeepCopy()
			if err := setFields(rest, stay); err != nil {
				return u, err
			}
			u.entries = append(u.entries, *rest)
		}
	}
	if at < 0 || len(u.taken) == 0 {
		return upgraded{}, nil // stripped since: the next apply sees it
	}
	mine, err := setOf(u.before)
	if err != nil {
		return u, err
	}
	return u, setFields(&u.entries[at], mine.Union(all))
}

func takeover(ref Ref, e *metav1.ManagedFieldsEntry, take *fieldpath.Set) Takeover {
	t := Takeover{Ref: ref, Manager: e.Manager, Operation: string(e.Operation)}
	if e.Time != nil {
		t.At = e.Time.UTC()
	}
	for _, p := range leavesOf(take) {
		t.Fields = append(t.Fields, pathText(p))
	}
	return t
}

func setFields(e *metav1.ManagedFieldsEntry, set *fieldpath.Set) error {
	raw, err := set.ToJSON()
	if err != nil {
		return fmt.Errorf("writing the fields of manager %q: %w", e.Manager, err)
	}
	e.FieldsV1 = &metav1.FieldsV1{}
	e.FieldsV1.SetRawBytes(bytes.TrimSpace(raw))
	return nil
}

// release gives up what a takeover brought us and can't be taken off the object: our
// entry becomes again what it was before.
func (c *Cluster) release(ctx context.Context, o *Object, before *metav1.ManagedFieldsEntry) (*metav1.PartialObjectMetadata, error) {
	for range maxTries {
		answer, err := c.look(ctx, o.Ref)
		if err != nil || answer == nil {
			return &metav1.PartialObjectMetadata{}, err
		}
		for i := range answer.ManagedFields {
			if ours(&answer.ManagedFields[i]) {
				answer.ManagedFields[i].FieldsV1 = before.FieldsV1
			}
		}
		answer, err = c.setManagedFields(ctx, o, answer.ManagedFields, answer.ResourceVersion)
		if !apierrors.IsConflict(err) {
			return answer, err
		}
	}
	return nil, fmt.Errorf("releasing fields of %s: %w", o.Key, errMoved)
}

// setManagedFields replaces who owns what, and nothing else, if the object is still as
// we saw it.
func (c *Cluster) setManagedFields(ctx context.Context, o *Object, entries []metav1.ManagedFieldsEntry, resourceVersion string) (*metav1.PartialObjectMetadata, error) {
	patch, err := json.Marshal([]map[string]any{
		{"op": "replace", "path": "/metadata/managedFields", "value": entries},
		// Replaced and not tested: then the API server answers with a conflict.
		{"op": "replace", "path": "/metadata/resourceVersion", "value": resourceVersion},
	})
	if err != nil {
		return nil, fmt.Errorf("writing a patch of %s: %w", o.Key, err)
	}
	m, err := c.mapping(o.GVK())
	if err != nil {
		return nil, err
	}
	answer, err := c.metadataOf(m, o.Namespace).Patch(ctx, o.Name, types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: v1alpha1.FieldManager})
	if err != nil {
		return nil, o.refused(err)
	}
	return answer, nil
}
