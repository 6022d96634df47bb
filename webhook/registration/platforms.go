package registration

import (
	"context"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

/*
Some platforms rewrite every webhook configuration, so that it asks about less. A
restored one is rewritten again, for ever. So what they are known to add is left to
stand, told of as what it is, and whatever else somebody changed is restored.

	AKS             the admissions enforcer adds requirements to each namespaceSelector, also
	                where its opt-out label does not help (Azure/AKS issues 1771 and 4002;
	                DataDog/datadog-agent pull request 55778)
	GKE Autopilot   adds the namespaces that Google manages (Dynatrace/dynatrace-operator
	                issue 2194)

Known are these requirements, word for word: anything like them is tampering.
*/

func platformRequirements() []metav1.LabelSelectorRequirement {
	return []metav1.LabelSelectorRequirement{
		{Key: "control-plane", Operator: metav1.LabelSelectorOpDoesNotExist},
		{Key: "control-plane", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"true"}},
		{Key: "kubernetes.azure.com/managedby", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"aks"}},
		{Key: labelNamespaceName, Operator: metav1.LabelSelectorOpNotIn, Values: []string{"kube-system", "gke-gmp-system", "gke-managed-cim"}},
	}
}

// labelNamespaceName is the label that the API server gives to each namespace.
const labelNamespaceName = "kubernetes.io/metadata.name"

// isPlatforms: somebody added a requirement that a platform is known to add.
func isPlatforms(r metav1.LabelSelectorRequirement, want *metav1.LabelSelector) bool {
	same := func(p metav1.LabelSelectorRequirement) bool { return equality.Semantic.DeepEqual(r, p) }
	return slices.ContainsFunc(platformRequirements(), same) && (want == nil || !slices.ContainsFunc(want.MatchExpressions, same))
}

// withoutPlatform is the selector without what a platform added to it.
func withoutPlatform(live, want *metav1.LabelSelector) *metav1.LabelSelector {
	if live == nil {
		return nil
	}
	out := live.DeepCopy()
	out.MatchExpressions = slices.DeleteFunc(out.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool { return isPlatforms(r, want) })
	if len(out.MatchExpressions) == 0 {
		out.MatchExpressions = nil
	}
	return out
}

// exemptions are what platforms added to a configuration, as selectors are written;
// nil: nothing.
func exemptions(live, want client.Object) []string {
	var out []string
	if live == nil {
		return nil
	}
	webhooks := webhooksOf(want)
	for _, w := range webhooksOf(live) {
		at := slices.IndexFunc(webhooks, func(ours admissionv1.MutatingWebhook) bool { return ours.Name == w.Name })
		if at < 0 || w.NamespaceSelector == nil {
			continue
		}
		for _, r := range w.NamespaceSelector.MatchExpressions {
			if isPlatforms(r, webhooks[at].NamespaceSelector) {
				out = append(out, metav1.FormatLabelSelector(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{r}}))
			}
		}
	}
	return sorted(out)
}

// exempted says of all that platforms exempt, in words; "": nothing.
func exempted(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return "the platform has the API server ask about namespaces with " + strings.Join(all, " and ") + " only: the others are not guarded by the webhooks"
}

// exempt tells of what the platform exempts, once: by a metric, a line in the log and
// a record. It returns it for the condition of the policies.
func (r *Reconciler) exempt(ctx context.Context, live, want client.Object) []string {
	kind, all := kindOf(want), exemptions(live, want)
	r.Metrics.tell(func() { r.Metrics.exemptions.WithLabelValues(kind).Set(float64(len(all))) })
	what := exempted(all)
	if what == "" || slices.Contains(r.exempted, kind+what) {
		return all
	}
	r.exempted = append(r.exempted, kind+what)
	manager, at := lastWriter(live)
	log.FromContext(ctx).Info("the platform exempts namespaces", "configuration", kind, "asksOnlyAbout", strings.Join(all, " and "), "manager", manager)
	r.tampered(ctx, Tampering{Kind: kind, Name: Name, What: what, Manager: manager, Time: at})
	return all
}
