package policy

import (
	"slices"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Poses says what a requester of this name is to the gate: "a sync identity", "a
// component of Gitlatch" and so on, for every identity that it lets through; "" for
// anybody else. It asks for no proof, for whoever looks at requests that were made under
// a name by somebody else: under such, the proof itself is a pose.
func Poses(u *User, policies []*Policy, in Installation) string {
	if in.account(u.Account()) {
		return "a component of Gitlatch"
	}
	if slices.Contains(ControlPlaneUsers(), u.Name) || strings.HasPrefix(u.Name, nodePrefix) {
		return "an identity of the control plane"
	}
	if strings.HasPrefix(u.Name, bootstrapPrefix) {
		return "a machine that is to become a node"
	}
	ns, name, isAccount := u.Account()
	if isAccount && ns == systemNamespace && slices.Contains(ControlPlaneAccounts(), name) {
		return "a control-plane controller"
	}
	for _, p := range policies {
		if why := p.protected[v1alpha1.Account{Namespace: ns, Name: name}]; isAccount && why != "" {
			return why
		}
		for i := range p.Spec.Sync {
			if u.named(&p.Spec.Sync[i].Subject) {
				return "a sync identity"
			}
		}
		for i := range p.Spec.Trusted {
			if u.named(&p.Spec.Trusted[i].Subject) {
				return "a trusted identity"
			}
		}
	}
	switch {
	case u.podBound():
		return "a controller, with the proof of a pod"
	case u.genuineAccount():
		return "an account, with the proof of a token"
	}
	return ""
}

// named: the subject is this user, or a group of theirs, by name.
func (u *User) named(s *v1alpha1.Subject) bool {
	return s.User != "" && s.User == u.Name || s.Group != "" && u.inGroup(s.Group)
}

// MayImpersonate says whether a requester may act under another's name by what the
// policies say: a component of Gitlatch and a sync identity, proven, or a pod-bound
// account where a policy accepts the other one impersonated.
func MayImpersonate(by, as *User, policies []*Policy, in Installation) bool {
	if in.component(by) {
		return true
	}
	for _, p := range policies {
		if p.syncOf(by) != nil {
			return true
		}
		if s := p.syncOf(as); s != nil && s.Impersonated && by.podBound() {
			return true
		}
	}
	return false
}

// PodBound says that the requester is a service account with the token of a pod that
// lives.
func (u *User) PodBound() bool { return u.podBound() }
