package replicas

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// Under Ignore a call that is not answered lets a write pass. Nothing that must not be is admitted even so: the backstop
// denies. What is warned of has its one record, or the API server says of it that neither webhook answered.
func TestReplicasAreKilledUnderLoadUnderIgnore(t *testing.T) {
	defer all(t)
	registeredAgain(t, admissionv1.Ignore, "--failure-policy=Ignore")
	defer registeredAgain(t, admissionv1.Fail)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	b := fight(t, "Ignore", rand.New(rand.NewPCG(seed, 0)))

	recorded, unheard := map[string]int{}, neitherAnswered(t, b.warned)
	for _, r := range here.Records(t, world.InNamespace(b.warned)) {
		for _, c := range r.Spec.Changes {
			recorded[c.Path]++
		}
	}
	for path := range b.admitted {
		if recorded[path] > 1 || recorded[path] == 0 && !unheard[strings.TrimPrefix(path, ".data.")] {
			t.Errorf("%s was admitted, and has %d records", path, recorded[path])
		}
	}
	said := map[string]bool{}
	for _, r := range here.Records(t, world.InNamespace(b.enforced)) {
		if r.Spec.Outcome == v1alpha1.OutcomeDenied {
			said[r.Spec.Requester.Username+" "+r.Spec.Request.Name] = true
		}
	}
	for who := range b.refused {
		if !said[who] {
			t.Errorf("the gate denied %s, and that is not on record", who)
		}
	}
}

// registeredAgain restarts the replicas with these flags besides their own, and waits until the API server has another
// failure policy.
func registeredAgain(t *testing.T, want admissionv1.FailurePolicyType, flags ...string) {
	t.Helper()
	world.Must(t, here.Gate.Restart(t.Context(), flags...))
	admin := here.Client(t, "admin")
	world.Eventually(t, fmt.Sprintf("the registration under %s", want), time.Minute, func(ctx context.Context) error {
		gate, final := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
		key := client.ObjectKey{Name: "gitlatch"}
		if err := errors.Join(admin.Get(ctx, key, gate), admin.Get(ctx, key, final)); err != nil {
			return err
		}
		var has []admissionv1.FailurePolicyType
		for _, w := range gate.Webhooks {
			has = append(has, *w.FailurePolicy)
		}
		for _, w := range final.Webhooks {
			has = append(has, *w.FailurePolicy)
		}
		for _, p := range has {
			if p != want {
				return fmt.Errorf("the webhooks have %v", has)
			}
		}
		return nil
	})
	world.Must(t, here.Gate.WaitAnswering(t.Context()))
}

// neitherAnswered are the writes in a namespace, by their field managers, of which the API server says that it asked both
// webhooks, and that neither answered.
func neitherAnswered(t *testing.T, ns string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	eachEvent(t, func(e *auditv1.Event) {
		if e.ObjectRef == nil || e.ObjectRef.Namespace != ns {
			return
		}
		gate, final := false, false
		for key, webhook := range e.Annotations {
			if strings.HasPrefix(key, "failed-open.") {
				gate = gate || strings.HasSuffix(webhook, v1alpha1.GateName)
				final = final || strings.HasSuffix(webhook, v1alpha1.FinalName)
			}
		}
		if address, err := url.Parse(e.RequestURI); err == nil && gate && final {
			found[address.Query().Get("fieldManager")] = true
		}
	})
	return found
}
