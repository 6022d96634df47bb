package applier

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// Scenario 19: where spec.ignore leaves the replicas to others, a HorizontalPodAutoscaler's
// value stays through the syncs of other changes, and of the ignored field itself; for
// people the field is guarded all the same.
func TestTheAutoscalersValueStaysThroughSyncs(t *testing.T) {
	t.Parallel() // the controller looks every 15 s
	w := newProject(t, "")
	w.write("deploy/web.yaml", deployment)
	w.write("deploy/hpa.yaml", `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: NS}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 4
  maxReplicas: 6
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]
`)
	first := w.commit("declare web, scaled by an HPA")
	w.follow("ignore: [{group: apps, kind: Deployment, fields: [spec.replicas]}]")
	w.applied(first)
	err := gitlatch.WaitFor(t.Context(), time.Minute, "the HPA to scale web to its minimum", func(context.Context) error {
		if got := w.get("deployment/web", ".spec.replicas"); got != "4" {
			return errors.New("it has " + got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	w.applied(first)
	for _, change := range []struct{ message, from, to, field, want string }{
		{"another image", "web:1", "web:2", ".spec.template.spec.containers[0].image", "registry.example/web:2"},
		{"another value of the ignored field", "replicas: 2", "replicas: 3", ".spec.replicas", "4"},
		{"both", "web:1", "web:3", ".spec.template.spec.containers[0].image", "registry.example/web:3"},
	} {
		w.write("deploy/web.yaml", strings.Replace(deployment, change.from, change.to, 1))
		w.applied(w.commit(change.message))
		if got := w.get("deployment/web", change.field); got != change.want {
			t.Errorf("%s: %s is %q, not %q", change.message, change.field, got, change.want)
		}
		if got := w.get("deployment/web", ".spec.replicas"); got != "4" {
			t.Errorf("%s: the HPA's value did not stay: %s replicas", change.message, got)
		}
	}
	kubectl(t, "alice", "scale", "deployment/web", "--replicas=6", "-n", w.namespace).MustDeny(t, v1alpha1.ReasonOutOfBand)
	for _, r := range here.Records(t, world.InNamespace(w.namespace)) {
		if r.Spec.Outcome == v1alpha1.OutcomeDrift {
			t.Errorf("the HPA's value is recorded as drift: %v", r.Spec.Changes)
		}
	}
}
