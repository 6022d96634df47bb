package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

const restarted = `{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}}}}`

// Where no record can be written, nothing is admitted that may not go unrecorded,
// nothing is admitted that is denied, nobody who is only watched is locked out, a
// metric says so, and what can be recorded later is.
func TestRecordsCanNotBeWritten(t *testing.T) {
	enforced, warned, audited := newNamespace(t, ""), newNamespace(t, "warn"), newNamespace(t, "audit")
	for _, ns := range []string{enforced, warned, audited} {
		declareShop(t, ns)
	}
	uma := newVisitor(t, "uma", "devs")
	restore := takeAwayRecords(t)

	deniedFor(t, uma.Patch(t.Context(), configMap(enforced, "settings"), patchOf(`{"data":{"color":"red"}}`)), v1alpha1.ReasonOutOfBand)
	kubectl(t, "oncall", "-n", enforced, "annotate", "configmap", "settings", glass).MustDeny(t, v1alpha1.ReasonBreakGlassUnrecorded)
	kubectl(t, "oncall", "-n", audited, "annotate", "configmap", "settings", glass).MustDeny(t, v1alpha1.ReasonBreakGlassUnrecorded)
	kubectl(t, "alice", "-n", enforced, "patch", "deployment", "web", "-p", restarted).MustDeny(t, v1alpha1.ReasonUnrecorded)
	kubectl(t, "alice", "-n", warned, "patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`).MustAllow(t)
	kubectl(t, "alice", "-n", audited, "patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`).MustAllow(t)
	if got := annotationsOf(t, enforced, "settings"); len(got) != 0 {
		t.Errorf("the refused break-glass left annotations: %v", got)
	}
	wantNoneRecorded(t, enforced, warned, audited)
	for _, want := range []string{
		`gitlatch_webhook_unrecorded_total{action="deny",outcome="Denied"}`,
		`gitlatch_webhook_unrecorded_total{action="deny",outcome="BreakGlass"}`,
		`gitlatch_webhook_unrecorded_total{action="deny",outcome="Flagged"}`,
		`gitlatch_webhook_unrecorded_total{action="flag",outcome="Flagged"}`,
		`gitlatch_records_pending`,
	} {
		if metric(t, want) < 1 {
			t.Errorf("metric %s does not say what happened", want)
		}
	}

	restore()
	eventually(t, "uma's denial to be recorded late", func(context.Context) error {
		found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
			return world.InNamespace(enforced)(r) && r.Spec.Requester.Username == "uma"
		})
		if len(found) != 1 || found[0].Spec.Outcome != v1alpha1.OutcomeDenied || found[0].Status.Count != 1 {
			return fmt.Errorf("there are %d: %s", len(found), summary(found))
		}
		return nil
	})
	for _, ns := range []string{warned, audited} {
		eventually(t, "what was admitted in "+ns+" to be recorded late", func(context.Context) error {
			found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
				return world.InNamespace(ns)(r) && r.Spec.Outcome == v1alpha1.OutcomeFlagged && r.Spec.Requester.Username == "alice"
			})
			if len(found) != 1 {
				return fmt.Errorf("there are %d: %s", len(found), summary(found))
			}
			return nil
		})
	}
	kubectl(t, "oncall", "-n", enforced, "annotate", "configmap", "settings", glass).MustAllow(t)
}

func wantNoneRecorded(t *testing.T, namespaces ...string) {
	t.Helper()
	left := here.Records(t, func(r *v1alpha1.ChangeRecord) bool { return slices.Contains(namespaces, r.Spec.Request.Namespace) })
	if len(left) != 0 {
		t.Fatalf("the webhook still writes records: %s", summary(left))
	}
}

// takeAwayRecords has git take the webhook's right to create records, until
// restore or the end of the test.
func takeAwayRecords(t *testing.T) (restore func()) {
	t.Helper()
	role := &rbacv1.ClusterRole{}
	if err := here.Client(t, "admin").Get(t.Context(), client.ObjectKey{Name: "gitlatch-webhook"}, role); err != nil {
		t.Fatal(err)
	}
	whole, less := role.DeepCopy().Rules, role.DeepCopy().Rules
	for i := range less {
		if slices.Contains(less[i].Resources, "changerecords") {
			less[i].Verbs = slices.DeleteFunc(less[i].Verbs, func(verb string) bool { return verb == "create" })
		}
	}
	restore = func() { setRules(t, whole, true) }
	t.Cleanup(restore)
	setRules(t, less, false)
	return restore
}

// setRules also runs in a cleanup, when the test's own context is over.
func setRules(t *testing.T, rules []rbacv1.PolicyRule, may bool) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	role := &rbacv1.ClusterRole{
		TypeMeta:   metav1.TypeMeta{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRole"},
		ObjectMeta: metav1.ObjectMeta{Name: "gitlatch-webhook"}, Rules: rules,
	}
	text, err := yaml.Marshal(role)
	if err != nil {
		t.Fatal(err)
	}
	if err := gate.Apply(ctx, string(text)); err != nil {
		t.Fatalf("git could not change the webhook's rights: %v", err)
	}
	admin := here.Client(t, "admin")
	err = waitFor(ctx, "the webhook's rights", func(ctx context.Context) error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "system:serviceaccount:gitlatch-system:gitlatch-webhook",
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: v1alpha1.Group, Resource: "changerecords", Verb: "create"},
		}}
		if err := admin.Create(ctx, review); err != nil {
			return err
		}
		if review.Status.Allowed != may {
			return fmt.Errorf("allowed is %t", review.Status.Allowed)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// metric sums a metric, with its labels as they are written, over all replicas.
func metric(t *testing.T, series string) float64 {
	t.Helper()
	sum := 0.0
	for i := range gate.Replicas() {
		answer, err := http.Get(gate.MetricsURL(i))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		lines := bufio.NewScanner(answer.Body)
		for lines.Scan() {
			if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
				n, err := strconv.ParseFloat(value, 64)
				if err != nil {
					t.Fatalf("metric %s: %v", series, err)
				}
				sum += n
			}
		}
	}
	return sum
}
