package live

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patchAs writes to the object as a manager of that name does.
func patchAs(t *testing.T, c *Cluster, o *Object, manager, patch string, subresource ...string) {
	t.Helper()
	m, err := c.mapping(o.GVK())
	must(t, err)
	_, err = c.dynamic.Resource(m.Resource).Namespace(o.Namespace).Patch(t.Context(), o.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: manager}, subresource...)
	must(t, err)
}

func TestTheClaimShowsWhoeverTouchesIt(t *testing.T) {
	const whole = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{"replicas":9,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"web","image":"web:1"}]}}}}`
	for name, test := range map[string]struct {
		by   func(t *testing.T, c *Cluster, o *Object)
		want bool // the claim changes
	}{
		"a declared field is edited": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "kubectl-edit", `{"spec":{"replicas":5}}`)
		}},
		"a declared field is edited by a controller": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"spec":{"replicas":5}}`)
		}},
		"a declared field is scaled": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "kubectl", `{"spec":{"replicas":5}}`, "scale")
		}},
		"a declared field is removed": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:1"}]}}}}`)
		}},
		"a person adds a key": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "kubectl-label", `{"metadata":{"labels":{"team":"a"}}}`)
		}},
		"a controller adds a key": {by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"metadata":{"labels":{"team":"a"},"annotations":{"operator/seen":"1"}},"spec":{"paused":true}}`)
		}},
		"a controller adds a finalizer": {by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"metadata":{"finalizers":["example.com/a"]}}`)
			patchAs(t, c, o, "operator", `{"metadata":{"finalizers":null}}`)
		}},
		"the status is written": {by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"status":{"conditions":[{"type":"Fine","status":"True"}]}}`, "status")
		}},
		"the mark is stripped": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"metadata":{"labels":{"gitlatch.dev/sync":null}}}`)
		}},
		"a mark is added": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"metadata":{"annotations":{"gitlatch.dev/break-glass-until":"2030-01-01T00:00:00Z"}}}`)
		}},
		"managedFields are emptied": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "operator", `{"metadata":{"managedFields":[{}]}}`)
		}},
		"an apply is forged under our name": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			kubectl(t, whole, "-n", o.Namespace, "apply", "--server-side", "--force-conflicts", "--field-manager=gitlatch", "-f", "-")
		}},
		"our very apply is forged with another value, a second later": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			time.Sleep(1100 * time.Millisecond)
			forged := *o
			forged.Payload = []byte(strings.Replace(string(o.Payload), `"replicas":2`, `"replicas":9`, 1))
			_, _, err := c.send(t.Context(), &forged, write{payload: forged.Payload, commit: `3f2c1ab "raise web"`})
			must(t, err)
		}},
		"an update is forged under our name": {want: true, by: func(t *testing.T, c *Cluster, o *Object) {
			patchAs(t, c, o, "gitlatch", `{"spec":{"paused":true}}`)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _ := newCluster(t)
			o := prepare(t, c, newSpace(t), deployment)
			before := apply(t, c, o, nil).State
			test.by(t, c, o)
			after, err := c.Look(t.Context(), o.Ref)
			must(t, err)
			if changed := after.Hold != before.Hold; changed != test.want {
				t.Errorf("the claim changed: %t", changed)
			}
			if after.Hold == before.Hold && after.Held != before.Held {
				t.Errorf("held since %d, now %d", before.Held, after.Held)
			}
		})
	}
}

func TestEveryWayToReadAnObjectShowsTheSameClaim(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	for _, text := range []string{configMap, service} {
		o := prepare(t, c, space, text)
		applied := apply(t, c, o, nil).State
		looked, err := c.Look(t.Context(), o.Ref)
		must(t, err)
		got := c.state(get(t, c, o))
		listed, err := c.Snapshot(t.Context(), o.GVK(), space)
		must(t, err)
		for how, s := range map[string]State{"look": looked, "get": got, "list": listed[o.Key]} {
			if s != applied {
				t.Errorf("%s, %s: %+v, not %+v", o.Key, how, s, applied)
			}
		}
	}
	none, err := c.Snapshot(t.Context(), schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Nothing"}, "")
	if len(none) != 0 || err != nil {
		t.Errorf("of a kind that is not served: %v, %v", none, err)
	}
}

func TestTheNewestManagerIsNamed(t *testing.T) {
	c, _ := newCluster(t)
	o := prepare(t, c, newSpace(t), configMap)
	apply(t, c, o, nil)
	patchAs(t, c, o, "operator", `{"data":{"other":"1"}}`)
	time.Sleep(1100 * time.Millisecond)
	patchAs(t, c, o, "kubectl-edit", `{"data":{"colour":"1"}}`)
	s, err := c.Look(t.Context(), o.Ref)
	must(t, err)
	if s.Manager != "kubectl-edit" || time.Since(time.Unix(s.Wrote, 0)) > time.Minute {
		t.Errorf("it is %s at %d", s.Manager, s.Wrote)
	}
	d := Differences(o, get(t, c, o).Object)
	if len(d) != 1 || d[0].Path != ".data.colour" || d[0].From != "1" || d[0].To != "green" {
		t.Errorf("different: %+v", d)
	}
}
