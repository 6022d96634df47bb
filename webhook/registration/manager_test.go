package registration

import (
	"context"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Under a manager, with its watches: what changes is followed, and what is
// tampered with restored, within a second.
func TestItFollowsAndRestoresWithinASecond(t *testing.T) {
	c := admin(t)
	m, err := ctrl.NewManager(control.Config("admin"), ctrl.Options{
		Scheme:  scheme(t),
		Metrics: server.Options{BindAddress: "0"},
		Cache:   cache.Options{ByObject: Cached()},
	})
	if err != nil {
		t.Fatal(err)
	}
	told := &heard{}
	r := newReconciler(m.GetClient(), told)
	r.Live = m.GetAPIReader()
	if err := r.SetupWithManager(m); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	within(t, "registered", 30*time.Second, func() bool { return count(t, c) == 2 })

	create(t, c, changePolicy("cluster", nil))
	within(t, "a policy is followed", time.Second, func() bool { return count(t, c) == 6 })

	validations := func() int {
		var p admissionv1.ValidatingAdmissionPolicy
		if err := c.Get(ctx, client.ObjectKey{Name: Name}, &p); ignoreGone(err) != nil {
			t.Fatal(err)
		}
		return len(p.Spec.Validations)
	}
	within(t, "the backstop follows", time.Second, func() bool { return validations() == 3 })

	for _, o := range configurations() {
		if err := c.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(`{"webhooks":[]}`))); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "what was emptied is restored", time.Second, func() bool { return count(t, c) == 6 })

	for _, o := range configurations() {
		if err := c.Delete(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	within(t, "what was deleted is restored", time.Second, func() bool { return count(t, c) == 6 })

	if err := c.Delete(ctx, backstops()[0]); err != nil {
		t.Fatal(err)
	}
	within(t, "the backstop's binding is restored", time.Second, func() bool { return standing(t, c)[0] != "none" })

	if err := c.DeleteAllOf(ctx, &v1alpha1.ChangePolicy{}); err != nil {
		t.Fatal(err)
	}
	within(t, "a deleted policy is followed", time.Second, func() bool { return count(t, c) == 2 })
	within(t, "the backstop follows that", time.Second, func() bool { return validations() == 1 })
	told.Lock()
	defer told.Unlock()
	if len(told.all) != 5 {
		t.Errorf("told %+v", told.all)
	}
}

// count is the number of webhooks in both configurations.
func count(t *testing.T, c client.Client) int {
	t.Helper()
	n := 0
	for _, o := range configurations() {
		if err := ignoreGone(c.Get(t.Context(), client.ObjectKeyFromObject(o), o)); err != nil {
			t.Fatal(err)
		}
		n += len(webhooksOf(o))
	}
	return n
}

func within(t *testing.T, what string, limit time.Duration, holds func() bool) {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > limit+30*time.Second {
			t.Fatalf("%s: not within %s", what, time.Since(began))
		}
		time.Sleep(10 * time.Millisecond)
	}
	if took := time.Since(began); took > limit {
		t.Errorf("%s: took %s", what, took)
	} else {
		t.Logf("%s: %s", what, took.Round(time.Millisecond))
	}
}
