package registration

import (
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// maxRules bounds the rules of one entry; more become one that takes everything,
// and the conditions sort it out.
const maxRules = 128

// rules are the union of what the policies govern, every operation and every
// subresource of it.
func rules(policies []*policy.Policy) []admissionv1.RuleWithOperations {
	byKey := map[string]admissionv1.RuleWithOperations{}
	everything := map[admissionv1.ScopeType]bool{}
	for _, p := range policies {
		scope := admissionv1.AllScopes
		if c := p.Spec.Match.ClusterScoped; c != nil && !*c {
			scope = admissionv1.NamespacedScope
		}
		resources := p.Spec.Match.Resources
		if len(resources) == 0 {
			resources = []v1alpha1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}}}
		}
		for i := range resources {
			r := resourceRule(scope, &resources[i])
			byKey[key(&r)] = r
			everything[scope] = everything[scope] || r.APIGroups[0] == "*" && r.Resources[0] == "*/*"
		}
	}
	if len(byKey) > maxRules {
		everything[admissionv1.AllScopes] = true
	}
	if everything[admissionv1.AllScopes] {
		return []admissionv1.RuleWithOperations{rule(admissionv1.AllScopes, []string{"*"}, []string{"*/*"})}
	}
	var keys []string
	for k := range byKey {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := make([]admissionv1.RuleWithOperations, 0, len(keys)+1)
	for _, k := range keys {
		out = append(out, byKey[k])
	}
	// Deleting a CRD deletes its objects, which admission is not asked about.
	crds := rule(admissionv1.ClusterScope, []string{crdGroup}, []string{crdResource})
	crds.Operations = []admissionv1.OperationType{admissionv1.Delete}
	return append(out, crds)
}

const (
	crdGroup    = "apiextensions.k8s.io"
	crdResource = "customresourcedefinitions"
)

// resourceRule: the API server takes "*" beside nothing else.
func resourceRule(scope admissionv1.ScopeType, r *v1alpha1.ResourceRule) admissionv1.RuleWithOperations {
	groups := sorted(slices.Clone(r.APIGroups))
	if slices.Contains(groups, "*") {
		groups = []string{"*"}
	}
	if slices.Contains(r.Resources, "*") {
		return rule(scope, groups, []string{"*/*"})
	}
	var resources []string
	for _, name := range sorted(slices.Clone(r.Resources)) {
		resources = append(resources, name, name+"/*")
	}
	return rule(scope, groups, resources)
}

func key(r *admissionv1.RuleWithOperations) string {
	return string(*r.Scope) + "|" + strings.Join(r.APIGroups, ",") + "|" + strings.Join(r.Resources, ",")
}

// validating says the same to the other kind of webhook.
func validating(in []admissionv1.MutatingWebhook) []admissionv1.ValidatingWebhook {
	out := make([]admissionv1.ValidatingWebhook, 0, len(in))
	for _, w := range in {
		out = append(out, admissionv1.ValidatingWebhook{
			Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy,
			MatchPolicy: w.MatchPolicy, NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector,
			SideEffects: w.SideEffects, TimeoutSeconds: w.TimeoutSeconds,
			AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
		})
	}
	return out
}

// mutating is the inverse of validating; the reinvocation policy, which the other
// kind has not, is the one that we set.
func mutating(in []admissionv1.ValidatingWebhook) []admissionv1.MutatingWebhook {
	out := make([]admissionv1.MutatingWebhook, 0, len(in))
	for _, w := range in {
		out = append(out, admissionv1.MutatingWebhook{
			Name: w.Name, ClientConfig: w.ClientConfig, Rules: w.Rules, FailurePolicy: w.FailurePolicy,
			MatchPolicy: w.MatchPolicy, NamespaceSelector: w.NamespaceSelector, ObjectSelector: w.ObjectSelector,
			SideEffects: w.SideEffects, TimeoutSeconds: w.TimeoutSeconds,
			AdmissionReviewVersions: w.AdmissionReviewVersions, MatchConditions: w.MatchConditions,
			ReinvocationPolicy: ptr(admissionv1.NeverReinvocationPolicy),
		})
	}
	return out
}
