package live

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestWhatPeopleAddedGoes(t *testing.T) {
	const labelled = "metadata"
	for name, test := range map[string]struct {
		declared string
		by       func(t *testing.T, space string)
		at       []string // what is looked at after
		want     any
		taken    []Takeover
	}{
		"kubectl apply came first": {
			declared: configMap,
			by: func(t *testing.T, space string) {
				kubectl(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: blue, extra: x}}`, "-n", space, "apply", "-f", "-")
			},
			at: []string{"data"}, want: map[string]any{"colour": "green", "size": "1"},
			taken: []Takeover{{Manager: "kubectl-client-side-apply", Operation: "Update", Fields: []string{".data.colour", ".data.extra", `.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]`}}},
		},
		"kubectl apply --server-side by a person": {
			declared: configMap,
			by: func(t *testing.T, space string) {
				kubectl(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {extra: x}}`, "-n", space, "apply", "--server-side", "-f", "-")
			},
			at: []string{"data"}, want: map[string]any{"colour": "green", "size": "1"},
			taken: []Takeover{{Manager: "kubectl", Operation: "Apply", Fields: []string{".data.extra"}}},
		},
		"kubectl label": {
			declared: configMap,
			by: func(t *testing.T, space string) {
				kubectl(t, configMap, "-n", space, "create", "-f", "-")
				kubectl(t, "", "-n", space, "label", "configmap", "settings", "team=a")
			},
			at: []string{labelled, "labels"}, want: map[string]any{v1alpha1.LabelSync: mark},
			taken: []Takeover{
				{Manager: "kubectl-create", Operation: "Update", Fields: []string{".data.colour", ".data.size"}},
				{Manager: "kubectl-label", Operation: "Update", Fields: []string{".metadata.labels.team"}},
			},
		},
		"kubectl set env": {
			declared: deployment,
			by: func(t *testing.T, space string) {
				c, _ := newCluster(t)
				apply(t, c, prepare(t, c, space, deployment), nil)
				kubectl(t, "", "-n", space, "set", "env", "deployment/web", "DEBUG=1")
			},
			at:   []string{"spec", "template", "spec", "containers"},
			want: []any{map[string]any{"name": "web", "env": []any{map[string]any{"name": "NODE", "valueFrom": map[string]any{"fieldRef": map[string]any{"apiVersion": "v1", "fieldPath": "spec.nodeName"}}}}}},
			taken: []Takeover{{Manager: "kubectl-set", Operation: "Update", Fields: []string{
				`.spec.template.spec.containers[name="web"].env[name="DEBUG"].name`, `.spec.template.spec.containers[name="web"].env[name="DEBUG"].value`}}},
		},
		"somebody emptied managedFields": {
			declared: configMap,
			by: func(t *testing.T, space string) {
				c, _ := newCluster(t)
				apply(t, c, prepare(t, c, space, configMap), nil)
				kubectl(t, "", "-n", space, "patch", "configmap", "settings", "--type=merge", "-p", `{"metadata":{"managedFields":[{}]},"data":{"extra":"x"}}`)
			},
			at: []string{"data"}, want: map[string]any{"colour": "green", "size": "1"},
			taken: []Takeover{{Manager: "before-first-apply", Operation: "Update"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newCluster(t)
			space := newSpace(t)
			test.by(t, space)
			o := prepare(t, c, space, test.declared)
			k := taken{}
			r, err := c.Apply(t.Context(), o, ApplyOptions{TookOver: k.over})
			must(t, err)
			if r.Action != TookOver {
				t.Errorf("it is %s", r.Action)
			}
			live := get(t, c, o)
			got := field(t, live, test.at...)
			if list, ok := got.([]any); ok { // only what the test is about
				item := list[0].(map[string]any)
				got = []any{map[string]any{"name": item["name"], "env": item["env"]}}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("after: %s", diff)
			}
			opts := []cmp.Option{cmpopts.IgnoreFields(Takeover{}, "At", "Ref", "Changes", "State"), cmpopts.SortSlices(func(a, b string) bool { return a < b })}
			if len(test.taken) == 1 && test.taken[0].Fields == nil {
				opts = append(opts, cmpopts.IgnoreFields(Takeover{}, "Fields"))
			}
			if diff := cmp.Diff(test.taken, k.list, opts...); diff != "" {
				t.Errorf("taken: %s", diff)
			}
			if again := apply(t, c, o, &r.State); again.Action == TookOver {
				t.Errorf("taken twice: %+v", again)
			}
			for _, m := range managers(live) {
				if m != "gitlatch Apply" && m != "kube-controller-manager Update status" {
					t.Errorf("%s still owns something", m)
				}
			}
			if d := Differences(o, live.Object); len(d) > 0 {
				t.Errorf("still different: %+v", d)
			}
		})
	}
}

func TestNothingIsTakenThatIsNotRecorded(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	kubectl(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {extra: x}}`, "-n", space, "apply", "-f", "-")
	o := prepare(t, c, space, configMap)
	full := errors.New("the disk is full")
	_, err := c.Apply(t.Context(), o, ApplyOptions{TookOver: func(context.Context, Takeover) error { return full }})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	must(t, second(c.Apply(t.Context(), o, ApplyOptions{})))
	want := map[string]any{"colour": "green", "size": "1", "extra": "x"}
	if diff := cmp.Diff(want, field(t, get(t, c, o), "data")); diff != "" {
		t.Error(diff)
	}
}

func TestWhatTheGateAdmitsAsAnOperationStays(t *testing.T) {
	c, calls := newCluster(t)
	space := newSpace(t)
	o := prepare(t, c, space, deployment)
	apply(t, c, o, nil)
	kubectl(t, "", "-n", space, "rollout", "restart", "deployment/web")
	kubectl(t, "", "-n", space, "scale", "deployment/web", "--replicas=5")
	calls.take()
	state, err := c.Look(t.Context(), o.Ref)
	must(t, err)
	calls.take()
	r := apply(t, c, o, &state)
	if made := calls.take(); len(made) != 1 || r.Action != Configured {
		t.Errorf("%s with %v", r.Action, made)
	}
	live := get(t, c, o)
	if field(t, live, "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt") == nil {
		t.Error("the restart's annotation went: that restarts again")
	}
	if got := field(t, live, "spec", "replicas"); got != int64(2) {
		t.Errorf("it is scaled to %v", got)
	}
	// An edit beside the restart, under the same name, goes alone.
	kubectl(t, "", "-n", space, "patch", "deployment", "web", "--field-manager=kubectl-rollout", "-p", `{"spec":{"template":{"metadata":{"annotations":{"note":"x"}}}}}`)
	apply(t, c, o, nil)
	annotations, _, _ := unstructured.NestedStringMap(get(t, c, o).Object, "spec", "template", "metadata", "annotations")
	if _, ok := annotations["kubectl.kubernetes.io/restartedAt"]; !ok || len(annotations) != 1 {
		t.Errorf("the template's annotations are %v", annotations)
	}
}

func TestWhatCannotBeTakenOffStaysAsNobodys(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	kubectl(t, `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {volumeName: disk-1, storageClassName: "", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}`, "-n", space, "apply", "-f", "-")
	o := prepare(t, c, space, `{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {storageClassName: "", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}}`)
	if r := apply(t, c, o, nil); r.Action != TookOver {
		t.Errorf("it is %s", r.Action)
	}
	live := get(t, c, o)
	if got := field(t, live, "spec", "volumeName"); got != "disk-1" {
		t.Errorf("the volume is %v", got)
	}
	if d := Differences(o, live.Object); len(d) > 0 {
		t.Errorf("different: %+v", d)
	}
	if r := apply(t, c, o, nil); r.Action != Unchanged {
		t.Errorf("the next apply is %s", r.Action)
	}
}
