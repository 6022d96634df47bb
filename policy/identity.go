package policy

import (
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
Proof: a service account's name proves nothing by itself. Whoever may
impersonate can take it, and whoever may request tokens can mint it.

	a plain --as              name and groups, no uid, no extra
	a minted token            uid, credential-id
	a pod's own token         uid, credential-id, pod-name, pod-uid

The API server checks that the pod of a bound token lives, so no look-up is
needed. Keys: k8s.io/apiserver/pkg/authentication/serviceaccount (KEP-4193) and
user.CredentialIDKey.
*/

// Keys in a requester's extra that the API server's authenticators set.
const (
	ExtraPodName      = "authentication.kubernetes.io/pod-name"
	ExtraPodUID       = "authentication.kubernetes.io/pod-uid"
	ExtraCredentialID = "authentication.kubernetes.io/credential-id"
)

const (
	accountPrefix = "system:serviceaccount:"
	nodePrefix    = "system:node:"
	mastersGroup  = "system:masters"
	nodesGroup    = "system:nodes"
)

// Account splits the user name of a service account. ok is false for any other
// user.
func (u *User) Account() (namespace, name string, ok bool) {
	rest, found := strings.CutPrefix(u.Name, accountPrefix)
	if !found {
		return "", "", false
	}
	namespace, name, ok = strings.Cut(rest, ":")
	return namespace, name, ok && namespace != "" && name != ""
}

func (u *User) has(key string) bool {
	v := u.Extra[key]
	return len(v) > 0 && v[0] != ""
}

// genuine: an authenticator vouched for this requester; a plain --as shows
// neither.
func (u *User) genuine() bool { return u.UID != "" || u.has(ExtraCredentialID) }

// genuineAccount: a token of the account itself, bound to a pod or not.
func (u *User) genuineAccount() bool {
	_, _, ok := u.Account()
	return ok && u.UID != "" && u.has(ExtraCredentialID)
}

// podBound: a service account with the token of a living pod.
func (u *User) podBound() bool {
	_, _, ok := u.Account()
	return ok && u.UID != "" && u.has(ExtraPodName) && u.has(ExtraPodUID)
}

func (u *User) inGroup(group string) bool { return slices.Contains(u.Groups, group) }

// is says whether the user presents the subject, with the proof that the
// subject asks for.
func (u *User) is(s *v1alpha1.Subject) bool {
	switch {
	case s.ServiceAccount != nil:
		if !u.isAccount(s.ServiceAccount) {
			return false
		}
		if s.PodBound == nil || *s.PodBound {
			return u.podBound()
		}
		return u.genuineAccount()
	case s.User != "":
		return u.Name == s.User
	case s.Group != "":
		return u.inGroup(s.Group)
	}
	return false
}

// isAccount compares from the end, where names differ soonest.
func (u *User) isAccount(a *v1alpha1.Account) bool {
	rest, ok := strings.CutSuffix(u.Name, a.Name)
	if !ok {
		return false
	}
	rest, ok = strings.CutSuffix(rest, ":")
	if !ok {
		return false
	}
	rest, ok = strings.CutSuffix(rest, a.Namespace)
	return ok && rest == accountPrefix
}
