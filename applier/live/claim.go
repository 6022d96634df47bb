package live

import (
	"crypto/sha256"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitlatch/gitlatch/policy"
)

// Claim is a digest of the fields that our entry on an object owns, without the commit
// annotation and what is left to others; the zero value: there is no entry of ours.
// What the answer to an apply shows is what the API server lets us own: webhooks,
// defaults and schemas have had their say.
type Claim [sha256.Size]byte

// ClaimOn is our claim on a live object.
func ClaimOn(o *Object, found metav1.Object) Claim {
	var declared map[string]any
	if len(o.ignored) > 0 {
		declared, _ = o.content()
	}
	return o.claim(found.GetManagedFields(), declared)
}

// claim reads what the entry says, and not how: the order of its keys is another in
// JSON than in protobuf.
func (o *Object) claim(entries []metav1.ManagedFieldsEntry, declared map[string]any) Claim {
	set := mine(entries)
	if set == nil {
		return Claim{}
	}
	var lines []string
	set.Leaves().Iterate(func(path fieldpath.Path) {
		if text := pathText(path); text != commitPath && !o.spares(path, declared) {
			lines = append(lines, text)
		}
	})
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(lines, "\n")))
}

// mine is what our entry owns; nil: there is none, or none that can be read.
func mine(entries []metav1.ManagedFieldsEntry) *fieldpath.Set {
	for i := range entries {
		if !ours(&entries[i]) {
			continue
		}
		set, err := setOf(&entries[i])
		if err != nil {
			return nil
		}
		return set
	}
	return nil
}

// spares: an ignore rule leaves the path to others.
func (o *Object) spares(path fieldpath.Path, declared map[string]any) bool {
	return slices.ContainsFunc(o.ignored, func(p pattern) bool { return p.covers(path, declared) })
}

// Whole says that our entry on a live object claims what the object declares, all of it
// and nothing else. In doubt it does not: an apply that changes nothing writes nothing.
func Whole(o *Object, found metav1.Object) bool {
	declared, err := o.content()
	set := mine(found.GetManagedFields())
	if err != nil || set == nil {
		return false
	}
	exact := true
	set.Leaves().Iterate(func(path fieldpath.Path) {
		if _, there := at(declared, path); !there && pathText(path) != commitPath && !o.spares(path, declared) {
			exact = false
		}
	})
	if !exact {
		return false
	}
	for _, p := range o.ignored {
		declared = p.edit(declared, nil, false).(map[string]any)
	}
	delete(declared, "apiVersion") // these belong to nobody
	delete(declared, "kind")
	if meta, ok := declared["metadata"].(map[string]any); ok {
		delete(meta, "name")
		delete(meta, "namespace")
	}
	return holdsMap(set, declared)
}

// holdsMap says that a set owns every value of a map, whole or by its parts.
func holdsMap(set *fieldpath.Set, declared map[string]any) bool {
	for key, d := range declared {
		if d != nil && !holdsValue(set, fieldpath.PathElement{FieldName: &key}, d) {
			return false
		}
	}
	return true
}

func holdsValue(set *fieldpath.Set, e fieldpath.PathElement, declared any) bool {
	below := set.WithPrefix(e)
	if below.Empty() {
		return set.Members.Has(e)
	}
	switch d := declared.(type) {
	case map[string]any:
		return holdsMap(below, d)
	case []any:
		return holdsItems(below, d)
	}
	return false
}

func holdsItems(set *fieldpath.Set, declared []any) bool {
	var elements []fieldpath.PathElement
	set.Members.Iterate(func(e fieldpath.PathElement) { elements = append(elements, e) })
	set.Children.Iterate(func(e fieldpath.PathElement) { elements = append(elements, e) })
	for i, item := range declared {
		held := slices.ContainsFunc(elements, func(e fieldpath.PathElement) bool {
			return elementIs(&e, i, item) && (e.Value != nil || holdsValue(set, e, item))
		})
		if !held {
			return false
		}
	}
	return true
}

// Surplus lists what is live and claimed by us alone, and not declared: an apply takes
// it away. A takeover that was cut short leaves it, and an apply under our name.
func (c *Cluster) Surplus(o *Object, found *unstructured.Unstructured) []policy.Change {
	declared, err := o.content()
	entries := found.GetManagedFields()
	set := mine(entries)
	if err != nil || set == nil {
		return nil
	}
	var goes []policy.Change
	set.Leaves().Iterate(func(path fieldpath.Path) {
		text := pathText(path)
		v, there := at(found.Object, path)
		if _, stays := at(declared, path); !stays && there && text != commitPath && !o.spares(path, declared) && !ownedByOthers(c, entries, path) {
			goes = append(goes, policy.Change{Path: text, From: v, HasFrom: true})
		}
	})
	return goes
}
