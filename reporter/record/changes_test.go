package record

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// What git declared stays guarded by its path, so it is the last to be cut.
func TestDeclaredChangesAreKeptFirst(t *testing.T) {
	declared := func(path, to string) Change {
		c := changed(path, "a", to)
		c.Declared = true
		return c
	}
	many := func(n int, more ...Change) Entry {
		e := entryOf("ConfigMap", operationUpdate)
		for i := range n {
			e.Changes = append(e.Changes, changed(".data.a"+strconv.Itoa(i), "a", strings.Repeat("b", 100)))
		}
		e.Changes = append(e.Changes, more...)
		return e
	}
	t.Run("before what is not declared", func(t *testing.T) {
		e := many(100, declared(".data.z", "b"))
		spec := build("cr-x", &e).Spec
		want := v1alpha1.Change{Path: ".data.z", From: `"a"`, To: `"b"`, Declared: true}
		if diff := cmp.Diff(want, spec.Changes[len(spec.Changes)-1]); diff != "" {
			t.Errorf("the last change (-want +got):\n%s", diff)
		}
		if got := int(spec.ChangesOmitted) + len(spec.Changes); got != 101 {
			t.Errorf("%d changes are shown or counted, want 101", got)
		}
	})
	t.Run("without their values where there is too little room", func(t *testing.T) {
		e := many(1)
		for i := range 40 {
			e.Changes = append(e.Changes, declared(".data.z"+strconv.Itoa(i), strings.Repeat("b", 200)))
		}
		rec := build("cr-x", &e)
		shown := rec.Spec.Changes
		if len(shown) != 40 {
			t.Fatalf("%d changes are shown, want 40", len(shown))
		}
		if diff := cmp.Diff(v1alpha1.Change{Path: ".data.z39", From: ellipsis, To: ellipsis, Declared: true}, shown[39]); diff != "" {
			t.Errorf("the last change (-want +got):\n%s", diff)
		}
		if size(rec) > maxRecord || rec.Spec.ChangesOmitted != 1 {
			t.Errorf("%d bytes, %d omitted", size(rec), rec.Spec.ChangesOmitted)
		}
	})
	t.Run("and what does not fit is told", func(t *testing.T) {
		e := many(0)
		for i := range 200 {
			e.Changes = append(e.Changes, declared(".data.z"+strconv.Itoa(i), "b"))
		}
		rec := build("cr-x", &e)
		shown := rec.Spec.Changes
		if diff := cmp.Diff(v1alpha1.Change{Path: Unlisted, Declared: true}, shown[len(shown)-1]); diff != "" {
			t.Errorf("the last change (-want +got):\n%s", diff)
		}
		if got := int(rec.Spec.ChangesOmitted) + len(shown) - 1; got != 200 || size(rec) > maxRecord {
			t.Errorf("%d changes are shown or counted, want 200, in %d bytes", got, size(rec))
		}
	})
	t.Run("what was omitted before is told", func(t *testing.T) {
		e := many(0, declared(".data.z", "b"))
		e.Omitted, e.DeclaredOmitted = 3, true
		want := []v1alpha1.Change{{Path: ".data.z", From: `"a"`, To: `"b"`, Declared: true}, {Path: Unlisted, Declared: true}}
		if diff := cmp.Diff(want, build("cr-x", &e).Spec.Changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})
}

func TestPathsOfManagedFieldsReadLikeThoseOfChanges(t *testing.T) {
	name := func(s string) fieldpath.PathElement { return fieldpath.PathElement{FieldName: &s} }
	item := func(keys ...any) fieldpath.PathElement {
		return fieldpath.PathElement{Key: fieldpath.KeyByFields(keys...)}
	}
	member, index := value.NewValueInterface("a.b/<c>"), 3
	for want, path := range map[string]fieldpath.Path{
		`.metadata.annotations["a.b/c"]`:                     {name("metadata"), name("annotations"), name("a.b/c")},
		`.spec.ports[port=80,protocol="TCP"].name`:           {name("spec"), name("ports"), item("protocol", "TCP", "port", 80), name("name")},
		`.spec.list["a.b"=true]`:                             {name("spec"), name("list"), item("a.b", true)},
		`.metadata.finalizers[="a.b/\u003cc\u003e"].args[3]`: {name("metadata"), name("finalizers"), {Value: &member}, name("args"), {Index: &index}},
	} {
		if got := pathText(path); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
