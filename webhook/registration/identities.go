package registration

import (
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

/*
Who is who, as CEL: the same proofs as policy/identity.go. A service account's
name proves nothing; what an authenticator adds does.
*/

const accountPrefix = "system:serviceaccount:"

// celPodBound: the token of a living pod.
func celPodBound() string {
	return allOf(celUID, extra(policy.ExtraPodName), extra(policy.ExtraPodUID))
}

func isAccount(namespace, name string) string {
	return "(" + celUser + " == " + quote(accountPrefix+namespace+":"+name) + ")"
}

// isSync: the requester is a sync identity of this policy, proven.
func isSync(p *policy.Policy) string {
	var terms []string
	for i := range p.Spec.Sync {
		terms = append(terms, isSyncIdentity(&p.Spec.Sync[i]))
	}
	return anyOf(terms...)
}

func isSyncIdentity(s *v1alpha1.SyncIdentity) string {
	a := s.ServiceAccount
	switch {
	case a != nil && s.Impersonated:
		return isAccount(a.Namespace, a.Name)
	case a != nil && s.PodBound != nil && !*s.PodBound:
		return allOf(isAccount(a.Namespace, a.Name),
			anyOf(allOf(celUID, extra(policy.ExtraCredentialID)), extra(v1alpha1.ExtraSync)))
	case a != nil:
		return allOf(isAccount(a.Namespace, a.Name), anyOf(celPodBound(), extra(v1alpha1.ExtraSync)))
	case s.User != "":
		return "(" + celUser + " == " + quote(s.User) + ")"
	case s.Group != "":
		return inGroup(s.Group)
	}
	return "false"
}

// isSubject: the requester presents the subject, with the proof that it asks for.
func isSubject(s *v1alpha1.Subject) string {
	a := s.ServiceAccount
	switch {
	case a != nil && s.PodBound != nil && !*s.PodBound:
		return allOf(isAccount(a.Namespace, a.Name), celUID, extra(policy.ExtraCredentialID))
	case a != nil:
		return allOf(isAccount(a.Namespace, a.Name), celPodBound())
	case s.User != "":
		return "(" + celUser + " == " + quote(s.User) + ")"
	case s.Group != "":
		return inGroup(s.Group)
	}
	return "false"
}

// isBootstrap: a machine that is about to become a node asks for its certificate.
func isBootstrap() string {
	return allOf(isKind("certificates.k8s.io", "certificatesigningrequests"), "("+celOperation+` == "CREATE")`,
		celUser+`.startsWith("system:bootstrap:")`, inGroup("system:bootstrappers"))
}

// isOwn: one of Gitlatch's components, by its pod.
func isOwn(accounts ...string) func(namespace string) string {
	return func(namespace string) string {
		var users []string
		for _, a := range accounts {
			if a != "" {
				users = append(users, accountPrefix+namespace+":"+a)
			}
		}
		return allOf(among(celUser, users), celPodBound())
	}
}

// isSystem: a named identity of the control plane, or a node, proven.
func isSystem() string {
	var accounts []string
	for _, name := range policy.ControlPlaneAccounts() {
		accounts = append(accounts, accountPrefix+"kube-system:"+name)
	}
	genuine := anyOf(celUID, extra(policy.ExtraCredentialID))
	return anyOf(
		allOf(among(celUser, policy.ControlPlaneUsers()), genuine),
		allOf(celUser+`.startsWith("system:node:")`, inGroup("system:nodes"), genuine),
		allOf(among(celUser, accounts), celUID, extra(policy.ExtraCredentialID)),
	)
}

// isUntrusted: an account that some policy judges as a person.
func isUntrusted(accounts []v1alpha1.AccountMatch) string {
	var exact, prefixes []string
	for _, u := range accounts {
		if u.Name == "" {
			prefixes = append(prefixes, "("+celUser+".startsWith("+quote(accountPrefix+u.Namespace+":")+"))")
			continue
		}
		exact = append(exact, accountPrefix+u.Namespace+":"+u.Name)
	}
	return anyOf(append(prefixes, among(celUser, sorted(exact)))...)
}

// untrustedOf are those of all policies.
func untrustedOf(policies []*policy.Policy) []v1alpha1.AccountMatch {
	var out []v1alpha1.AccountMatch
	for _, p := range policies {
		out = append(out, p.Spec.UntrustedControllers...)
	}
	return out
}

// protectedNamespaces hold accounts that a credential could be stolen from; all
// says that every namespace does.
func protectedNamespaces(o *Options, policies []*policy.Policy) (namespaces []string, all bool) {
	namespaces = []string{"kube-system", o.Install.Namespace}
	for _, p := range policies {
		var subjects []v1alpha1.Subject
		for i := range p.Spec.Sync {
			subjects = append(subjects, p.Spec.Sync[i].Subject)
		}
		for i := range p.Spec.Trusted {
			subjects = append(subjects, p.Spec.Trusted[i].Subject)
		}
		for _, s := range subjects {
			if s.ServiceAccount != nil {
				namespaces = append(namespaces, s.ServiceAccount.Namespace)
			}
			switch namespace, ofOne := strings.CutPrefix(s.Group, "system:serviceaccounts:"); {
			case ofOne:
				namespaces = append(namespaces, namespace)
			case s.Group == "system:serviceaccounts", s.Group == "system:authenticated":
				return nil, true
			}
		}
	}
	return sorted(namespaces), false
}

func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
