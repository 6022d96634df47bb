package live

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// keepPage is how many whole objects are read at a time by [Cluster.List].
const keepPage = 100

// Resource is the name under which a kind is served, in whatever version.
func (c *Cluster) Resource(gvk schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	m, err := c.anywhere(gvk)
	if err != nil {
		return schema.GroupVersionResource{}, err
	}
	return m.Resource, nil
}

// StateOf is what is kept of a whole object's metadata.
func (c *Cluster) StateOf(object metav1.Object) State { return c.state(object) }

// List reads whole objects, some at a time. A kind that is not served has none.
func (c *Cluster) List(ctx context.Context, w Watched, each func(*unstructured.Unstructured)) error {
	m, err := c.mapping(w.GVK)
	if unserved(err) {
		return nil
	}
	if err != nil {
		return err
	}
	options := metav1.ListOptions{LabelSelector: w.Selector, Limit: keepPage}
	for {
		page, err := c.dynamic.Resource(m.Resource).Namespace(w.Namespace).List(ctx, options)
		if err != nil {
			return fmt.Errorf("listing %s: %w", m.Resource.GroupResource(), err)
		}
		for i := range page.Items {
			each(&page.Items[i])
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return nil
		}
	}
}

// Personal says whether people own fields of a live object that [Cluster.Apply] takes
// from them, and what of it goes since git does not declare it.
func (c *Cluster) Personal(o *Object, found *unstructured.Unstructured) (owned bool, goes []policy.Change, err error) {
	entries := found.GetManagedFields()
	for i := range entries {
		e := &entries[i]
		if !c.person(e) {
			continue
		}
		declared, err := o.content()
		if err != nil {
			return false, nil, err
		}
		take, _, err := o.split(e, declared)
		if err != nil {
			return false, nil, err
		}
		for path := range take.Leaves().All() {
			owned = true
			v, there := at(found.Object, path)
			if _, stays := at(declared, path); stays || !there || pathText(path) == commitPath || ownedByOthers(c, entries, path) {
				continue
			}
			goes = append(goes, policy.Change{Path: pathText(path), From: v, HasFrom: true})
		}
	}
	slices.SortFunc(goes, func(a, b policy.Change) int { return strings.Compare(a.Path, b.Path) })
	return owned, slices.CompactFunc(goes, func(a, b policy.Change) bool { return a.Path == b.Path }), nil
}

// ownedByOthers: a controller holds the field too, so it stays.
func ownedByOthers(c *Cluster, entries []metav1.ManagedFieldsEntry, path fieldpath.Path) bool {
	for i := range entries {
		if e := &entries[i]; !c.person(e) && !ours(e) {
			if set, err := setOf(e); err == nil && set.Has(path) {
				return true
			}
		}
	}
	return false
}

// at returns the value at a path. A key that an item leaves to its default is taken
// to match.
func at(v any, path fieldpath.Path) (any, bool) {
	for _, e := range path {
		var there bool
		if v, there = below(v, e); !there {
			return nil, false
		}
	}
	return v, true
}

func below(v any, e fieldpath.PathElement) (any, bool) {
	if e.FieldName != nil {
		m, _ := v.(map[string]any)
		v, there := m[*e.FieldName]
		return v, there
	}
	items, _ := v.([]any)
	switch {
	case e.Index != nil && *e.Index < len(items):
		return items[*e.Index], true
	case e.Value != nil:
		i := slices.IndexFunc(items, func(item any) bool { return sameScalar(item, (*e.Value).Unstructured()) })
		return (*e.Value).Unstructured(), i >= 0
	case e.Key != nil:
		for _, item := range items {
			m, ok := item.(map[string]any)
			if ok && !slices.ContainsFunc(*e.Key, func(f value.Field) bool {
				got, there := m[f.Name]
				return there && !sameScalar(got, f.Value.Unstructured())
			}) {
				return m, true
			}
		}
	}
	return nil, false
}

// Field returns the value at a path as [policy.Change] writes it; not there, too,
// where the path can't be read.
func Field(object map[string]any, path string) (any, bool) {
	p, err := parsePattern(path)
	if err != nil {
		return nil, false
	}
	var v any = object
	for _, s := range p {
		items, _ := v.([]any)
		m, _ := v.(map[string]any)
		found := false
		switch s.kind {
		case fieldStep:
			v, found = m[s.field]
		case indexStep:
			if found = s.index >= 0 && s.index < len(items); found {
				v = items[s.index]
			}
		case keyStep:
			i := slices.IndexFunc(items, func(item any) bool { return hasKeys(item, s.keys) })
			if found = i >= 0; found {
				v = items[i]
			}
		}
		if !found {
			return nil, false
		}
	}
	return v, true
}

// Content is what is declared, decoded.
func (o *Object) Content() (map[string]any, error) { return o.content() }

// Unmark takes annotations away, on condition that nobody wrote meanwhile.
func (c *Cluster) Unmark(ctx context.Context, ref Ref, resourceVersion string, keys []string) (State, error) {
	m, err := c.mapping(ref.GVK())
	if err != nil {
		return State{}, err
	}
	gone := map[string]any{}
	for _, key := range keys {
		gone[key] = nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": resourceVersion, "annotations": gone}})
	if err != nil {
		return State{}, fmt.Errorf("taking %s off %s: %w", slices.Sorted(maps.Keys(gone)), ref.Key, err)
	}
	after, err := c.metadataOf(m, ref.Namespace).Patch(ctx, ref.Name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: v1alpha1.FieldManager})
	if err != nil {
		return State{}, fmt.Errorf("taking %s off %s: %w", slices.Sorted(maps.Keys(gone)), ref.Key, err)
	}
	return c.state(after), nil
}

// Writer is the manager whose entry holds a path, or something in it, and that wrote
// last, save our own; "" when nobody does.
func Writer(found metav1.Object, path string) (manager string, at int64) {
	entries := found.GetManagedFields()
	for i := range entries {
		e := &entries[i]
		set, err := setOf(e)
		if err != nil || ours(e) || manager != "" && seconds(e) <= at {
			continue
		}
		for leaf := range set.Leaves().All() { // which can't be left early
			if text := pathText(leaf); strings.HasPrefix(text, path) || strings.HasPrefix(path, text) {
				manager, at = e.Manager, seconds(e)
			}
		}
	}
	return manager, at
}
