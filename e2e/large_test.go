package e2e

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// A review of twelve megabytes is read and judged. In JSON each "<" is six bytes,
// so that a ConfigMap at its limit comes twice that long, as old and as new; a
// gate that could not read it would be passed by, since the registration fails
// open.
func TestLargeReviews(t *testing.T) {
	policy := kubectl(t, "admin", "get", "mutatingwebhookconfiguration", "gitlatch", "-o", "jsonpath={.webhooks[*].failurePolicy}").MustAllow(t)
	if strings.Contains(policy.Out, "Fail") || policy.Out == "" {
		t.Fatalf("the failure policy is %q, and this shows something only under Ignore", policy.Out)
	}
	for _, c := range []struct {
		what, gate string
		denied     bool
	}{
		{"denied under Enforce", "", true},
		{"admitted and recorded under Audit", "audit", false},
	} {
		t.Run(c.what, func(t *testing.T) {
			ns := newNamespace(t, c.gate)
			huge := configMap(ns, "huge")
			huge.Data = map[string]string{"page": strings.Repeat("<", 1_040_000)}
			if err := here.Client(t, syncer).Create(t.Context(), huge, client.FieldOwner("sync")); err != nil {
				t.Fatalf("git could not bring it: %v", err)
			}
			larry := newVisitor(t, "larry", "devs")
			err := larry.Patch(t.Context(), configMap(ns, "huge"), patchOf(`{"metadata":{"labels":{"by":"larry"}}}`))
			if c.denied {
				deniedFor(t, err, v1alpha1.ReasonOutOfBand)
			} else if err != nil {
				t.Fatal(err)
			}
			rec := one(t, "larry's patch", world.InNamespace(ns))
			wantOutcome := v1alpha1.OutcomeFlagged
			if c.denied {
				wantOutcome = v1alpha1.OutcomeDenied
			}
			if rec.Spec.Outcome != wantOutcome {
				t.Errorf("outcome %s, want %s", rec.Spec.Outcome, wantOutcome)
			}
			want := []v1alpha1.Change{{Path: ".metadata.labels.by", To: `"larry"`}}
			if diff := cmp.Diff(want, rec.Spec.Changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}
