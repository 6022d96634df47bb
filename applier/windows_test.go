package applier

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

const glass = "gitlatch.dev/break-glass=INC-42: the database is gone"

// breakGlass opens a window on a target, as the one on call does.
func (b *bench) breakGlass(target, duration string) {
	b.t.Helper()
	args := []string{"annotate", target, glass, "gitlatch.dev/break-glass-for=" + duration}
	if !strings.HasPrefix(target, "namespace/") {
		args = append(args, "-n", b.space)
	}
	kubectl(b.t, "oncall", "", args...)
}

func (b *bench) oncall(args ...string) {
	b.t.Helper()
	kubectl(b.t, "oncall", "", append(args, "-n", b.space)...)
}

func inWindows(r *v1alpha1.ChangeRecord) bool { return r.Spec.Outcome == v1alpha1.OutcomeBreakGlass }

// endedAs checks how the records of windows, and of what was written inside, ended. That something was pulled back may
// be known a little after that git caught up, and outweighs it.
func (b *bench) endedAs(n int, want v1alpha1.ResolutionState, commit string) {
	b.t.Helper()
	eventually(b.t, "the records to end", 15*time.Second, func() error {
		for _, r := range b.recordsOf(n, resolved(inWindows)) {
			got := *r.Status.Resolution
			got.At.Reset()
			if diff := cmp.Diff(v1alpha1.Resolution{State: want, Commit: commit}, got); diff != "" || r.Status.Phase != v1alpha1.PhaseResolved {
				return fmt.Errorf("%s of %s, phase %s: resolution (-want +got):\n%s", r.Spec.Request.Operation, r.Spec.Request.Name, r.Status.Phase, diff)
			}
		}
		return nil
	})
}

func (b *bench) unmarked(ref live.Ref) {
	b.t.Helper()
	for key := range b.read(ref).GetAnnotations() {
		if strings.HasPrefix(key, v1alpha1.AnnotationBreakGlass) {
			b.t.Errorf("%s still carries %s", ref, key)
		}
	}
}

func TestWhatAWindowCoversIsLeftAloneAndPulledBackAtItsEnd(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greetings)
	web := b.object("ConfigMap", "web")
	b.breakGlass("configmap/web", "6s")
	b.oncall("patch", "configmap", "web", "-p", `{"data":{"greeting":"closed","more":"this"}}`)
	time.Sleep(1500 * time.Millisecond)
	b.fields(web, "map[greeting:closed more:this]", "data")
	if n := b.run(commitTwo, strings.Replace(greetings, "welcome", "good day", 1)); n != 0 {
		t.Errorf("%d objects were applied in the window", n)
	}
	b.fields(web, "map[greeting:closed more:this]", "data")
	b.fields(web, "map[greeting:good day]", "data")
	b.endedAs(2, v1alpha1.ResolutionReverted, commitTwo)
	b.unmarked(web)
	rec := b.recordsOf(1, resolved(drifts))[0]
	if rec.Spec.Confidence != v1alpha1.ConfidenceProven || rec.Spec.Requester.Username != "oncall" {
		t.Errorf("the drift is by %q, %s", rec.Spec.Requester.Username, rec.Spec.Confidence)
	}
}

func TestWhatIsDeletedInAWindowIsRecreatedAtItsEnd(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greeting)
	b.breakGlass("configmap/web", "5s")
	b.oncall("delete", "configmap", "web")
	time.Sleep(1500 * time.Millisecond)
	if b.read(b.object("ConfigMap", "web")) != nil {
		t.Error("it was recreated inside the window")
	}
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	b.endedAs(2, v1alpha1.ResolutionReverted, commitOne)
	b.unmarked(b.object("ConfigMap", "web"))
}

func TestWhatACommitCaughtUpWithInAWindowStays(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greeting)
	b.breakGlass("configmap/web", "5s")
	b.oncall("patch", "configmap", "web", "-p", `{"data":{"greeting":"closed"}}`)
	b.run(commitTwo, strings.Replace(greeting, "welcome", "closed", 1))
	b.endedAs(2, v1alpha1.ResolutionCommitted, commitTwo)
	b.fields(b.object("ConfigMap", "web"), "map[greeting:closed]", "data")
	b.unmarked(b.object("ConfigMap", "web"))
	b.recordsOf(0, drifts)
}

func TestAWindowOnANamespaceEndsWithAllThatItCovers(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greetings)
	b.breakGlass("namespace/"+b.space, "30s")
	b.oncall("patch", "configmap", "web", "-p", `{"data":{"greeting":"closed"}}`)
	b.oncall("delete", "configmap", "api")
	time.Sleep(time.Second)
	b.fields(b.object("ConfigMap", "web"), "closed", "data", "greeting")
	kubectl(t, "oncall", "", "annotate", "namespace", b.space, "gitlatch.dev/break-glass-")
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	b.fields(b.object("ConfigMap", "api"), "30s", "data", "timeout")
	// What was done to the namespace itself, which no sync declares, waits for review.
	b.endedAs(3, v1alpha1.ResolutionReverted, commitOne)
}

func TestAWindowThatEndedWhileNobodyWatchedIsFinished(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greetings)
	b.breakGlass("configmap/web", "2s")
	b.oncall("patch", "configmap", "web", "-p", `{"data":{"greeting":"closed"}}`)
	b.stop()
	time.Sleep(6 * time.Second) // the gate takes the label away two seconds after the end
	next := newBench(t, b.space, clock.RealClock{})
	next.resume(commitOne)
	next.run(commitOne, greetings)
	next.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	next.endedAs(2, v1alpha1.ResolutionReverted, commitOne)
	next.unmarked(b.object("ConfigMap", "web"))
}

func TestAFlaggedWriteIsPulledBackByName(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=warn"), clock.RealClock{})
	b.run(commitOne, greetings)
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	kubectl(t, "bob", "", "delete", "configmap", "api", "-n", b.space)
	b.fields(b.object("ConfigMap", "web"), "welcome", "data", "greeting")
	b.fields(b.object("ConfigMap", "api"), "30s", "data", "timeout")
	by := map[string]string{}
	for _, r := range b.recordsOf(2, resolved(drifts)) {
		by[r.Spec.Requester.Username] = r.Spec.Request.Operation + " " + string(r.Spec.Confidence) + " " + r.Spec.Policy
	}
	want := map[string]string{"alice": "UPDATE Proven warn", "bob": "DELETE Proven warn"}
	if diff := cmp.Diff(want, by); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	for _, r := range b.recordsOf(2, resolved(func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Outcome == v1alpha1.OutcomeFlagged })) {
		if r.Status.Resolution.State != v1alpha1.ResolutionReverted || r.Status.Resolution.Commit != commitOne {
			t.Errorf("the record of %s: %+v", r.Spec.Requester.Username, r.Status.Resolution)
		}
	}
}

func TestAFlaggedWriteThatACommitCaughtUpWithIsCommitted(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=warn"), clock.RealClock{})
	b.mode(v1alpha1.DriftReport, false)
	b.run(commitOne, greeting)
	kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	b.recordsOf(1, drifts)
	b.run(commitTwo, strings.Replace(greeting, "welcome", "hello", 1))
	for _, r := range b.recordsOf(1, resolved(func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Outcome == v1alpha1.OutcomeFlagged })) {
		if r.Status.Resolution.State != v1alpha1.ResolutionCommitted || r.Status.Resolution.Commit != commitTwo {
			t.Errorf("the record of %s: %+v", r.Spec.Requester.Username, r.Status.Resolution)
		}
	}
}
