package live

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func TestWhatPeopleOwnAndWhatOfItGoes(t *testing.T) {
	for name, test := range map[string]struct {
		by    func(t *testing.T, c *Cluster, o *Object)
		owned bool
		goes  []policy.Change
	}{
		"nobody but us": {by: func(*testing.T, *Cluster, *Object) {}},
		"a person adds a key": {
			by:    func(t *testing.T, c *Cluster, o *Object) { patchAs(t, c, o, "kubectl-edit", `{"data":{"more":"x"}}`) },
			owned: true, goes: []policy.Change{{Path: ".data.more", From: "x", HasFrom: true}},
		},
		"a person owns what is declared": {
			by: func(t *testing.T, c *Cluster, o *Object) {
				patchAs(t, c, o, "kubectl-edit", `{"data":{"colour":"red"}}`)
				patchAs(t, c, o, "kubectl-edit", `{"data":{"colour":"green"}}`)
			},
			owned: true,
		},
		"a person owns the commit annotation": {
			by: func(t *testing.T, c *Cluster, o *Object) {
				patchAs(t, c, o, "kubectl-annotate", `{"metadata":{"annotations":{"`+v1alpha1.AnnotationCommit+`":"x"}}}`)
			},
			owned: true,
		},
		"a controller adds a key": {
			by: func(t *testing.T, c *Cluster, o *Object) { patchAs(t, c, o, "operator", `{"data":{"more":"x"}}`) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := newCluster(t)
			o := prepare(t, c, newSpace(t), configMap)
			apply(t, c, o, nil)
			test.by(t, c, o)
			owned, goes, err := c.Personal(o, get(t, c, o))
			must(t, err)
			if diff := cmp.Diff(test.goes, goes); diff != "" || owned != test.owned {
				t.Errorf("owned %t; goes: %s", owned, diff)
			}
		})
	}
}

func TestTheWriterOfAFieldIsWhoWroteItLast(t *testing.T) {
	c, _ := newCluster(t)
	o := prepare(t, c, newSpace(t), configMap)
	apply(t, c, o, nil)
	patchAs(t, c, o, "operator", `{"data":{"size":"2"}}`)
	found := get(t, c, o)
	for path, want := range map[string]string{".data.size": "operator", ".data.colour": "", ".data": "operator"} {
		manager, at := Writer(found, path)
		if manager != want || (at > 0) != (want != "") {
			t.Errorf("%s: %q at %d, want %q", path, manager, at, want)
		}
	}
}

func TestMarksAreTakenOffWhatNobodyWroteSince(t *testing.T) {
	c, _ := newCluster(t)
	o := prepare(t, c, newSpace(t), configMap)
	apply(t, c, o, nil)
	patchAs(t, c, o, "operator", `{"metadata":{"annotations":{"gitlatch.dev/break-glass-record":"cr-1"}}}`)
	found := get(t, c, o)
	if !c.StateOf(found).Stamped {
		t.Error("it does not show that it is stamped")
	}
	_, err := c.Unmark(t.Context(), o.Ref, "1", []string{v1alpha1.AnnotationBreakGlassRecord})
	if !apierrors.IsConflict(err) {
		t.Errorf("got %v", err)
	}
	state, err := c.Unmark(t.Context(), o.Ref, found.GetResourceVersion(), []string{v1alpha1.AnnotationBreakGlassRecord})
	must(t, err)
	if live := get(t, c, o); state.Stamped || live.GetAnnotations()[v1alpha1.AnnotationBreakGlassRecord] != "" || live.GetAnnotations()[v1alpha1.AnnotationSource] == "" {
		t.Errorf("annotations: %v", live.GetAnnotations())
	}
}

func TestWholeObjectsAreListedByMark(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	o := prepare(t, c, space, configMap)
	apply(t, c, o, nil)
	kubectl(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: other}}`, "-n", space, "create", "-f", "-")
	var names []string
	each := func(found *unstructured.Unstructured) { names = append(names, found.GetName()) }
	must(t, c.List(t.Context(), Watched{GVK: o.GVK(), Namespace: space, Selector: v1alpha1.LabelSync + "=" + mark}, each))
	must(t, c.List(t.Context(), Watched{GVK: schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "None"}}, each))
	if !slices.Equal(names, []string{"settings"}) {
		t.Errorf("listed: %v", names)
	}
}

func TestAFieldIsFoundByItsPath(t *testing.T) {
	object := map[string]any{"spec": map[string]any{
		"replicas": int64(2), "containers": []any{map[string]any{"name": "web", "image": "web:1", "args": []any{"a", "b"}}},
	}, "metadata": map[string]any{"annotations": map[string]any{"example.com/a": "x"}}}
	for path, want := range map[string]any{
		".spec.replicas":                         int64(2),
		`.spec.containers[name="web"].image`:     "web:1",
		`.spec.containers[0].args[1]`:            "b",
		`.metadata.annotations["example.com/a"]`: "x",
		`.spec.containers[name="api"].image`:     nil,
		".spec.containers[7]":                    nil,
		".spec.replicas.more":                    nil,
		`.spec.containers[name="web"`:            nil,
	} {
		if got, there := Field(object, path); got != want || there != (want != nil) {
			t.Errorf("%s: %v, %t", path, got, there)
		}
	}
}
