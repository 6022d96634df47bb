package applier

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// openGlass has oncall open a window over an object of the project's namespace, and
// returns the record of the opening. more are annotations beside the reason.
func (w *project) openGlass(object string, more ...string) (record string) {
	w.t.Helper()
	args := append([]string{"annotate", object, "-n", w.namespace, v1alpha1.AnnotationBreakGlass + "=INC-42: the database is gone"}, more...)
	kubectl(w.t, "oncall", args...).MustAllow(w.t)
	return w.get(object, `.metadata.annotations.gitlatch\.dev/break-glass-record`)
}

// closeGlass has oncall end the window, once the controller has followed what was done
// in it: a write that meets the controller's is admitted twice, and the second time the
// window is over already.
func (w *project) closeGlass(object string) {
	w.t.Helper()
	w.pulledBack("deployment/web", ".status.observedGeneration", w.get("deployment/web", ".metadata.generation"))
	kubectl(w.t, "oncall", "annotate", object, "-n", w.namespace, v1alpha1.AnnotationBreakGlass+"-").MustAllow(w.t)
}

// oncall does something in the project's namespace that must go through.
func (w *project) oncall(args ...string) {
	w.t.Helper()
	kubectl(w.t, "oncall", append(args, "-n", w.namespace)...).MustAllow(w.t)
}

// resolved waits until the record of a window says how it ended, and the records of all
// writes inside it as well, and fails where one says something else. To take the
// annotation away is one of the writes.
func (w *project) resolved(record string, end v1alpha1.WindowEndReason, state v1alpha1.ResolutionState, commit string, writes int) {
	w.t.Helper()
	var inside []v1alpha1.ChangeRecord
	eventually(w.t, "the records of the window to end", func(ctx context.Context) error {
		list := &v1alpha1.ChangeRecordList{}
		if err := here.Client(w.t, "admin").List(ctx, list); err != nil {
			return err
		}
		inside = nil
		for _, r := range list.Items {
			g := r.Spec.BreakGlass
			switch {
			case g == nil || r.Name != record && g.Window != record:
				continue
			case r.Name == record && (r.Status.Window == nil || r.Status.Window.Reason != end):
				return fmt.Errorf("the window's end is %v", r.Status.Window)
			case r.Status.Resolution == nil || r.Status.Phase != v1alpha1.PhaseResolved:
				return fmt.Errorf("%s (%v) is %s: %v", r.Name, r.Spec.Changes, r.Status.Phase, r.Status.Resolution)
			}
			inside = append(inside, r)
		}
		return nil
	})
	for _, r := range inside {
		if r.Name != record && !slices.ContainsFunc(r.Spec.Changes, func(c v1alpha1.Change) bool { return !strings.Contains(c.Path, v1alpha1.AnnotationBreakGlass) }) &&
			r.Spec.Request.Operation == "UPDATE" {
			continue // the annotation was taken away: neither undone nor committed
		}
		if got := r.Status.Resolution; got.State != state || got.Commit != commit {
			w.t.Errorf("%s (%v) ended as %s %s, not as %s %s", r.Name, r.Spec.Changes, got.State, got.Commit, state, commit)
		}
	}
	if got := len(inside) - 1; got != writes {
		w.t.Errorf("%d writes inside the window are recorded, not %d", got, writes)
	}
}

// unmarked waits until no mark of a window is left on an object.
func (w *project) unmarked(object string) {
	w.t.Helper()
	eventually(w.t, "the marks of the window to go", func(context.Context) error {
		if got := w.get(object, ".metadata.annotations"); strings.Contains(got, "break-glass") {
			return fmt.Errorf("annotations %s", got)
		}
		return nil
	})
}

// shop is a guarded world in which web and app are applied.
func shop(t *testing.T) (w *project, first string) {
	t.Helper()
	w = newProject(t, "")
	w.write("deploy/web.yaml", deployment)
	w.write("deploy/app.yaml", configMap("app"))
	first = w.commit("declare web and app")
	w.follow()
	w.applied(first)
	return w, first
}

// message is what the condition Ready says.
func (w *project) message() string {
	w.t.Helper()
	s := &v1alpha1.GitSync{}
	if err := here.Client(w.t, "admin").Get(w.t.Context(), client.ObjectKey{Namespace: w.home, Name: w.sync}, s); err != nil {
		w.t.Fatal(err)
	}
	return condition(s, v1alpha1.ConditionReady).Message
}

// What is done in a window stays while it is open, through the sync of a new commit
// too; when its annotation is taken away, the object is pulled back to that commit.
func TestAnObjectInAnOpenWindowIsLeftAloneAndPulledBackAtItsEnd(t *testing.T) {
	w, _ := shop(t)
	record := w.openGlass("deployment/web")
	w.oncall("scale", "deployment/web", "--replicas=5")
	w.oncall("set", "image", "deployment/web", "web=registry.example/web:hotfix")
	w.oncall("label", "deployment/web", "by=oncall")
	w.write("deploy/web.yaml", strings.Replace(deployment, "value: info", "value: debug", 1))
	w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", "debug"))
	second := w.commit("debug everything")
	w.applied(second)
	if got, want := w.message(), "applied main@"+second[:7]+": 3 objects, of which 1 are left alone in a break-glass window"; got != want {
		t.Errorf("the condition says %q, not %q", got, want)
	}
	if got := w.get("configmap/app", ".data.level"); got != "debug" {
		t.Errorf("app's level is %q: the window stopped what it does not cover", got)
	}
	const fields = ".spec.replicas} {.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].value} {.metadata.labels.by"
	if got, want := w.get("deployment/web", fields), "5 registry.example/web:hotfix info oncall"; got != want {
		t.Errorf("web is %q in the window, not %q", got, want)
	}

	w.closeGlass("deployment/web")
	w.pulledBack("deployment/web", fields, "2 registry.example/web:1 debug ")
	w.unmarked("deployment/web")
	w.resolved(record, v1alpha1.WindowRemoved, v1alpha1.ResolutionReverted, second, 4)
	w.applied(second)
	if got, want := w.message(), "applied main@"+second[:7]+": 3 objects"; got != want {
		t.Errorf("the condition says %q, not %q", got, want)
	}
	kubectl(t, "oncall", "scale", "deployment/web", "--replicas=5", "-n", w.namespace).MustDeny(t, v1alpha1.ReasonOutOfBand)
}

// What was deleted in a window is created again when its time is over.
func TestWhatWasDeletedInAWindowIsRecreatedWhenItExpires(t *testing.T) {
	t.Parallel() // it waits for the time to be over
	w, first := shop(t)
	record := w.openGlass("configmap/app", v1alpha1.AnnotationBreakGlassFor+"=6s")
	w.oncall("delete", "configmap/app")
	w.applied(first)
	if w.get("configmap/app", ".metadata.name") != "" {
		t.Error("app was created again while the window was open")
	}
	w.pulledBack("configmap/app", ".data.level", "info")
	w.unmarked("configmap/app")
	w.resolved(record, v1alpha1.WindowExpired, v1alpha1.ResolutionReverted, first, 1)
}

// What a commit made legitimate meanwhile ends as committed by it.
func TestWhatACommitCaughtUpWithEndsAsCommitted(t *testing.T) {
	w, _ := shop(t)
	record := w.openGlass("deployment/web")
	w.oncall("scale", "deployment/web", "--replicas=5")
	w.write("deploy/web.yaml", strings.Replace(deployment, "replicas: 2", "replicas: 5", 1))
	second := w.commit("five replicas, as oncall found out")
	w.applied(second)
	w.closeGlass("deployment/web")
	w.unmarked("deployment/web")
	w.resolved(record, v1alpha1.WindowRemoved, v1alpha1.ResolutionCommitted, second, 2)
	if got := w.get("deployment/web", ".spec.replicas"); got != "5" {
		t.Errorf("web has %s replicas", got)
	}
}

// A window over a namespace covers all in it.
func TestAWindowOverANamespaceCoversAllInIt(t *testing.T) {
	w, first := shop(t)
	object := "namespace/" + w.namespace
	record := w.openGlass(object)
	w.oncall("scale", "deployment/web", "--replicas=5")
	w.oncall("delete", "configmap/app")
	w.oncall("create", "configmap", "stopgap")
	w.applied(first)
	if got := w.get("deployment/web", ".spec.replicas"); got != "5" || w.get("configmap/app", ".metadata.name") != "" {
		t.Errorf("something was pulled back while the window was open: web has %s replicas", got)
	}
	w.closeGlass(object)
	w.pulledBack("deployment/web", ".spec.replicas", "2")
	w.pulledBack("configmap/app", ".data.level", "info")
	w.unmarked(object)
	w.ended(record)
	if w.get("configmap/stopgap", ".metadata.name") == "" {
		t.Error("what git never declared was deleted")
	}
}

// ended waits until a window's record is resolved as reverted.
func (w *project) ended(record string) {
	w.t.Helper()
	eventually(w.t, "the window's record to end", func(ctx context.Context) error {
		r := &v1alpha1.ChangeRecord{}
		if err := here.Client(w.t, "admin").Get(ctx, client.ObjectKey{Name: record}, r); err != nil {
			return err
		}
		if got := r.Status.Resolution; got == nil || got.State != v1alpha1.ResolutionReverted || r.Status.Phase != v1alpha1.PhaseResolved {
			return fmt.Errorf("it is %s: %v", r.Status.Phase, got)
		}
		return nil
	})
}

// An applier that is killed while a window is open leaves the object alone when it is
// back, and pulls it back at the end.
func TestAKilledApplierRemembersAnOpenWindow(t *testing.T) {
	w, first := shop(t)
	record := w.openGlass("deployment/web")
	w.oncall("scale", "deployment/web", "--replicas=5")
	restart(t, func() {})
	w.applied(first)
	if got := w.get("deployment/web", ".spec.replicas"); got != "5" {
		t.Errorf("web has %s replicas: the restart closed the window", got)
	}
	w.closeGlass("deployment/web")
	w.pulledBack("deployment/web", ".spec.replicas", "2")
	w.unmarked("deployment/web")
	w.resolved(record, v1alpha1.WindowRemoved, v1alpha1.ResolutionReverted, first, 2)
}

// A window that ends while no applier runs is closed by the next one.
func TestAWindowThatEndedWhileNoApplierRanIsClosed(t *testing.T) {
	for _, test := range []struct {
		name   string
		annote []string
		end    func(*project)
		reason v1alpha1.WindowEndReason
		writes int
	}{
		{"its annotation was taken away", nil, func(w *project) { w.closeGlass("deployment/web") }, v1alpha1.WindowRemoved, 2},
		{"its time was over", []string{v1alpha1.AnnotationBreakGlassFor + "=3s"}, func(w *project) { w.shut() }, v1alpha1.WindowExpired, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, first := shop(t)
			record := w.openGlass("deployment/web", test.annote...)
			w.oncall("scale", "deployment/web", "--replicas=5")
			restart(t, func() { test.end(w) })
			w.pulledBack("deployment/web", ".spec.replicas", "2")
			w.unmarked("deployment/web")
			w.resolved(record, test.reason, v1alpha1.ResolutionReverted, first, test.writes)
		})
	}
}

// shut waits until oncall is denied again.
func (w *project) shut() {
	w.t.Helper()
	eventually(w.t, "the window to be over", func(context.Context) error {
		if kubectl(w.t, "oncall", "scale", "deployment/web", "--replicas=5", "--dry-run=server", "-n", w.namespace).Code == 0 {
			return errNotYet
		}
		return nil
	})
}

// restart kills the applier, and starts it after something was done.
func restart(t *testing.T, meanwhile func()) {
	t.Helper()
	gate.Applier().Kill()
	defer func() {
		if err := gate.Applier().Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
	}()
	meanwhile()
}
