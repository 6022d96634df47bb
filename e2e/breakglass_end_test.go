package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// At its time a window ends by itself: the user is denied again, and the record
// says how it ended and that the object still differs.
func TestBreakGlassEndsOnTime(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	plugin(t, "oncall", "break-glass", "configmap/settings", "-n", ns, "--reason", reason, "--for", "3s").MustAllow(t)
	record := annotationsOf(t, ns, "settings")[v1alpha1.AnnotationBreakGlassRecord]
	paint(t, ns, "red")
	waitDenied(t, ns)
	end := recordNamed(t, record).Spec.BreakGlass.Until.Time
	if early := time.Until(end); early > time.Second {
		t.Errorf("denied %s before the end", early)
	}
	wantWindowEnd(t, record, v1alpha1.WindowEnd{Reason: v1alpha1.WindowExpired, Differs: new(true),
		Message: "the window has closed and ConfigMap " + ns + "/settings still differs from what it was before: revert it or commit it"})
	if at := recordNamed(t, record).Status.Window.At; !at.Time.Equal(end) {
		t.Errorf("the window ended at %s, not when its time was over (%s)", at, end)
	}
	// The marks that are left open nothing, to anybody.
	waitDenied(t, ns)
	kubectl(t, "alice", "-n", ns, "label", "configmap", "settings", "who=alice").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "oncall", "-n", ns, "delete", "configmap", "settings").MustDeny(t, v1alpha1.ReasonOutOfBand)
	declareShop(t, ns)
	if got := colorOf(t, ns); got != "blue" {
		t.Errorf("git could not take it back: the color is %q", got)
	}
}

// `--end` takes the annotation away, and with it every mark, and the window.
func TestBreakGlassEndsOnRemoval(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	plugin(t, "oncall", "break-glass", "configmap/settings", "-n", ns, "--reason", reason).MustAllow(t)
	record := annotationsOf(t, ns, "settings")[v1alpha1.AnnotationBreakGlassRecord]
	paint(t, ns, "red")
	paint(t, ns, "blue")
	plugin(t, "oncall", "break-glass", "configmap/settings", "-n", ns, "--end").MustAllow(t)
	if got := annotationsOf(t, ns, "settings"); len(got) != 0 {
		t.Errorf("annotations after the end: %v", got)
	}
	waitDenied(t, ns)
	wantWindowEnd(t, record, v1alpha1.WindowEnd{Reason: v1alpha1.WindowRemoved, Differs: new(false),
		Message: "the window has closed and what it covered is as it was before"})
}

// A namespace's window ends with its annotation for all that is in it.
func TestBreakGlassOnANamespaceEnds(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	plugin(t, "oncall", "break-glass", "namespace/"+ns, "--reason", reason).MustAllow(t)
	opening := one(t, "the opening", world.InNamespace(ns))
	paint(t, ns, "red")
	kubectl(t, "oncall", "-n", ns, "delete", "service", "web").MustAllow(t)
	plugin(t, "oncall", "break-glass", "namespace/"+ns, "--end").MustAllow(t)
	waitDenied(t, ns)
	wantWindowEnd(t, opening.Name, v1alpha1.WindowEnd{Reason: v1alpha1.WindowRemoved, Differs: new(true),
		Message: "the window has closed and ConfigMap " + ns + "/settings, Service " + ns + "/web (deleted) still differ from what they were before: revert it or commit it"})
}

// A restart of every webhook opens nothing and forgets nothing: what was open
// stays so until its time, for whom it was.
func TestBreakGlassSurvivesARestart(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	plugin(t, "oncall", "break-glass", "configmap/settings", "-n", ns, "--reason", reason, "--for", "12s").MustAllow(t)
	record := annotationsOf(t, ns, "settings")[v1alpha1.AnnotationBreakGlassRecord]
	for i := range gate.Replicas() {
		gate.Kill(i)
	}
	for i := range gate.Replicas() {
		if err := gate.Start(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := gate.WaitAnswering(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(recordNamed(t, record).Spec.BreakGlass.Until.Time); left < time.Second {
		t.Fatalf("the restart took so long that the window is over (%s left)", left)
	}
	paint(t, ns, "red")
	kubectl(t, "alice", "-n", ns, "label", "configmap", "settings", "who=alice").MustDeny(t, v1alpha1.ReasonOutOfBand)
	waitDenied(t, ns)
	wantWindowEnd(t, record, v1alpha1.WindowEnd{Reason: v1alpha1.WindowExpired, Differs: new(true),
		Message: "the window has closed and ConfigMap " + ns + "/settings still differs from what it was before: revert it or commit it"})
}

// paint changes the ConfigMap's color as oncall, in a window.
func paint(t *testing.T, ns, color string) {
	t.Helper()
	if err := here.Client(t, "oncall").Patch(t.Context(), configMap(ns, "settings"), patchOf(fmt.Sprintf(`{"data":{"color":%q}}`, color))); err != nil {
		t.Fatalf("a write in the window: %v", err)
	}
}

func colorOf(t *testing.T, ns string) string {
	t.Helper()
	cm := &corev1.ConfigMap{}
	if err := here.Client(t, "admin").Get(t.Context(), client.ObjectKey{Namespace: ns, Name: "settings"}, cm); err != nil {
		t.Fatal(err)
	}
	return cm.Data["color"]
}

// waitDenied waits until oncall may not write the ConfigMap any more.
func waitDenied(t *testing.T, ns string) {
	t.Helper()
	oncall := here.Client(t, "oncall")
	eventually(t, "oncall to be denied again", func(ctx context.Context) error {
		err := oncall.Patch(ctx, configMap(ns, "settings"), patchOf(`{"data":{"color":"green"}}`), client.DryRunAll)
		if err == nil {
			return errNone
		}
		deniedFor(t, err, v1alpha1.ReasonOutOfBand)
		return nil
	})
}

// wantWindowEnd waits until the end stands in the record, whole but for its time,
// and the record has left the open windows.
func wantWindowEnd(t *testing.T, record string, want v1alpha1.WindowEnd) {
	t.Helper()
	err := gitlatch.WaitFor(t.Context(), 30*time.Second, "the end of the window in record "+record, func(context.Context) error {
		rec := recordNamed(t, record)
		if rec.Status.Window == nil || rec.Status.Window.Message == "" {
			return fmt.Errorf("its end is %v", rec.Status.Window)
		}
		if label, open := rec.Labels[v1alpha1.LabelWindow]; open {
			return fmt.Errorf("its label says %q", label)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := *recordNamed(t, record).Status.Window
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(v1alpha1.WindowEnd{}, "At")); diff != "" {
		t.Errorf("end of the window (-want +got):\n%s", diff)
	}
}
