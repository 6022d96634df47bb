package policy

import (
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
own: a component of Gitlatch, proven by the token of its pod, on what it owns:
the group gitlatch.dev, Secrets of its own namespace and ConfigMaps of its own
name there, and what it registers under its own name.

Allowed: the webhook's pod writes a ChangeRecord.
Not allowed here: the webhook's pod edits a Deployment; a minted token of the
webhook's account.
*/
func own(q *question) (verdict, bool) {
	r, in := q.req, &q.facts.Install
	if !in.component(&r.User) {
		return no()
	}
	switch {
	case r.Resource.Group == v1alpha1.Group,
		r.Namespace == in.Namespace && (r.isResource("", "secrets") || r.isResource("", "configmaps") && ownName(r.Name)),
		r.Resource.Group == "admissionregistration.k8s.io" && ownName(r.Name):
		return allow()
	}
	return no()
}

// component: one of Gitlatch's accounts, with the token of a living pod.
func (in *Installation) component(u *User) bool {
	return in.account(u.Account()) && u.podBound()
}

func (in *Installation) account(namespace, name string, ok bool) bool {
	return ok && in.Namespace != "" && namespace == in.Namespace && name != "" &&
		(name == in.Webhook || name == in.Applier || name == in.Reporter)
}

// ownName: cluster-scoped objects of other groups are Gitlatch's by name.
func ownName(name string) bool {
	return name == "gitlatch" || strings.HasPrefix(name, "gitlatch-") || strings.HasPrefix(name, "gitlatch:")
}
