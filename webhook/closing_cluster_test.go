package webhook

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// deployment makes Deployment web in the namespace.
func (b *bench) deployment(t *testing.T, namespace string) *appsv1.Deployment {
	t.Helper()
	labels := map[string]string{"app": "web"}
	replicas := int32(1)
	d, err := b.clients.AppsV1().Deployments(namespace).Create(t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1"}}},
			},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (b *bench) scale(t *testing.T, namespace, replicas string) {
	t.Helper()
	_, err := b.clients.AppsV1().Deployments(namespace).Patch(t.Context(), "web", types.MergePatchType,
		[]byte(`{"spec":{"replicas":`+replicas+`}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
}

// on sets the target of a record as it was before the write.
func on(d *appsv1.Deployment) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Request.Namespace = d.Namespace
		rec.Spec.Target = &v1alpha1.Target{UID: d.UID, ResourceVersion: d.ResourceVersion, Generation: d.Generation}
	}
}

// within makes it the record of a write inside a window.
func within(window, from, to string) func(*v1alpha1.ChangeRecord) {
	return func(rec *v1alpha1.ChangeRecord) {
		delete(rec.Labels, v1alpha1.LabelWindow)
		rec.Spec.BreakGlass.Window = window
		rec.Spec.Changes = []v1alpha1.Change{{Path: ".spec.replicas", From: from, To: to}}
	}
}

func (b *bench) expectEnd(t *testing.T, name string, want v1alpha1.WindowEnd) {
	t.Helper()
	rec := b.read(t, name)
	want.At.Time = want.At.Local()
	if rec.Status.Window != nil {
		rec.Status.Window.At.Time = rec.Status.Window.At.Local()
	}
	if diff := cmp.Diff(&want, rec.Status.Window); diff != "" {
		t.Errorf("end of %s (-want +got):\n%s", name, diff)
	}
}

func (b *bench) labelled(t *testing.T, name string) bool {
	t.Helper()
	return b.read(t, name).Labels[v1alpha1.LabelWindow] != ""
}

func TestAWindowEndsOnTime(t *testing.T) {
	b := newBench(t)
	b.namespace(t, "expire")
	d := b.deployment(t, "expire")
	b.watch(t)
	b.write(t, openingRecord(recordNamed("cr-expire"), on(d)))
	b.write(t, openingRecord(recordNamed("cr-expire-write"), on(d), within("cr-expire", "1", "3")))
	b.scale(t, "expire", "3")
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "expire" })
	eventually(t, "the watch tells of the window", func() bool { return len(b.Windows(req)) == 1 })

	b.Sweep(t.Context())
	if rec := b.read(t, "cr-expire"); rec.Status.Window != nil {
		t.Errorf("ended before its time: %v", rec.Status.Window)
	}
	until := noon.Add(30 * time.Minute)
	b.clock.SetTime(until)
	if got := b.Windows(req); got != nil {
		t.Errorf("open although its time is over, before anybody swept: %v", got)
	}
	b.Sweep(t.Context())
	b.expectEnd(t, "cr-expire", v1alpha1.WindowEnd{At: metav1.NewMicroTime(until), Reason: v1alpha1.WindowExpired})
	if !b.labelled(t, "cr-expire") {
		t.Error("without its label a crash now would leave it unfinished for ever")
	}

	b.clock.SetTime(until.Add(settlePeriod))
	b.Sweep(t.Context())
	yes := true
	b.expectEnd(t, "cr-expire", v1alpha1.WindowEnd{
		At: metav1.NewMicroTime(until), Reason: v1alpha1.WindowExpired, Differs: &yes,
		Message: "the window has closed and apps/Deployment expire/web still differs from what it was before: revert it or commit it",
	})
	if b.labelled(t, "cr-expire") {
		t.Error("the label is still there")
	}
	version := b.read(t, "cr-expire").ResourceVersion
	b.clock.Step(time.Minute)
	b.Sweep(t.Context())
	if got := b.read(t, "cr-expire").ResourceVersion; got != version {
		t.Error("an ended window is written again")
	}
}

func TestTheNextLeaderFinishesWhatACrashLeft(t *testing.T) {
	b := newBench(t)
	b.namespace(t, "crash")
	d := b.deployment(t, "crash")
	until := noon.Add(30 * time.Minute)
	// The first died before it wrote anything, the second after the status.
	b.write(t, openingRecord(recordNamed("cr-crash-1"), on(d)))
	b.write(t, openingRecord(recordNamed("cr-crash-2"), on(d), func(rec *v1alpha1.ChangeRecord) {
		rec.Status.Window = &v1alpha1.WindowEnd{At: metav1.NewMicroTime(until), Reason: v1alpha1.WindowExpired}
	}))
	next := newBench(t)
	next.clock.SetTime(until.Add(time.Hour))
	next.watch(t)
	no := false
	for _, name := range []string{"cr-crash-1", "cr-crash-2"} {
		eventually(t, name+" is finished", func() bool {
			next.Sweep(t.Context())
			return !next.labelled(t, name)
		})
		next.expectEnd(t, name, v1alpha1.WindowEnd{
			At: metav1.NewMicroTime(until), Reason: v1alpha1.WindowExpired, Differs: &no,
			Message: "the window has closed and what it covered is as it was before",
		})
	}
}

func TestAWindowEndsWhenItsAnnotationGoes(t *testing.T) {
	b := newBench(t)
	b.namespace(t, "remove")
	d := b.deployment(t, "remove")
	b.watch(t)
	opened := b.write(t, openingRecord(recordNamed("cr-remove"), on(d)))
	b.Opened(opened, policy.Window{})
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "remove" })
	b.clock.Step(time.Minute)
	if err := b.Close(t.Context(), b.Windows(req), v1alpha1.WindowRemoved); err != nil {
		t.Fatal(err)
	}
	if got := b.Windows(req); got != nil {
		t.Errorf("open after it was closed: %v", got)
	}
	at := metav1.NewMicroTime(noon.Add(time.Minute))
	b.expectEnd(t, "cr-remove", v1alpha1.WindowEnd{At: at, Reason: v1alpha1.WindowRemoved})

	// Its time runs out before the loop gets to it: the first end stands.
	b.clock.SetTime(noon.Add(time.Hour))
	eventually(t, "it is finished", func() bool {
		b.Sweep(t.Context())
		return !b.labelled(t, "cr-remove")
	})
	no := false
	b.expectEnd(t, "cr-remove", v1alpha1.WindowEnd{At: at, Reason: v1alpha1.WindowRemoved, Differs: &no,
		Message: "the window has closed and what it covered is as it was before"})
}

func TestANamespaceWindowEndsWithItsNamespace(t *testing.T) {
	b := newBench(t)
	ns := b.namespace(t, "doomed")
	b.watch(t)
	b.write(t, openingRecord(recordNamed("cr-doomed"), onNamespace, func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Request.Name = "doomed"
		rec.Spec.Target = &v1alpha1.Target{UID: ns.UID, ResourceVersion: ns.ResourceVersion}
	}))
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "doomed" })
	eventually(t, "the watch tells of the window", func() bool { return len(b.Windows(req)) == 1 })
	b.Sweep(t.Context())
	if rec := b.read(t, "cr-doomed"); rec.Status.Window != nil {
		t.Errorf("ended although its namespace is there: %v", rec.Status.Window)
	}

	if err := b.clients.CoreV1().Namespaces().Delete(t.Context(), "doomed", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace is made anew", func() bool {
		_, err := b.clients.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "doomed"}}, metav1.CreateOptions{})
		return err == nil
	})
	b.clock.Step(bearerPeriod)
	at := metav1.NewMicroTime(b.clock.Now())
	b.Sweep(t.Context())
	b.expectEnd(t, "cr-doomed", v1alpha1.WindowEnd{At: at, Reason: v1alpha1.WindowRemoved})
	if got := b.Windows(req); got != nil {
		t.Errorf("the old window is open over the new namespace: %v", got)
	}
	b.clock.Step(settlePeriod)
	b.Sweep(t.Context())
	yes := true
	b.expectEnd(t, "cr-doomed", v1alpha1.WindowEnd{At: at, Reason: v1alpha1.WindowRemoved, Differs: &yes,
		Message: "the window has closed and Namespace doomed (deleted and created again) still differs from what it was before: revert it or commit it"})
}

func TestTheLoopRunsOnItsClockUntilItIsStopped(t *testing.T) {
	b := newBench(t)
	b.namespace(t, "loop")
	b.watch(t)
	b.write(t, openingRecord(recordNamed("cr-loop"), on(b.deployment(t, "loop"))))
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "loop" })
	eventually(t, "the watch tells of the window", func() bool { return len(b.Windows(req)) == 1 })
	done := make(chan error)
	go func() { done <- b.Start(t.Context()) }() // the test's context ends before its clean-up
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the loop waits", b.clock.HasWaiters)
	b.clock.SetTime(noon.Add(30 * time.Minute))
	eventually(t, "the loop has ended the window and finished it", func() bool {
		b.clock.Step(closingPeriod)
		return !b.labelled(t, "cr-loop")
	})
	if !b.NeedLeaderElection() {
		t.Error("every replica would write the same ends")
	}
}
