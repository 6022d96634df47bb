package registration

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// maxCondition bounds the text of what the policies govern. The API server
// compiles 100,000 characters at most, and every API server keeps it in memory.
// What is longer is left out: then more is sent than needs be.
const (
	maxCondition = 48 << 10
	maxHomes     = 8 << 10  // of the namespaces of those who could be posed as
	maxWhole     = 96 << 10 // of all that an entry asks
)

// asked joins the terms to the one condition of an entry. The API server evaluates
// every condition of a list, and the first term that is false ends one: so the
// cheap ones, and those that leave most out, come first.
func asked(terms ...string) []admissionv1.MatchCondition {
	terms = slices.DeleteFunc(terms, func(t string) bool { return t == "true" })
	return []admissionv1.MatchCondition{{Name: "asked", Expression: strings.Join(terms, " &&\n")}}
}

// neverAsked is what no policy governs. policy.NeverAsked is the authority: what
// it does not name is not left out.
func neverAsked() string {
	var kinds []string
	for _, k := range [][2]string{
		{"", "events"}, {"", "componentstatuses"}, {"", "bindings"},
		{"events.k8s.io", "events"},
		{"coordination.k8s.io", "leases"},
		{"authentication.k8s.io", "tokenreviews"},
		{"authentication.k8s.io", "selfsubjectreviews"},
		{"authorization.k8s.io", "subjectaccessreviews"},
		{"authorization.k8s.io", "localsubjectaccessreviews"},
		{"authorization.k8s.io", "selfsubjectaccessreviews"},
		{"authorization.k8s.io", "selfsubjectrulesreviews"},
	} {
		if policy.NeverAsked(k[0], k[1], "") && policy.NeverAsked(k[0], k[1], "status") {
			kinds = append(kinds, k[0]+"/"+k[1])
		}
	}
	binding := "false"
	if policy.NeverAsked("", "pods", "binding") {
		binding = allOf(isKind("", "pods"), "("+celSub+` == "binding")`)
	}
	return anyOf(among(celKind, kinds), binding)
}

// builtIn is what keeps the gate itself standing: guarded whatever the policies.
func builtIn(o *Options) string {
	return anyOf(
		"("+celGroup+" == "+quote(v1alpha1.Group)+")",
		"("+celNamespace+" == "+quote(o.Install.Namespace)+")",
		allOf(isKind("", "namespaces"), named(is(o.Install.Namespace))),
		allOf(isKind("apiextensions.k8s.io", "customresourcedefinitions"), named(endsWith("."+v1alpha1.Group))),
		allOf(among(celGroup, ownByName()), "("+celNamespace+` == "")`, named(startsWith(Name))),
	)
}

// canary is the question whether the gate denies.
func canary() string {
	return allOf(isKind(v1alpha1.Group, "changerecords"), "("+celOperation+` == "CREATE")`, "("+celSub+` == "")`,
		named(is(policy.Canaries()...)))
}

// credentials are the kinds by which one can become somebody whom a policy lets
// through: asked about whatever the policies match, as policy.Decide judges them.
func credentials(o *Options, policies []*policy.Policy) string {
	protected, all := protectedNamespaces(o, policies)
	home := "true"
	if !all {
		home = among(celNamespace, protected)
	}
	if len(home) > maxHomes {
		home = "true"
	}
	return anyOf(
		allOf(isKind("", "serviceaccounts"), "("+celSub+` == "token")`),
		allOf(isKind("", "nodes"), "("+celSub+` == "proxy")`),
		among(celKind, []string{
			"certificates.k8s.io/certificatesigningrequests",
			"rbac.authorization.k8s.io/clusterrolebindings",
			"rbac.authorization.k8s.io/rolebindings",
		}),
		allOf(home, anyOf(
			among(celKind, []string{"/serviceaccounts", "/pods", "/replicationcontrollers", "/podtemplates"}),
			among(celGroup, []string{"apps", "batch"}),
			allOf(isKind("", "services"), "("+celSub+` == "proxy")`),
			allOf(isKind("", "secrets"), anyOf(tokenSecret("object"), tokenSecret("oldObject"))),
		)),
	)
}

// ownByName are the groups whose cluster-scoped objects are Gitlatch's when their
// name begins with its name.
func ownByName() []string {
	return []string{
		"admissionregistration.k8s.io", "flowcontrol.apiserver.k8s.io",
		"rbac.authorization.k8s.io", "scheduling.k8s.io",
	}
}

// governed: some policy governs the request, and its requester is not a sync
// identity to that policy. Selectors of labels are judged by us.
func governed(policies []*policy.Policy) string {
	var terms []string
	for _, p := range policies {
		terms = append(terms, allOf(matches(&p.Spec.Match, anyRule), not(isSync(p))))
	}
	if e := anyOf(terms...); len(e) <= maxCondition {
		return e
	}
	return unsynced(policies)
}

// unsynced: to some policy the requester is no sync identity.
func unsynced(policies []*policy.Policy) string {
	var terms []string
	for _, p := range policies {
		terms = append(terms, not(isSync(p)))
	}
	if e := anyOf(terms...); len(e) <= maxCondition {
		return e
	}
	return "true"
}

// matches is a policy's match, without its selectors. anyRule says its rules.
func matches(m *v1alpha1.Match, anyRule func([]v1alpha1.ResourceRule) string) string {
	resources := "true"
	if len(m.Resources) > 0 {
		resources = anyRule(m.Resources)
	}
	scoped := "true"
	if m.ClusterScoped != nil && !*m.ClusterScoped {
		scoped = "(" + celNamespace + ` != "")`
	}
	excluded := "false"
	if len(m.ExcludeNamespaces) > 0 {
		excluded = among(celNamespace, sorted(slices.Clone(m.ExcludeNamespaces)))
	}
	return allOf(resources, not(anyRule(m.ExcludeResources)), scoped, not(excluded))
}

func anyRule(rules []v1alpha1.ResourceRule) string { return anyRuleOf(celGroup, celResource, rules) }

// anyRuleOf is anyRule of a resource that these expressions name.
func anyRuleOf(ofGroup, ofResource string, rules []v1alpha1.ResourceRule) string {
	var terms []string
	for _, r := range rules {
		group, resource := "true", "true"
		if !slices.Contains(r.APIGroups, "*") {
			group = among(ofGroup, sorted(slices.Clone(r.APIGroups)))
		}
		if !slices.Contains(r.Resources, "*") {
			resource = among(ofResource, sorted(slices.Clone(r.Resources)))
		}
		terms = append(terms, allOf(group, resource))
	}
	return anyOf(terms...)
}

// controllerLetThrough: a pod-bound service account writes what git did not
// declare, where no credential can be involved.
func controllerLetThrough(o *Options, policies []*policy.Policy) string {
	protected, all := protectedNamespaces(o, policies)
	if all {
		return "false"
	}
	var managers []string
	var steering []v1alpha1.ResourceRule
	for _, p := range policies {
		if p.Spec.Controllers == v1alpha1.ControllersNone {
			return "false"
		}
		steering = append(steering, p.Spec.Steering...)
		for i := range p.Spec.Sync {
			managers = append(managers, p.Spec.Sync[i].FieldManagers...)
		}
	}
	managers = sorted(managers)
	e := allOf(
		"("+celUser+".matches("+quote("^"+accountPrefix+"[^:]+:.+")+"))",
		celPodBound(),
		not(isUntrusted(untrustedOf(policies))),
		among(celSub, []string{"", "status"}),
		not(sensitive(steering)),
		not(among(celNamespace, protected)),
		not(writesAs(managers)),
		undeclaredWrite(managers),
	)
	if len(e) > maxCondition {
		return "false"
	}
	return e
}

// sensitive is what a pod-bound controller is asked about whatever it is that it
// writes: ways to become somebody else, and what takes much with it.
func sensitive(steering []v1alpha1.ResourceRule) string {
	return anyOf(
		among(celKind, []string{
			"/namespaces",
			"/serviceaccounts",
			"certificates.k8s.io/certificatesigningrequests",
			"rbac.authorization.k8s.io/clusterrolebindings",
			"rbac.authorization.k8s.io/rolebindings",
		}),
		allOf(isKind("", "secrets"), anyOf(tokenSecret("object"), tokenSecret("oldObject"))),
		allOf(isKind("apiextensions.k8s.io", "customresourcedefinitions"), "("+celOperation+` == "DELETE")`),
		anyRule(steering),
	)
}

func tokenSecret(object string) string {
	return fmt.Sprintf(`(%[1]s != null && has(%[1]s.type) && %[1]s.type == "kubernetes.io/service-account-token")`, object)
}

// writesAs: the client calls itself a sync field manager.
func writesAs(managers []string) string {
	return allOf("has(request.options)", "(request.options != null)", "has(request.options.fieldManager)",
		among("request.options.fieldManager", managers))
}

// undeclaredWrite: the objects are all there that this operation has, and no sync
// field manager is on any of them; not on status either, which declares nothing,
// but may be forged.
func undeclaredWrite(managers []string) string {
	old, now := undeclared("oldObject", managers), undeclared("object", managers)
	return anyOf(
		allOf("("+celOperation+` == "CREATE")`, "("+celSub+` == "")`, now),
		allOf("("+celOperation+` == "UPDATE")`, now, old),
		allOf("("+celOperation+` == "DELETE")`, old),
	)
}

func undeclared(object string, managers []string) string {
	fields := object + ".metadata.managedFields"
	entry := allOf("has(e.manager)", among("e.manager", managers))
	return fmt.Sprintf(`(%[1]s != null && has(%[1]s.metadata) && (!has(%[2]s) || %[2]s == null || `+
		`(size(%[2]s) <= %[3]d && !%[2]s.exists(e, %[4]s))))`, object, fields, maxWalked, entry)
}
