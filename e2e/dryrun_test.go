package e2e

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// A server-side dry run is judged as the write would be, and leaves nothing
// behind: no change, no stamp, no window, no record.
func TestDryRunsLeaveNothing(t *testing.T) {
	for _, c := range []struct {
		what, gate, user string
		reason           v1alpha1.Reason // "" is admitted
		args             []string
	}{
		{"a patch under Enforce", "", "alice", v1alpha1.ReasonOutOfBand, []string{"patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`}},
		{"a scale under Enforce", "", "alice", v1alpha1.ReasonOutOfBand, []string{"scale", "deployment", "web", "--replicas=5"}},
		{"a deletion under Enforce", "", "alice", v1alpha1.ReasonOutOfBand, []string{"delete", "service", "web"}},
		{"a creation under Enforce", "", "alice", v1alpha1.ReasonOutOfBand, []string{"create", "configmap", "mine"}},
		{"break-glass without the group", "", "alice", v1alpha1.ReasonBreakGlassUnauthorized, []string{"annotate", "configmap", "settings", glass}},
		{"break-glass for a bad reason", "", "oncall", v1alpha1.ReasonBreakGlassReason, []string{"annotate", "configmap", "settings", v1alpha1.AnnotationBreakGlass + "=x"}},
		{"break-glass", "", "oncall", "", []string{"annotate", "configmap", "settings", glass}},
		{"a restart, which is flagged", "", "alice", "", []string{"patch", "deployment", "web", "-p",
			`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}}}}`}},
		{"a patch under Warn", "warn", "alice", "", []string{"patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`}},
		{"a deletion under Audit", "audit", "alice", "", []string{"delete", "service", "web"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			ns := newNamespace(t, c.gate)
			declareShop(t, ns)
			before := stateOf(t, ns)
			got := kubectl(t, c.user, append(append([]string{"-n", ns}, c.args...), "--dry-run=server")...)
			if c.reason == "" {
				got.MustAllow(t)
			} else {
				got.MustDeny(t, c.reason)
			}
			if diff := cmp.Diff(before, stateOf(t, ns)); diff != "" {
				t.Errorf("the dry run changed something (-before +after):\n%s", diff)
			}
			if c.what == "break-glass" { // it opened no window
				kubectl(t, "oncall", "-n", ns, "label", "configmap", "settings", "team=oncall", "--dry-run=server").MustDeny(t, v1alpha1.ReasonOutOfBand)
			}
			if left := here.Records(t, world.InNamespace(ns)); len(left) != 0 {
				t.Errorf("the dry run left records: %s", summary(left))
			}
		})
	}
}

// stateOf is what a person can change in the shop.
func stateOf(t *testing.T, ns string) map[string]any {
	t.Helper()
	admin := here.Client(t, "admin")
	cms, services := &corev1.ConfigMapList{}, &corev1.ServiceList{}
	for _, list := range []client.ObjectList{cms, services} {
		if err := admin.List(t.Context(), list, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]any{"spec of web": kubectl(t, "admin", "-n", ns, "get", "deployment", "web", "-o", "jsonpath={.spec}").MustAllow(t).Out}
	for _, cm := range cms.Items {
		if cm.Name != "kube-root-ca.crt" { // the controllers make it in their time
			out["ConfigMap "+cm.Name] = []any{cm.Data, cm.Annotations, cm.ResourceVersion}
		}
	}
	for _, s := range services.Items {
		out["Service "+s.Name] = s.DeletionTimestamp
	}
	return out
}
