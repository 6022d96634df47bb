package applier

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestDriftIsPulledBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   []string
		// of the record
		operation, manager string
		changes            []v1alpha1.Change
	}{
		{name: "a field is changed", do: []string{"patch", "configmap", "web", "-p", `{"data":{"greeting":"hello"}}`},
			operation: "UPDATE", manager: "kubectl-patch",
			changes: []v1alpha1.Change{{Path: ".data.greeting", From: `"hello"`, To: `"welcome"`, Declared: true}}},
		{name: "a key is added", do: []string{"patch", "configmap", "web", "-p", `{"data":{"more":"this"}}`},
			operation: "UPDATE", manager: "kubectl-patch",
			changes: []v1alpha1.Change{{Path: ".data.more", From: `"this"`, Declared: true}}},
		{name: "a key is removed", do: []string{"patch", "configmap", "web", "-p", `{"data":{"greeting":null}}`},
			operation: "UPDATE",
			changes:   []v1alpha1.Change{{Path: ".data.greeting", To: `"welcome"`, Declared: true}}},
		{name: "it is deleted", do: []string{"delete", "configmap", "web"}, operation: "DELETE"},
		{name: "the mark is stripped", do: []string{"label", "configmap", "web", "gitlatch.dev/sync-"},
			operation: "UPDATE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, newSpace(t), clock.RealClock{})
			b.run(commitOne, greeting)
			ref := b.object("ConfigMap", "web")
			uid := b.read(ref).GetUID()
			kubectl(t, "alice", "", append(tt.do, "-n", b.space)...)
			rec := b.recordsOf(1, resolved(drifts))[0]
			b.fields(ref, "map[greeting:welcome]", "data")
			b.fields(ref, b.mark, "metadata", "labels", "gitlatch.dev/sync")
			if again := b.read(ref).GetUID(); (again != uid) != (tt.operation == "DELETE") {
				t.Errorf("uid %s became %s", uid, again)
			}
			spec, status := rec.Spec, rec.Status
			if spec.Request.Operation != tt.operation || tt.manager != "" && spec.Request.FieldManager != tt.manager ||
				spec.Reason != v1alpha1.ReasonDrift || spec.Evidence != v1alpha1.EvidenceWatch ||
				spec.Confidence != v1alpha1.ConfidenceIndicated || spec.Requester.Username != "" || spec.Target.UID != uid {
				t.Errorf("record: %+v", spec)
			}
			if diff := cmp.Diff(tt.changes, spec.Changes); diff != "" && tt.changes != nil {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
			if status.Phase != v1alpha1.PhaseResolved || status.Resolution.State != v1alpha1.ResolutionReverted || status.Resolution.Commit != commitOne || status.Count != 1 {
				t.Errorf("status: %+v", status)
			}
			b.calm(t)
		})
	}
}

// calm checks that nothing more is written once all is as git declares it.
func (b *bench) calm(t *testing.T) {
	t.Helper()
	time.Sleep(300 * time.Millisecond)
	b.calls.take()
	version := b.read(b.object("ConfigMap", "web")).GetResourceVersion()
	time.Sleep(3 * time.Second)
	made := slices.DeleteFunc(b.calls.take(), func(m string) bool { return m == "GET" })
	if after := b.read(b.object("ConfigMap", "web")).GetResourceVersion(); after != version || len(made) > 0 {
		t.Errorf("resourceVersion %s became %s; calls %v", version, after, made)
	}
}

func TestOurOwnWritesAreNoDrift(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greetings)
	b.calls.take()
	if n := b.run(commitOne, greetings); n != 0 {
		t.Errorf("%d objects were applied again", n)
	}
	if n := b.run(commitTwo, strings.Replace(greetings, "30s", "40s", 1)); n != 1 {
		t.Errorf("%d objects were applied, want the one that changed", n)
	}
	time.Sleep(time.Second)
	if made := b.calls.take(); !slices.Equal(made, []string{"PATCH"}) {
		t.Errorf("calls: %v", made)
	}
	b.recordsOf(0, drifts)
}

func TestWhatAControllerWritesIsNoDrift(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "registry.example/web:1"}]}
`)
	b.calls.take()
	b.fields(b.object("Deployment", "web"), "1", "metadata", "annotations", "deployment.kubernetes.io/revision")
	time.Sleep(time.Second)
	if made := b.calls.take(); slices.Contains(made, "PATCH") {
		t.Errorf("calls: %v", made)
	}
	b.recordsOf(0, drifts)
	kubectl(t, "alice", "", "scale", "deployment/web", "--replicas=5", "-n", b.space)
	b.fields(b.object("Deployment", "web"), "2", "spec", "replicas")
	rec := b.recordsOf(1, resolved(drifts))[0]
	want := []v1alpha1.Change{{Path: ".spec.replicas", From: "5", To: "2", Declared: true}}
	if diff := cmp.Diff(want, rec.Spec.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestOneObjectThatCantBeCorrectedDoesNotStopTheOthers(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greetings)
	// What is immutable can't be pulled back without force.
	kubectl(t, "alice", "", "patch", "configmap", "api", "-n", b.space, "-p", `{"data":{"timeout":"1s"},"immutable":true}`)
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	b.fields(b.object("ConfigMap", "api"), "1s", "data", "timeout")
	b.forcing(true)
	b.fields(b.object("ConfigMap", "api"), "30s", "data", "timeout")
	b.recordsOf(2, resolved(drifts))
}

func TestReportOnlyRecords(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.mode(v1alpha1.DriftReport, false)
	b.run(commitOne, greeting)
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	rec := b.recordsOf(1, func(r *v1alpha1.ChangeRecord) bool { return drifts(r) && r.Status.Phase == v1alpha1.PhaseObserved })[0]
	if rec.Labels[v1alpha1.LabelUnresolved] != "true" || rec.Status.Resolution != nil {
		t.Errorf("record: %+v %+v", rec.Labels, rec.Status)
	}
	if got := fmt.Sprint(b.drifted()); got != "["+b.object("ConfigMap", "web").String()+"]" {
		t.Errorf("drifted: %s", got)
	}
	kubectl(t, "alice", "", "label", "configmap", "web", "-n", b.space, "some=thing") // not another drift of that field
	time.Sleep(time.Second)
	b.fields(b.object("ConfigMap", "web"), "hello", "data", "greeting")
	b.mode(v1alpha1.DriftCorrect, false)
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	eventually(t, "nothing is drifted", 5*time.Second, func() error {
		if got := b.drifted(); got != nil {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	for _, r := range b.recordsOf(len(b.all(drifts)), resolved(drifts)) {
		if r.Status.Resolution.State != v1alpha1.ResolutionReverted || r.Labels[v1alpha1.LabelUnresolved] != "" {
			t.Errorf("record: %+v %+v", r.Labels, r.Status)
		}
	}
}

func TestSuspendedNothingMoves(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greeting)
	b.suspend()
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	time.Sleep(time.Second)
	b.fields(b.object("ConfigMap", "web"), "hello", "data", "greeting")
	b.resume(commitOne)
	b.run(commitOne, greeting)
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	b.recordsOf(1, resolved(drifts))
}

func TestWhatDriftedBeforeANewerCommitIsRecordedToo(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greetings)
	b.suspend()
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	b.resume(commitOne)
	if n := b.run(commitTwo, strings.Replace(greetings, "30s", "40s", 1)); n != 2 {
		t.Errorf("%d objects were applied, want both", n)
	}
	rec := b.recordsOf(1, resolved(drifts))[0]
	want := []v1alpha1.Change{{Path: ".data.greeting", From: `"hello"`, To: `"welcome"`, Declared: true}}
	if diff := cmp.Diff(want, rec.Spec.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestANewProcessPullsBackWhatDriftedMeanwhile(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greetings+`---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept}
data: {a: b}
`)
	b.stop()
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	kubectl(t, "alice", "", "delete", "configmap", "api", "-n", b.space)
	next := newBench(t, b.space, clock.RealClock{})
	next.resume(commitOne)
	if n := next.run(commitOne, greetings+`---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept}
data: {a: b}
`); n != 0 {
		t.Errorf("%d objects were applied by the run", n)
	}
	next.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	next.fields(b.object("ConfigMap", "api"), "30s", "data", "timeout")
	next.recordsOf(2, resolved(drifts))
}

// all lists the records that pass the filter now.
func (b *bench) all(is func(*v1alpha1.ChangeRecord) bool) []v1alpha1.ChangeRecord {
	b.t.Helper()
	var all v1alpha1.ChangeRecordList
	must(b.t, newClient(b.t).List(b.t.Context(), &all))
	return slices.DeleteFunc(all.Items, func(r v1alpha1.ChangeRecord) bool { return r.Spec.Request.Namespace != b.space || !is(&r) })
}

func TestNoSecretIsShown(t *testing.T) {
	const planted = "cGxhbnRlZC12YWx1ZQ=="
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\ndata: {password: "+planted+"}\n")
	kubectl(t, "alice", "", "patch", "secret", "db", "-n", b.space, "-p", `{"data":{"password":"b3RoZXI=","more":"b3RoZXI="}}`)
	rec := b.recordsOf(1, resolved(drifts))[0]
	text := fmt.Sprintf("%+v", rec)
	for _, value := range []string{planted, "planted-value", "b3RoZXI=", "other"} {
		if strings.Contains(text, value) {
			t.Errorf("the record shows %q: %s", value, text)
		}
	}
	want := []v1alpha1.Change{
		{Path: ".data.more", From: "***", Declared: true},
		{Path: ".data.password", From: "*** (before)", To: "*** (after)", Declared: true},
	}
	slices.SortFunc(rec.Spec.Changes, func(a, b v1alpha1.Change) int { return strings.Compare(a.Path, b.Path) })
	if diff := cmp.Diff(want, rec.Spec.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	b.fields(b.object("Secret", "db"), "map[password:"+planted+"]", "data")
}

// TestDriftIsPulledBackWithinASecond measures it from the event to the answer of the
// correction, as the metric does.
func TestDriftIsPulledBackWithinASecond(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greeting)
	var took []time.Duration
	for i := range 5 {
		began := time.Now()
		kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", fmt.Sprintf(`{"data":{"greeting":"hello %d"}}`, i))
		changed := time.Now()
		eventually(t, "it is pulled back", 5*time.Second, func() error {
			v, _ := b.read(b.object("ConfigMap", "web")).Object["data"].(map[string]any)
			if v["greeting"] != "welcome" {
				return errors.New("not yet")
			}
			return nil
		})
		took = append(took, time.Since(changed))
		t.Logf("kubectl took %s, the correction at most %s after", changed.Sub(began), took[i])
	}
	if most := slices.Max(took); most > time.Second {
		t.Errorf("took up to %s", most)
	}
}
