package applier

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// Scenario 16: what is edited or deleted by hand while the gate is open is restored
// within a second; keys added by hand go too.
func TestWhatIsChangedByHandIsRestoredWithinASecond(t *testing.T) {
	w := newProject(t, "warn")
	w.write("deploy/web.yaml", deployment)
	w.write("deploy/app.yaml", configMap("app"))
	commit := w.commit("declare web and app")
	w.follow()
	w.applied(commit)

	for _, test := range []struct {
		name          string
		command       []string
		object, field string
		want          string
	}{
		{"a value", []string{"patch", "configmap", "app", "--type=merge", "-p", `{"data":{"level":"debug"}}`}, "configmap/app", ".data.level", "info"},
		{"a key that git does not know", []string{"patch", "configmap", "app", "--type=merge", "-p", `{"data":{"extra":"x"}}`}, "configmap/app", ".data.extra", ""},
		{"a label that git does not know", []string{"label", "configmap", "app", "by=hand"}, "configmap/app", ".metadata.labels.by", ""},
		{"an image", []string{"set", "image", "deployment/web", "web=registry.example/web:2"}, "deployment/web", ".spec.template.spec.containers[0].image", "registry.example/web:1"},
		{"the scale", []string{"scale", "deployment/web", "--replicas=5"}, "deployment/web", ".spec.replicas", "2"},
		{"a list's item", []string{"set", "env", "deployment/web", "EXTRA=1"}, "deployment/web", ".spec.template.spec.containers[0].env[*].name", "LEVEL"},
		{"a deletion", []string{"delete", "configmap", "app", "--wait=false"}, "configmap/app", ".data.level", "info"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := w.get(test.object, ".metadata.resourceVersion")
			kubectl(t, "alice", append(test.command, "-n", w.namespace)...).MustAllow(t)
			began := time.Now()
			eventually(t, "what alice did to be undone", func(context.Context) error {
				if got := w.get(test.object, test.field); got != test.want || w.get(test.object, ".metadata.resourceVersion") == before {
					return errors.New(test.field + " is " + got)
				}
				return nil
			})
			t.Logf("seen undone after %s, polling included", time.Since(began).Round(time.Millisecond))
		})
	}
	drifts := 0
	for _, r := range here.Records(t, world.InNamespace(w.namespace)) {
		if r.Spec.Outcome == v1alpha1.OutcomeDrift {
			drifts++
			if r.Spec.Requester.Username != "alice" {
				t.Errorf("the drift %s (%s %s, %v) is of %q: the gate saw alice", r.Name, r.Spec.Request.Kind, r.Spec.Request.FieldManager, r.Spec.Changes, r.Spec.Requester.Username)
			}
		}
	}
	if drifts == 0 {
		t.Error("no drift is recorded")
	}
}
