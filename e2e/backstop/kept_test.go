package backstop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// The backstop follows the policies, and comes back when somebody takes it away, which is
// recorded.
func TestTheBackstopFollowsAndIsRestored(t *testing.T) {
	c := here.Client(t, "admin")
	holds := func(policy string) bool {
		var p admissionv1.ValidatingAdmissionPolicy
		world.Must(t, c.Get(t.Context(), client.ObjectKey{Name: "gitlatch"}, &p))
		return slices.ContainsFunc(p.Spec.Validations, func(v admissionv1.Validation) bool { return strings.Contains(v.Message, "(policy "+policy+")") })
	}
	within(t, "a policy is followed", func() { world.Must(t, here.Gate.Apply(t.Context(), strings.ReplaceAll(standby, "standby", "passing"))) }, func() bool { return holds("passing") })
	within(t, "its end is followed", func() { here.Kubectl(t, syncer, "delete", "changepolicy", "passing").MustAllow(t) }, func() bool { return !holds("passing") })

	began := time.Now()
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "gitlatch"}}
	within(t, "its binding is restored", func() { world.Must(t, c.Delete(t.Context(), binding)) },
		func() bool { return c.Get(t.Context(), client.ObjectKeyFromObject(binding), binding) == nil })
	world.Eventually(t, "the record of that", 30*time.Second, func(context.Context) error {
		found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
			return r.Spec.Outcome == v1alpha1.OutcomeTampered && r.Spec.Request.Resource == "validatingadmissionpolicybindings" &&
				r.CreationTimestamp.After(began.Add(-2*time.Second))
		})
		if len(found) != 1 || found[0].Spec.Message != "ValidatingAdmissionPolicyBinding gitlatch: deleted" {
			return fmt.Errorf("there are %d: %+v", len(found), found)
		}
		return nil
	})
}

// within acts, waits until it shows, and says how long that took. After [dead] it may be
// the lease of the leader that was killed that is waited for; that it takes less than a
// second is asserted in webhook/registration.
func within(t *testing.T, what string, act func(), shows func() bool) {
	t.Helper()
	act()
	began := time.Now()
	for !shows() {
		if time.Since(began) > time.Minute {
			t.Fatalf("%s: not within %s", what, time.Since(began))
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("%s: %s", what, time.Since(began).Round(time.Millisecond))
}
