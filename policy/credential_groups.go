package policy

import (
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// accountsGroup is the group of all service accounts; with a colon and a namespace, of those there. The API server puts
// every account into both (k8s.io/apiserver/pkg/authentication/serviceaccount, MakeGroupNames).
const accountsGroup = "system:serviceaccounts"

// accountsNamespace is the namespace whose accounts make up the group.
func accountsNamespace(group string) (namespace string, ok bool) {
	return strings.CutPrefix(group, accountsGroup+":")
}

// groupOfAccounts: a role for a group that a guarded account is in as an account is one for the account. The group of
// those that live where the binding is gains nothing elsewhere, and a platform may bind it in every namespace (OpenShift's
// system:image-pullers); the group of everybody who is anybody, system:authenticated, is no account's.
func (q *question) groupOfAccounts(group string) string {
	namespace, ofOne := accountsNamespace(group)
	if !ofOne && group != accountsGroup || ofOne && namespace == q.req.Namespace {
		return ""
	}
	in := &q.facts.Install
	if in.Namespace != "" && (!ofOne || namespace == in.Namespace) {
		return "is a role for " + group + ", which the components of Gitlatch are in"
	}
	first := v1alpha1.Account{}
	for a := range q.policy.protected {
		if ofOne && a.Namespace != namespace || q.guards(a.Namespace, a.Name) == "" {
			continue
		}
		if first.Name == "" || a.Namespace+"/"+a.Name < first.Namespace+"/"+first.Name {
			first = a
		}
	}
	if first.Name == "" {
		return ""
	}
	return "is a role for " + group + ", which " + first.Namespace + "/" + first.Name + " is in, " + q.guards(first.Namespace, first.Name)
}
