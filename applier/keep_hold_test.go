package applier

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/test/cluster"
)

const replicated = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
`

// whole waits until our claim on an object is what git declares.
func (b *bench) whole(ref live.Ref, text string) {
	b.t.Helper()
	o := b.prepared(text)[0]
	eventually(b.t, "we own what is declared", 5*time.Second, func() error {
		if found := b.read(ref); !live.Whole(&o, found) {
			return fmt.Errorf("%v", found.GetManagedFields())
		}
		return nil
	})
}

func TestWhatWasChangedAndChangedBackUnseenIsHeldAgain(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, replicated)
	b.suspend()
	for _, n := range []string{"5", "2"} {
		kubectl(t, "alice", "", "scale", "deployment/web", "--replicas="+n, "-n", b.space)
	}
	b.resume(commitOne)
	b.run(commitOne, replicated)
	ref := b.object("Deployment", "web")
	b.whole(ref, replicated)
	b.recordsOf(0, drifts)
	kubectl(t, "alice", "", "scale", "deployment/web", "--replicas=9", "-n", b.space)
	b.fields(ref, "2", "spec", "replicas")
	b.recordsOf(1, resolved(drifts))
}

func TestWithoutManagedFieldsItIsHeldAgain(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greeting)
	ref := b.object("ConfigMap", "web")
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "--type=json", "-p", `[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]`)
	b.whole(ref, greeting)
	b.calm(t)
	b.recordsOf(0, drifts)
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hacked"}}`)
	b.fields(ref, "welcome", "data", "greeting")
	b.recordsOf(1, resolved(drifts))
}

func TestATakeoverThatWasCutShortIsFinished(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greeting)
	b.stop()
	// What was people's is ours already, and has not gone yet.
	more := b.prepared("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {greeting: welcome, more: this}\n")
	_, err := b.cluster.Apply(t.Context(), &more[0], live.ApplyOptions{Commit: commitOne + ` "a subject"`})
	must(t, err)
	next := newBench(t, b.space, clock.RealClock{})
	next.resume(commitOne)
	next.run(commitOne, greeting)
	next.fields(b.object("ConfigMap", "web"), "map[greeting:welcome]", "data")
	rec := next.recordsOf(1, resolved(drifts))[0]
	if diff := cmp.Diff([]v1alpha1.Change{{Path: ".data.more", From: `"this"`, Declared: true}}, rec.Spec.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestWhatTheAPIServerHasOtherwiseIsNoDrift(t *testing.T) {
	needCluster(t)
	kubectl(t, "admin", `apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: louder}
spec:
  reinvocationPolicy: Never
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {louder: "true"}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  matchConditions: [{name: greets, expression: 'has(object.data) && "greeting" in object.data'}]
  mutations:
  - patchType: JSONPatch
    jsonPatch: {expression: '[JSONPatch{op: "replace", path: "/data/greeting", value: "WELCOME"}]'}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: louder}
spec: {policyName: louder}
`, "apply", "-f", "-")
	b := newBench(t, newSpace(t, "louder=true"), clock.RealClock{})
	eventually(t, "the policy works", 10*time.Second, func() error {
		kubectl(t, "admin", "", "create", "configmap", "probe", "--from-literal=greeting=a", "-n", b.space)
		got := kubectl(t, "admin", "", "get", "configmap", "probe", "-o", "jsonpath={.data.greeting}", "-n", b.space)
		kubectl(t, "admin", "", "delete", "configmap", "probe", "-n", b.space)
		if got != "WELCOME" {
			return errors.New(got)
		}
		return nil
	})
	b.run(commitOne, greeting)
	b.fields(b.object("ConfigMap", "web"), "WELCOME", "data", "greeting")
	b.stop()
	next := newBench(t, b.space, clock.RealClock{})
	next.resume(commitOne)
	next.run(commitOne, greeting)
	next.calm(t)
	next.recordsOf(0, drifts)
}

func TestWhatCantBeWatchedIsAppliedByEachRun(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	tenant, err := shared.cluster.ServiceAccount(t.Context(), b.space, "tenant", cluster.AccountOptions{})
	must(t, err)
	kubectl(t, "admin", "", "create", "role", "tenant", "--verb=get,create,patch", "--resource=configmaps", "-n", b.space)
	kubectl(t, "admin", "", "create", "rolebinding", "tenant", "--role=tenant", "--serviceaccount="+b.space+":tenant", "-n", b.space)
	b.cluster, err = live.New(rest.CopyConfig(shared.cluster.Config(tenant.Login)))
	must(t, err)
	b.mode(v1alpha1.DriftCorrect, true)
	b.run(commitOne, greeting)
	var told []string
	for _, blind := range b.blind() {
		told = append(told, blind.what)
	}
	if want := []string{"ConfigMap in " + b.space}; !slices.Equal(told, want) {
		t.Errorf("blind: %v", told)
	}
	b.edit(applierConfig(t), "web", `{"data":{"greeting":"hello"}}`)
	if n := b.run(commitOne, greeting); n != 1 {
		t.Errorf("%d objects were applied", n)
	}
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	b.recordsOf(1, resolved(drifts))
	kubectl(t, "admin", "", "create", "role", "seer", "--verb=list,watch", "--resource=configmaps", "-n", b.space)
	kubectl(t, "admin", "", "create", "rolebinding", "seer", "--role=seer", "--serviceaccount="+b.space+":tenant", "-n", b.space)
	eventually(t, "it is watched", 15*time.Second, func() error {
		if blind := b.blind(); len(blind) > 0 {
			return fmt.Errorf("%v", blind)
		}
		return nil
	})
}

func TestWhatAnAdoptionOverwritesIsRecordedFirst(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	kubectl(t, "alice", "", "create", "configmap", "web", "--from-literal=greeting=hello", "-n", b.space)
	kubectl(t, "bob", "", "label", "configmap", "web", "team=a", "-n", b.space)
	b.run(commitOne, greeting)
	b.fields(b.object("ConfigMap", "web"), "map[greeting:welcome]", "data")
	got := map[string][]v1alpha1.Change{}
	for _, r := range b.recordsOf(2, resolved(drifts)) {
		if r.Spec.Reason != v1alpha1.ReasonTakeover {
			t.Errorf("%s: %s", r.Name, r.Spec.Reason)
		}
		got[r.Spec.Request.FieldManager] = r.Spec.Changes
	}
	want := map[string][]v1alpha1.Change{
		"kubectl-create": {{Path: ".data.greeting", From: `"hello"`, To: `"welcome"`, Declared: true}},
		"kubectl-label":  {{Path: ".metadata.labels.team", From: `"a"`, Declared: true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}
