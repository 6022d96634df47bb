package policy

import (
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
credential: a way to become a sync, own, system or trusted identity. It stands
before the classes that let controllers through, since a controller that can pose
as the sync identity can do anything. Only break-glass lets it through.

Not asked of: sync and own (the classes before this one) and system: the node that
requests tokens for its own pods, the controllers that fan out a workload which was
judged when it was written.

Allowed: a person's exec into an ordinary pod (then class operation decides).
Not allowed: a token for flux-system/kustomize-controller; any token bound to a pod;
exec, attach, port-forward, proxy or a debug container into its pod; a pod or
template that names its account; its ServiceAccount, token Secret, RBAC bindings; a
certificate in its name.

A platform keeps its own in order: a subject that the policy trusts with the kind, whole,
may make what leads to a trusted identity or a node, and to nobody else. Without it the
network operator that binds the group of its nodes would be denied for ever.
*/
func credential(q *question) (verdict, bool) {
	if q.isSystem() {
		return no()
	}
	why := q.becomes()
	if why == "" {
		return no()
	}
	if v, ok := q.forgery(); ok {
		return v, true
	}
	if v, ok := breakGlass(q); ok {
		return v, true
	}
	return q.byMode(v1alpha1.ReasonCredential, why), true
}

// elsewhere judges what the policy does not govern: an identity that it lets
// through counts wherever it was come by, so that a way to become one is guarded
// whatever the policy matches. Sync identities of any policy are not asked, since
// this is no rule of theirs.
func (q *question) elsewhere(policies []*Policy) (verdict, bool) {
	q.missing = 0
	if !q.credentialKind() {
		return no()
	}
	u := &q.req.User
	if q.facts.Install.component(u) || slices.ContainsFunc(policies, func(p *Policy) bool { return p.syncOf(u) != nil }) {
		return no()
	}
	v, fits := credential(q)
	return q.signed(v, v1alpha1.ClassCredential), fits
}

// MayBecome says whether the request is of a kind that class credential asks about
// whatever the policy matches, for a caller that can't show the whole request.
func (p *Policy) MayBecome(req *Request, install Installation) bool {
	q := question{req: req, facts: &Facts{Install: install}, policy: p}
	return q.credentialKind()
}

// credentialKind: the kinds by which one can become somebody, those of a
// namespace only where a guarded account lives. The registration sends them
// whatever the policies match, so both change together.
func (q *question) credentialKind() bool {
	r := q.req
	switch r.Resource.Group {
	case "":
		switch r.Resource.Resource {
		case "serviceaccounts":
			return r.Subresource == "token" || q.home()
		case "nodes":
			return r.Subresource == "proxy"
		case "pods", "secrets", "services", "replicationcontrollers", "podtemplates":
			return q.home()
		}
	case appsGroup, batchGroup:
		return q.home()
	case rbacGroup:
		return r.Resource.Resource == "rolebindings" || r.Resource.Resource == "clusterrolebindings"
	case certificatesGroup:
		return r.Resource.Resource == csrResource
	}
	return false
}

// becomes says whom this request is a way to become; "" for nobody.
func (q *question) becomes() string {
	r := q.req
	switch r.Resource.Group {
	case "":
		switch r.Resource.Resource {
		case "serviceaccounts":
			if r.Subresource == "token" {
				return q.token()
			}
			return q.named(r.Namespace, r.Name)
		case "secrets":
			return q.tokenSecret()
		case "pods":
			return q.pod()
		case "nodes":
			return q.nodeProxy()
		case "services":
			return q.serviceProxy()
		case "replicationcontrollers", "podtemplates":
			return q.template()
		}
	case appsGroup, batchGroup:
		return q.template()
	case rbacGroup:
		return q.binding()
	case certificatesGroup:
		return q.certificate()
	}
	return ""
}

// entrusted: the policy trusts the requester with this kind, without a list of fields.
func (q *question) entrusted() bool {
	r := q.req
	return !q.policy.builtin && slices.ContainsFunc(q.policy.Spec.Trusted, func(t v1alpha1.TrustedSubject) bool {
		return len(t.Fields) == 0 && anyResource(t.Resources, r.Resource.Group, r.Resource.Resource) && r.User.is(&t.Subject)
	})
}

// home: a guarded account lives in the request's namespace.
func (q *question) home() bool {
	ns := q.req.Namespace
	return q.policy.homes[ns] || ns == q.facts.Install.Namespace
}

// guards says why class credential guards an account; "" if it does not.
func (q *question) guards(namespace, name string) string {
	if q.facts.Install.account(namespace, name, true) {
		return "a component of Gitlatch"
	}
	why, group := q.policy.protected[v1alpha1.Account{Namespace: namespace, Name: name}], accountsGroup+":"+namespace
	switch {
	case why == isTrusted && q.policy.syncName("", group), // its token carries the group, and so is the sync's
		why == "" && q.guardedName("", group):
		return "one of " + group + ", whom the policy lets through"
	case why == isTrusted && q.entrusted():
		return ""
	}
	return why
}

func (q *question) named(namespace, name string) string {
	if why := q.guards(namespace, name); why != "" {
		return "is a way to become " + namespace + "/" + name + ", " + why
	}
	return ""
}

// token: a TokenRequest for such an account, or any that is bound to a pod,
// since that is the proof by which controllers are known.
func (q *question) token() string {
	if why := q.named(q.req.Namespace, q.req.Name); why != "" {
		return why
	}
	ref := child(q.req.Object, "spec", "boundObjectRef")
	if strings.EqualFold(text(ref, "kind"), "Pod") {
		return "asks for a token that is bound to a pod, which is the proof of a controller"
	}
	return ""
}

func (q *question) tokenSecret() string {
	for _, obj := range []map[string]any{q.req.Old, q.req.Object} {
		if text(obj, "type") != "kubernetes.io/service-account-token" {
			continue
		}
		if why := q.named(q.req.Namespace, annotation(obj, "kubernetes.io/service-account.name")); why != "" {
			return why
		}
	}
	return ""
}

// binding: who holds a role. A binding that names a guarded account changes
// what the account can do, or lends its subject's place.
func (q *question) binding() string {
	switch q.req.Resource.Resource {
	case "rolebindings", "clusterrolebindings":
	default:
		return ""
	}
	for _, obj := range []map[string]any{q.req.Old, q.req.Object} {
		for _, v := range list(obj, "subjects") {
			s, _ := v.(map[string]any)
			if why := q.subject(s); why != "" {
				return why
			}
		}
	}
	return ""
}

func (q *question) subject(s map[string]any) string {
	name := text(s, "name")
	switch text(s, "kind") {
	case "ServiceAccount":
		ns := text(s, "namespace")
		if ns == "" {
			ns = q.req.Namespace
		}
		return q.named(ns, name)
	case "User":
		u := User{Name: name}
		if ns, account, ok := u.Account(); ok {
			return q.named(ns, account)
		}
		if q.guardedName(name, "") {
			return "is a way to become " + name
		}
	case "Group":
		if q.guardedName("", name) {
			return "is a way to become " + name
		}
		return q.groupOfAccounts(name)
	}
	return ""
}

// guardedName: a user or group that the policy names as sync or trusted.
func (q *question) guardedName(user, group string) bool {
	return q.policy.syncName(user, group) || q.policy.trustedName(user, group) && !q.entrusted()
}

func (p *Policy) syncName(user, group string) bool {
	return slices.ContainsFunc(p.Spec.Sync, func(s v1alpha1.SyncIdentity) bool { return calls(&s.Subject, user, group) })
}

func (p *Policy) trustedName(user, group string) bool {
	return slices.ContainsFunc(p.Spec.Trusted, func(t v1alpha1.TrustedSubject) bool { return calls(&t.Subject, user, group) })
}

// calls: the subject is this user, or this group.
func calls(s *v1alpha1.Subject, user, group string) bool {
	return user != "" && s.User == user || group != "" && s.Group == group
}
