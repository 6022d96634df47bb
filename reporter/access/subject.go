package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/gitlatch/gitlatch/policy"
)

// Subject is whom a binding names: a User, a Group or a ServiceAccount.
type Subject struct {
	Kind string `json:"kind"`
	// Namespace of a service account; "" for the others.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

const (
	accountPrefix      = "system:serviceaccount:"
	groupMasters       = "system:masters"
	groupNodes         = "system:nodes"
	groupAuthenticated = "system:authenticated"
	groupAccounts      = "system:serviceaccounts"
)

// String names a subject as [ParseSubject] takes it: user:alice, group:devs,
// sa:gitops/sync.
func (s Subject) String() string {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		return "sa:" + s.Namespace + "/" + s.Name
	case rbacv1.GroupKind:
		return "group:" + s.Name
	}
	return "user:" + s.Name
}

// ParseSubject reads user:NAME, group:NAME or sa:NAMESPACE/NAME. A name without a kind
// is a user's; system:serviceaccount:NAMESPACE:NAME is the account.
func ParseSubject(text string) (Subject, error) {
	kind, name, found := strings.Cut(text, ":")
	switch {
	case found && kind == "sa":
		if namespace, name, ok := strings.Cut(name, "/"); ok && namespace != "" && name != "" && !strings.Contains(name, "/") {
			return Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}, nil
		}
		return Subject{}, fmt.Errorf("subject %q: name a service account as sa:NAMESPACE/NAME", text)
	case found && kind == "group" && name != "":
		return Subject{Kind: rbacv1.GroupKind, Name: name}, nil
	case found && kind == "user" && name != "":
		return user(name), nil
	case text == "" || found && name == "":
		return Subject{}, fmt.Errorf("subject %q: use user:NAME, group:NAME or sa:NAMESPACE/NAME", text)
	}
	return user(text), nil
}

// user is a user, or the service account that the API server knows by that name.
func user(name string) Subject {
	if rest, ok := strings.CutPrefix(name, accountPrefix); ok {
		if namespace, account, ok := strings.Cut(rest, ":"); ok && namespace != "" && account != "" {
			return Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}
		}
	}
	return Subject{Kind: rbacv1.UserKind, Name: name}
}

// subjectOf a binding in a namespace ("" for a cluster's); ok is false where it names
// nobody.
func subjectOf(s *rbacv1.Subject, namespace string) (Subject, bool) {
	switch s.Kind {
	case rbacv1.UserKind:
		return user(s.Name), true
	case rbacv1.GroupKind:
		return Subject{Kind: rbacv1.GroupKind, Name: s.Name}, true
	case rbacv1.ServiceAccountKind:
		in := cmp.Or(s.Namespace, namespace)
		return Subject{Kind: rbacv1.ServiceAccountKind, Namespace: in, Name: s.Name}, in != ""
	}
	return Subject{}, false
}

// groups are those that RBAC is sure of: every request of an authenticated user
// carries them.
func (s Subject) groups() []Subject {
	names := []string{}
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		names = []string{groupAccounts, groupAccounts + ":" + s.Namespace, groupAuthenticated}
	case rbacv1.UserKind:
		if s.Name != "system:anonymous" {
			names = []string{groupAuthenticated}
		}
	}
	var out []Subject
	for _, name := range names {
		out = append(out, Subject{Kind: rbacv1.GroupKind, Name: name})
	}
	return out
}

// cloudProvider is the one account that the API server itself binds to a role and that
// no controller of today runs as; the gate knows nothing of it (kubernetes:
// plugin/pkg/auth/authorizer/rbac/bootstrappolicy/namespace_policy.go).
const cloudProvider = "cloud-provider"

// Who is expected to hold rights, and why.
const (
	ExpectedControlPlane = "control plane"
	ExpectedGitlatch     = "Gitlatch"
	ExpectedSync         = "sync identity"
)

// expected says why a subject holds rights without being a finding; "": it is one.
func (j *judge) expected(s Subject) string {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		in := &j.objects.Install
		if s.Namespace == in.Namespace && slices.Contains([]string{in.Webhook, in.Applier, in.Reporter}, s.Name) {
			return ExpectedGitlatch
		}
		if s.Namespace == systemNamespace && (s.Name == cloudProvider || slices.Contains(policy.ControlPlaneAccounts(), s.Name)) {
			return ExpectedControlPlane
		}
	case rbacv1.UserKind:
		if slices.Contains(policy.ControlPlaneUsers(), s.Name) {
			return ExpectedControlPlane
		}
	case rbacv1.GroupKind:
		if s.Name == groupMasters || s.Name == groupNodes {
			return ExpectedControlPlane
		}
	}
	if _, ok := j.syncs[s]; ok {
		return ExpectedSync
	}
	return ""
}
