package registration

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// webhooksOf reads the entries of either configuration.
func webhooksOf(o client.Object) []admissionv1.MutatingWebhook {
	switch c := o.(type) {
	case *admissionv1.MutatingWebhookConfiguration:
		return c.Webhooks
	case *admissionv1.ValidatingWebhookConfiguration:
		return mutating(c.Webhooks)
	}
	return nil
}

func setWebhooks(o client.Object, webhooks []admissionv1.MutatingWebhook) {
	switch c := o.(type) {
	case *admissionv1.MutatingWebhookConfiguration:
		c.Webhooks = webhooks
	case *admissionv1.ValidatingWebhookConfiguration:
		c.Webhooks = validating(webhooks)
	}
}

// kindOf names a configuration in logs and metrics.
func kindOf(o client.Object) string {
	if _, ok := o.(*admissionv1.MutatingWebhookConfiguration); ok {
		return "MutatingWebhookConfiguration"
	}
	return "ValidatingWebhookConfiguration"
}

// Differences lists what of ours is not in live as it should be, in words; none
// where it is, or where only what a platform is known to rewrite differs. live and
// want are of one kind, one of the two that [Compile] makes.
func Differences(live, want client.Object) []string { return differences(live, want) }

// differences lists what of ours is not in live as it should be. Labels and
// annotations of others, and what platforms are known to add, are theirs.
func differences(live, want client.Object) []string {
	var out []string
	for k, v := range want.GetLabels() {
		if live.GetLabels()[k] != v {
			out = append(out, "label "+k)
		}
	}
	for k, v := range want.GetAnnotations() {
		if live.GetAnnotations()[k] != v {
			out = append(out, "annotation "+k)
		}
	}
	slices.Sort(out)
	return append(out, webhookDifferences(webhooksOf(live), webhooksOf(want))...)
}

func webhookDifferences(live, want []admissionv1.MutatingWebhook) []string {
	if len(live) == 0 && len(want) > 0 {
		return []string{"every webhook removed"}
	}
	var out []string
	for i := range want {
		w := &want[i]
		at := slices.IndexFunc(live, func(l admissionv1.MutatingWebhook) bool { return l.Name == w.Name })
		if at < 0 {
			out = append(out, w.Name+" removed")
			continue
		}
		if fields := fieldDifferences(&live[at], w); len(fields) > 0 {
			out = append(out, w.Name+" "+strings.Join(fields, ", "))
		}
	}
	for i := range live {
		if !slices.ContainsFunc(want, func(w admissionv1.MutatingWebhook) bool { return w.Name == live[i].Name }) {
			out = append(out, live[i].Name+" added")
		}
	}
	return out
}

func fieldDifferences(live, want *admissionv1.MutatingWebhook) []string {
	client := *live.ClientConfig.DeepCopy()
	if want.ClientConfig.CABundle == nil {
		client.CABundle = nil // somebody else's
	}
	var out []string
	for _, f := range []struct {
		name       string
		live, want any
	}{
		{"clientConfig", client, want.ClientConfig},
		{"rules", live.Rules, want.Rules},
		{"failurePolicy", live.FailurePolicy, want.FailurePolicy},
		{"matchPolicy", live.MatchPolicy, want.MatchPolicy},
		{"namespaceSelector", withoutPlatform(live.NamespaceSelector), want.NamespaceSelector},
		{"objectSelector", live.ObjectSelector, want.ObjectSelector},
		{"sideEffects", live.SideEffects, want.SideEffects},
		{"timeoutSeconds", live.TimeoutSeconds, want.TimeoutSeconds},
		{"admissionReviewVersions", live.AdmissionReviewVersions, want.AdmissionReviewVersions},
		{"reinvocationPolicy", live.ReinvocationPolicy, want.ReinvocationPolicy},
		{"matchConditions", live.MatchConditions, want.MatchConditions},
	} {
		if !equality.Semantic.DeepEqual(f.live, f.want) {
			out = append(out, f.name)
		}
	}
	return out
}

// platformRequirements are what AKS's admissions enforcer adds to every
// namespaceSelector, again and again, where its opt-out label does not help.
// Source: Azure/AKS issue 1771; DataDog/datadog-agent pull request 55778.
func platformRequirements() []metav1.LabelSelectorRequirement {
	return []metav1.LabelSelectorRequirement{
		{Key: "control-plane", Operator: metav1.LabelSelectorOpDoesNotExist},
		{Key: "control-plane", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"true"}},
		{Key: "kubernetes.azure.com/managedby", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"aks"}},
	}
}

func withoutPlatform(s *metav1.LabelSelector) *metav1.LabelSelector {
	if s == nil {
		return nil
	}
	out := s.DeepCopy()
	out.MatchExpressions = slices.DeleteFunc(out.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
		return slices.ContainsFunc(platformRequirements(), func(p metav1.LabelSelectorRequirement) bool {
			return equality.Semantic.DeepEqual(r, p)
		})
	})
	if len(out.MatchExpressions) == 0 {
		out.MatchExpressions = nil
	}
	return out
}

// adopt puts what is ours into live and leaves the rest.
func adopt(live, want client.Object) {
	labels, annotations := live.GetLabels(), live.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	for k, v := range want.GetLabels() {
		labels[k] = v
	}
	for k, v := range want.GetAnnotations() {
		annotations[k] = v
	}
	live.SetLabels(labels)
	live.SetAnnotations(annotations)
	webhooks := slices.Clone(webhooksOf(want))
	before := webhooksOf(live)
	for i := range webhooks {
		if webhooks[i].ClientConfig.CABundle == nil {
			webhooks[i].ClientConfig.CABundle = injected(before, webhooks[i].Name)
		}
	}
	setWebhooks(live, webhooks)
}

// injected is the bundle that somebody else put there: of the same webhook, else
// of any, since all of ours are served by one certificate.
func injected(webhooks []admissionv1.MutatingWebhook, name string) []byte {
	var other []byte
	for i := range webhooks {
		b := webhooks[i].ClientConfig.CABundle
		if webhooks[i].Name == name && len(b) > 0 {
			return b
		}
		if other == nil && len(b) > 0 {
			other = b
		}
	}
	return other
}

func describe(differences []string) string {
	const most = 5
	if n := len(differences); n > most {
		return strings.Join(differences[:most], "; ") + fmt.Sprintf("; and %d more", n-most)
	}
	return strings.Join(differences, "; ")
}
