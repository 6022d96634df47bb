package live

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestTheSameObjectTwiceChangesNothing(t *testing.T) {
	c, calls := newCluster(t)
	space := newSpace(t)
	for _, text := range []string{configMap, deployment, service, cronJob, secret} {
		o := prepare(t, c, space, text)
		first := apply(t, c, o, &State{})
		if first.Action != Created || first.State.Sync != mark || first.State.UID == "" {
			t.Errorf("%s: the first apply is %+v", o.Key, first)
		}
		calls.take()
		second := apply(t, c, o, &first.State)
		if second.Action != Unchanged && second.State.Generation == first.State.Generation { // its controller may have been faster
			t.Errorf("%s: the second apply is %+v, after %+v", o.Key, second, first)
		}
		if made := calls.take(); len(made) != 1 {
			t.Errorf("%s: the second apply took %v", o.Key, made)
		}
		if second.State.Hold != first.State.Hold {
			t.Errorf("%s: the claim changed without a change", o.Key)
		}
	}
	o := prepare(t, c, space, configMap)
	before := get(t, c, o).GetResourceVersion()
	apply(t, c, o, nil)
	if after := get(t, c, o).GetResourceVersion(); after != before {
		t.Errorf("applying the same moved the resourceVersion from %s to %s", before, after)
	}
}

const service = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`

const cronJob = `
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 3 * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}
`

const secret = `{apiVersion: v1, kind: Secret, metadata: {name: db}, stringData: {password: hunter2-and-more}}`

func TestAChangedObjectIsOneCall(t *testing.T) {
	c, calls := newCluster(t)
	space := newSpace(t)
	first := apply(t, c, prepare(t, c, space, configMap), &State{})
	changed := prepare(t, c, space, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: red}}`)
	calls.take()
	r := apply(t, c, changed, &first.State)
	want := []string{"PATCH /api/v1/namespaces/" + space + "/configmaps/settings"}
	if diff := cmp.Diff(want, calls.take()); diff != "" || r.Action != Configured {
		t.Errorf("%s: calls: %s", r.Action, diff)
	}
	live := get(t, c, changed)
	if diff := cmp.Diff(map[string]any{"colour": "red"}, field(t, live, "data")); diff != "" {
		t.Errorf("what left git is still there: %s", diff)
	}
	if diff := cmp.Diff(map[string]string{v1alpha1.AnnotationCommit: `3f2c1ab "raise web"`, v1alpha1.AnnotationSource: "clusters/prod/settings.yaml"}, live.GetAnnotations()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{v1alpha1.LabelSync: mark}, live.GetLabels()); diff != "" {
		t.Error(diff)
	}
	// Drift correction knows no commit of its own: that of the object stays.
	must(t, second(c.Apply(t.Context(), changed, ApplyOptions{Known: &r.State})))
	if got := get(t, c, changed).GetAnnotations()[v1alpha1.AnnotationCommit]; got != `3f2c1ab "raise web"` {
		t.Errorf("the commit became %q", got)
	}
}

func second(_ Result, err error) error { return err }

func TestTwoSyncsDoNotFightOverAnObject(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	o := prepare(t, c, space, configMap)
	r := apply(t, c, o, nil)
	other := *o
	other.Sync = "gitlatch-system.other"
	for name, known := range map[string]*State{"known": &r.State, "unknown": nil} {
		_, err := c.Apply(t.Context(), &other, ApplyOptions{Known: known, Force: true})
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.Sync != mark {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := get(t, c, o).GetResourceVersion(); after != r.State.ResourceVersion {
		t.Error("the conflict wrote")
	}
	_, err := c.Apply(t.Context(), &other, ApplyOptions{Released: func(m string) bool { return m == mark }})
	must(t, err)
}

func TestAnObjectMadeAnewUnderTheSameNameIsLookedAtFirst(t *testing.T) {
	c, _ := newCluster(t)
	space := newSpace(t)
	o := prepare(t, c, space, configMap)
	r := apply(t, c, o, &State{})
	kubectl(t, "", "-n", space, "delete", "configmap", "settings")
	kubectl(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {gitlatch.dev/sync: a.b}}}`, "-n", space, "create", "-f", "-")
	_, err := c.Apply(t.Context(), o, ApplyOptions{Known: &r.State})
	var conflict *ConflictError
	if !errors.As(err, &conflict) {
		t.Errorf("it was written over: %v", err)
	}
	kubectl(t, "", "-n", space, "delete", "configmap", "settings")
	if r := apply(t, c, o, &r.State); r.Action != Created {
		t.Errorf("deleted by hand, it is %s", r.Action)
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	c, _ := newCluster(t)
	o := prepare(t, c, newSpace(t), deployment)
	preview, err := c.Preview(t.Context(), o, ApplyOptions{})
	must(t, err)
	if got := field(t, preview, "spec", "replicas"); got != int64(2) {
		t.Errorf("the preview has %v replicas", got)
	}
	r, err := c.Apply(t.Context(), o, ApplyOptions{DryRun: true})
	must(t, err)
	if r.Action != Created {
		t.Errorf("the dry run is %s", r.Action)
	}
	state, err := c.Look(t.Context(), o.Ref)
	must(t, err)
	if state != (State{}) {
		t.Errorf("the dry run left %+v", state)
	}
}
