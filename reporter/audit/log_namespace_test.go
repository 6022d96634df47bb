package audit

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A Namespace is selected by the labels that it carries itself, which are in the log's
// objects: a policy that selects namespaces governs it like any other.
func TestAWriteToANamespaceIsFoundUnderASelector(t *testing.T) {
	policies := enforced(t, func(p *v1alpha1.ChangePolicy) {
		p.Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "gate", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"warn"}},
		}}
	})
	namespace := map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "prod", "uid": "u"}}
	event := logged("alice", "patch", "/namespaces", "prod/prod", with("level", "RequestResponse"), with("responseObject", namespace),
		annotated(failedMutating+"round_0_index_0", "namespaces.gate.gitlatch.dev"))
	want := []string{"Proven FailedOpen: alice changed Namespace prod; the API server asked namespaces.gate.gitlatch.dev, " +
		"got no answer and let it through; next: change it in git; flux-system/kustomize-controller brings it here"}
	got, _ := surveyed(t, &Log{Policies: policies}, lines(event))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}
