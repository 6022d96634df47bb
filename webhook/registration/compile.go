package registration

import (
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

/*
Three entries in each configuration, and no request goes to two of them:

	builtin     what keeps the gate standing, always there; and ways to become somebody
	            whom a policy lets through, whatever the policies match
	namespaces  core namespaces, with no selector: relabelling and deleting one are
	            always seen
	(main)      the rest of what the policies govern
*/

const timeoutSeconds = 3

// labelEnforcer asks AKS's admissions enforcer to leave the configuration alone:
// it would exempt namespaces by a label that people can set.
// Source: AKS FAQ, "Can I use admission controller webhooks on AKS?".
const labelEnforcer = "admissions.enforcer/disabled"

// Compile turns policies into the two configurations. It is deterministic: the
// order of the policies does not matter. With no policy only what keeps the gate
// standing is registered.
func Compile(o Options, policies []*policy.Policy) (*admissionv1.MutatingWebhookConfiguration, *admissionv1.ValidatingWebhookConfiguration, error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	policies = slices.Clone(policies)
	slices.SortFunc(policies, func(a, b *policy.Policy) int { return strings.Compare(a.Name, b.Name) })
	meta := metav1.ObjectMeta{
		Name:   Name,
		Labels: map[string]string{v1alpha1.LabelOwner: Name, labelEnforcer: "true"},
	}
	if o.InjectCAFrom != "" {
		meta.Annotations = map[string]string{injectCAFrom: o.InjectCAFrom}
	}
	gate := &admissionv1.MutatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "MutatingWebhookConfiguration"},
		ObjectMeta: meta, Webhooks: o.entries(v1alpha1.GateName, GatePath, policies),
	}
	final := &admissionv1.ValidatingWebhookConfiguration{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingWebhookConfiguration"},
		ObjectMeta: *meta.DeepCopy(), Webhooks: validating(o.entries(v1alpha1.FinalName, FinalPath, policies)),
	}
	return gate, final, nil
}

func (o *Options) entries(name, path string, policies []*policy.Policy) []admissionv1.MutatingWebhook {
	out := []admissionv1.MutatingWebhook{o.builtIn(name, path, policies)}
	if len(policies) == 0 {
		return out
	}
	out = append(out, o.namespaces(name, path, policies))
	if main := o.main(name, path, policies); len(main.Rules) > 0 {
		out = append(out, main)
	}
	return out
}

// entry is what all have in common. Everything that the API server would default
// is said, so that what it stores equals what was compiled.
func (o *Options) entry(name, path string) admissionv1.MutatingWebhook {
	failure := o.FailurePolicy
	if failure == "" {
		failure = admissionv1.Ignore
	}
	return admissionv1.MutatingWebhook{
		Name:                    name,
		ClientConfig:            o.client(path),
		FailurePolicy:           &failure,
		MatchPolicy:             ptr(admissionv1.Equivalent),
		NamespaceSelector:       &metav1.LabelSelector{},
		ObjectSelector:          &metav1.LabelSelector{},
		SideEffects:             ptr(admissionv1.SideEffectClassNoneOnDryRun),
		TimeoutSeconds:          ptr(int32(timeoutSeconds)),
		AdmissionReviewVersions: []string{"v1"},
		// What mutates after the gate is judged by the validating webhook. Asked again,
		// the gate would decide and record one attempt twice.
		ReinvocationPolicy: ptr(admissionv1.NeverReinvocationPolicy),
	}
}

func ptr[T any](v T) *T { return &v }

func rule(scope admissionv1.ScopeType, groups, resources []string) admissionv1.RuleWithOperations {
	return admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.OperationAll},
		Rule: admissionv1.Rule{
			APIGroups: groups, APIVersions: []string{"*"}, Resources: resources, Scope: &scope,
		},
	}
}

func (o *Options) builtIn(name, path string, policies []*policy.Policy) admissionv1.MutatingWebhook {
	w := o.entry("builtin."+name, path)
	everything := []string{"*/*"}
	w.Rules = []admissionv1.RuleWithOperations{
		rule(admissionv1.AllScopes, []string{v1alpha1.Group}, everything),
		rule(admissionv1.NamespacedScope, []string{"*"}, everything),
		rule(admissionv1.ClusterScope, []string{""}, []string{"namespaces", "namespaces/*"}),
		rule(admissionv1.ClusterScope, []string{"apiextensions.k8s.io"}, everything),
		rule(admissionv1.ClusterScope, ownByName(), everything),
	}
	guarded := builtIn(o)
	if len(policies) > 0 {
		w.Rules = append(w.Rules,
			rule(admissionv1.ClusterScope, []string{"certificates.k8s.io"}, []string{"certificatesigningrequests", "certificatesigningrequests/*"}),
			rule(admissionv1.ClusterScope, []string{""}, []string{"nodes/proxy"}),
		)
		guarded = anyOf(guarded, credentials(o, policies))
	}
	// Policies and records have rules for everybody. Not so GitSyncs, nor deletions by the
	// control plane: a namespace that holds a sync must go with no webhook there, under Fail
	// too, and git must bring syncs back.
	ruled := allOf("("+celGroup+" == "+quote(v1alpha1.Group)+")", not(isKind(v1alpha1.Group, "gitsyncs")))
	notSync := "true"
	if len(policies) > 0 {
		notSync = anyOf(ruled, unsynced(policies))
	}
	w.MatchConditions = asked(
		guarded,
		not(neverAsked()),
		not(ownLetThrough(o)),
		anyOf(allOf(ruled, "("+celOperation+` != "DELETE")`), not(isSystem())),
		notSync,
	)
	return w
}

// ownLetThrough: a component writes what it owns. A canary is asked about: its
// answer is what the reporter is after.
func ownLetThrough(o *Options) string {
	i := &o.Install
	return anyOf(
		allOf(isOwn(i.Webhook, i.Applier, i.Reporter)(i.Namespace), anyOf(
			allOf("("+celGroup+" == "+quote(v1alpha1.Group)+")", not(canary())),
			allOf("("+celNamespace+" == "+quote(i.Namespace)+")", isKind("", "secrets")),
			allOf("("+celNamespace+" == "+quote(i.Namespace)+")", isKind("", "configmaps"), named(startsWith(Name+"-"))),
		)),
	)
}

func (o *Options) namespaces(name, path string, policies []*policy.Policy) admissionv1.MutatingWebhook {
	w := o.entry("namespaces."+name, path)
	w.Rules = []admissionv1.RuleWithOperations{
		rule(admissionv1.ClusterScope, []string{""}, []string{"namespaces", "namespaces/*"}),
	}
	w.MatchConditions = asked(
		not(builtIn(o)),
		not(isSystem()),
		unsynced(policies),
	)
	return w
}

func (o *Options) main(name, path string, policies []*policy.Policy) admissionv1.MutatingWebhook {
	w := o.entry(name, path)
	w.Rules = rules(policies)
	if excluded := excludedByAll(policies); len(excluded) > 0 {
		w.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: "kubernetes.io/metadata.name", Operator: metav1.LabelSelectorOpNotIn, Values: excluded,
		}}}
	}
	holding := allOf(isKind(crdGroup, crdResource), "("+celOperation+` == "DELETE")`, unsynced(policies))
	ask := func(governed, controllers string) []admissionv1.MatchCondition {
		return asked(
			not(neverAsked()),
			not(isSystem()),
			governed,
			not(isKind("", "namespaces")),
			not(builtIn(o)),
			not(credentials(o, policies)),
			not(controllers),
		)
	}
	// Where policies say too much, more is sent: a condition that is too long would lose them all.
	for _, c := range [][]admissionv1.MatchCondition{
		ask(anyOf(governed(policies), holding), controllerLetThrough(o, policies)),
		ask(anyOf(governed(policies), holding), "false"),
		ask(unsynced(policies), "false"),
	} {
		if w.MatchConditions = c; len(c[0].Expression) <= maxWhole {
			break
		}
	}
	return w
}

// excludedByAll are the namespaces that no policy governs.
func excludedByAll(policies []*policy.Policy) []string {
	out := sorted(slices.Clone(policies[0].Spec.Match.ExcludeNamespaces))
	for _, p := range policies[1:] {
		out = slices.DeleteFunc(out, func(ns string) bool {
			return !slices.Contains(p.Spec.Match.ExcludeNamespaces, ns)
		})
	}
	return out
}
