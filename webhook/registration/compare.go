package registration

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
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

// kindOf names what we keep in logs and metrics.
func kindOf(o client.Object) string {
	switch o.(type) {
	case *admissionv1.MutatingWebhookConfiguration:
		return "MutatingWebhookConfiguration"
	case *admissionv1.ValidatingAdmissionPolicy:
		return "ValidatingAdmissionPolicy"
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		return "ValidatingAdmissionPolicyBinding"
	}
	return "ValidatingWebhookConfiguration"
}

// setContents puts into o what from, of the same kind, says there is to be.
func setContents(o, from client.Object) {
	switch c := o.(type) {
	case *admissionv1.ValidatingAdmissionPolicy:
		c.Spec = *from.(*admissionv1.ValidatingAdmissionPolicy).Spec.DeepCopy()
	case *admissionv1.ValidatingAdmissionPolicyBinding:
		c.Spec = *from.(*admissionv1.ValidatingAdmissionPolicyBinding).Spec.DeepCopy()
	default:
		setWebhooks(o, webhooksOf(from))
	}
}

// Differences lists what of ours is not in live as it should be, in words; none
// where it is, or where only what a platform is known to rewrite differs. live and
// want are of one kind, one of those that [Compile] and [Backstop] make.
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
	for _, k := range injectors(live, want) {
		out = append(out, "annotation "+k)
	}
	slices.Sort(out)
	out = append(out, backstopDifferences(live, want)...)
	return append(out, webhookDifferences(webhooksOf(live), webhooksOf(want), isInjected(want))...)
}

func webhookDifferences(live, want []admissionv1.MutatingWebhook, injected bool) []string {
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
		if fields := fieldDifferences(&live[at], w, injected); len(fields) > 0 {
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

func fieldDifferences(live, want *admissionv1.MutatingWebhook, injected bool) []string {
	client := *live.ClientConfig.DeepCopy()
	if want.ClientConfig.CABundle == nil || injected && len(client.CABundle) > 0 {
		client.CABundle = want.ClientConfig.CABundle // it is somebody else's
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
		{"namespaceSelector", withoutPlatform(live.NamespaceSelector, want.NamespaceSelector), want.NamespaceSelector},
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
	for _, k := range injectors(live, want) {
		delete(annotations, k)
	}
	live.SetLabels(labels)
	live.SetAnnotations(annotations)
	if _, isBackstop := backstopSpec(want); isBackstop {
		setContents(live, want)
		return
	}
	webhooks := slices.Clone(webhooksOf(want))
	before := webhooksOf(live)
	for i := range webhooks {
		if webhooks[i].ClientConfig.CABundle != nil && !isInjected(want) {
			continue
		}
		if b := injected(before, webhooks[i].Name); b != nil {
			webhooks[i].ClientConfig.CABundle = b
		}
	}
	setWebhooks(live, webhooks)
}

func describe(differences []string) string {
	const most = 5
	if n := len(differences); n > most {
		return strings.Join(differences[:most], "; ") + fmt.Sprintf("; and %d more", n-most)
	}
	return strings.Join(differences, "; ")
}
