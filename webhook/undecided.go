package webhook

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// undecide is the decision on a request that could not be read or judged in
// full: a denial wherever it may be governed under Enforce, else it is admitted
// and said so. What is not known of the request counts as governed, and so does
// everything while the policies themselves are not known.
//
// It does not ask the judge: with half a request the judge would see an object
// that does not change.
func undecide(req *policy.Request, policies []*policy.Policy, known bool, install policy.Installation, cause error) policy.Decision {
	d := policy.Decision{
		Action:  policy.Allow,
		Class:   v1alpha1.ClassUngoverned,
		Reason:  v1alpha1.ReasonUndecided,
		Message: undecidedMessage(req, cause),
		Next:    nextFor(cause),
	}
	if !known || builtIn(req, install) {
		d.Action, d.Class, d.Record = policy.Deny, v1alpha1.ClassOutOfBand, v1alpha1.OutcomeDenied
		return d
	}
	for _, p := range policies {
		if !mayGovern(&p.Spec.Match, req) && !p.MayBecome(req, install) {
			continue
		}
		d.Class, d.Redact = v1alpha1.ClassOutOfBand, append(d.Redact, p.Spec.Redact...)
		if p.Spec.Mode == v1alpha1.ModeEnforce {
			d.Action, d.Record, d.Policy, d.Mode = policy.Deny, v1alpha1.OutcomeDenied, p.Name, p.Spec.Mode
			return d
		}
		if d.Policy == "" || p.Spec.Mode == v1alpha1.ModeWarn {
			d.Policy, d.Mode = p.Name, p.Spec.Mode
		}
		d.Action, d.Record, d.OnRecordFailure = policy.Flag, v1alpha1.OutcomeFlagged, v1alpha1.FailureAdmit
	}
	return d
}

func undecidedMessage(req *policy.Request, cause error) string {
	target := "this request"
	if req.Resource.Resource != "" {
		target = req.Target()
	}
	return target + " could not be judged: " + cause.Error()
}

// mayGovern leaves out only what the policy excludes for certain. The label
// selectors are not asked: the labels are not known.
func mayGovern(m *v1alpha1.Match, req *policy.Request) bool {
	group, resource := req.Resource.Group, req.Resource.Resource
	if resource == "" {
		return true
	}
	if req.Namespace != "" && slices.Contains(m.ExcludeNamespaces, req.Namespace) {
		return false
	}
	if policy.NeverAsked(group, resource, req.Subresource) || rulesCover(m.ExcludeResources, group, resource) {
		return false
	}
	if mayHoldGoverned(m, req) {
		return true
	}
	if len(m.Resources) > 0 && !rulesCover(m.Resources, group, resource) {
		return false
	}
	return req.Namespace != "" || m.ClusterScoped == nil || *m.ClusterScoped
}

// mayHoldGoverned is the judge's rule that a policy which governs what is in a
// namespace, or the objects of a CRD, governs its deletion too. An operation that
// is not known may be one. Excluded namespaces and resources are left out already.
func mayHoldGoverned(m *v1alpha1.Match, req *policy.Request) bool {
	switch req.Operation {
	case policy.Create, policy.Update, policy.Connect:
		return false
	}
	if req.Subresource != "" {
		return false
	}
	switch req.Resource.GroupResource() {
	case namespaces.GroupResource():
		return true
	case schema.GroupResource{Group: "apiextensions.k8s.io", Resource: "customresourcedefinitions"}:
		plural, group, named := strings.Cut(req.Name, ".")
		return !named || !rulesCover(m.ExcludeResources, group, plural) &&
			(len(m.Resources) == 0 || rulesCover(m.Resources, group, plural))
	}
	return false
}

func rulesCover(rules []v1alpha1.ResourceRule, group, resource string) bool {
	return slices.ContainsFunc(rules, func(r v1alpha1.ResourceRule) bool {
		return anyOf(r.APIGroups, group) && anyOf(r.Resources, resource)
	})
}

func anyOf(list []string, s string) bool {
	return slices.Contains(list, s) || slices.Contains(list, "*")
}

// builtIn says whether the request is about what keeps the gate standing. Names
// that begin as Gitlatch's do are taken for its own: in doubt the gate stays.
func builtIn(req *policy.Request, install policy.Installation) bool {
	if req.Resource.Group == v1alpha1.Group {
		return true
	}
	if install.Namespace != "" && (req.Namespace == install.Namespace ||
		req.Resource.Resource == "namespaces" && req.Name == install.Namespace) {
		return true
	}
	switch req.Resource.Group {
	case "apiextensions.k8s.io":
		return strings.HasSuffix(req.Name, "."+v1alpha1.Group)
	case "rbac.authorization.k8s.io", "scheduling.k8s.io", "flowcontrol.apiserver.k8s.io":
		return strings.HasPrefix(req.Name, "gitlatch")
	}
	return false
}

// nextFor is what a person can do about a request that the gate could not judge.
func nextFor(cause error) string {
	switch causeOf(cause) {
	case causeTooLong, causeDense:
		return "make the object smaller, or bring it through git"
	case causeShed, causeDeadline, causeStalled, causeCut, causeStarting, causeWindows:
		return "try again in a moment; if it stays, see the logs and the readiness of the gate's pods"
	case causeMethod, causeContentType, causeMalformed:
		return "this did not look like a review of the API server; see the logs of the gate's pods"
	}
	return "try again; if it stays, see the logs of the gate's pods"
}
