package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A group that the API server puts a guarded account in is bound by git alone, but where the group lives.
func TestRolesForGroupsOfAccounts(t *testing.T) {
	const sync = ", which flux-system/kustomize-controller is in, a sync identity"
	for _, c := range []struct {
		name, namespace, group, why string
	}{
		{"the accounts beside the sync", "prod", "system:serviceaccounts:flux-system", "is a role for system:serviceaccounts:flux-system" + sync},
		{"the same everywhere", "", "system:serviceaccounts:flux-system", "is a role for system:serviceaccounts:flux-system" + sync},
		{"the accounts of Gitlatch", "prod", "system:serviceaccounts:gitlatch-system", "is a role for system:serviceaccounts:gitlatch-system, which the components of Gitlatch are in"},
		{"the accounts of the control plane", "prod", "system:serviceaccounts:kube-system", "is a role for system:serviceaccounts:kube-system, which kube-system/attachdetach-controller is in, a control-plane controller"},
		{"all accounts", "", "system:serviceaccounts", "is a role for system:serviceaccounts, which the components of Gitlatch are in"},
		{"the accounts beside the sync, where they live", "flux-system", "system:serviceaccounts:flux-system", ""},
		{"other accounts", "prod", "system:serviceaccounts:ops", ""},
		{"everybody", "", "system:authenticated", ""},
		{"a group with the beginning of a name", "", "system:serviceaccounts-of-flux", ""},
	} {
		for _, u := range []User{alice(), operatorPod()} {
			t.Run(c.name+" by "+u.Name, func(t *testing.T) {
				resource, kind, target := "rolebindings", "RoleBinding", "rbac.authorization.k8s.io/RoleBinding "+c.namespace+"/x "
				if c.namespace == "" {
					resource, kind, target = "clusterrolebindings", "ClusterRoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding x "
				}
				got := newScene(by(u), of(rbacGroup, "v1", resource, kind), named(c.namespace, "x"),
					creates(`{subjects: [{kind: Group, name: "`+c.group+`"}]}`)).decide(t)
				if c.why == "" {
					if got.Class == v1alpha1.ClassCredential {
						t.Errorf("class credential: %s", got.Message)
					}
					return
				}
				want := denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, target+c.why)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("decision (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// Where the policy lets a whole namespace's accounts through, each of them is guarded as one that it names.
func TestAccountsOfASyncGroupAreGuarded(t *testing.T) {
	group := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Sync = append(s.Sync, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: "system:serviceaccounts:tenants"}, FieldManagers: []string{"tenant"}})
	})
	const why = "is a way to become tenants/any, one of system:serviceaccounts:tenants, whom the policy lets through"
	token := []tweak{of("", "v1", "serviceaccounts", "ServiceAccount"), named("tenants", "any"), creates(`{}`), sub("token")}
	pod := []tweak{of("", "v1", "pods", "Pod"), named("tenants", "x"), creates(`{spec: {serviceAccountName: any}}`)}
	for target, when := range map[string][]tweak{"serviceaccounts/token tenants/any ": token, "Pod tenants/x ": pod} {
		for _, u := range []User{alice(), operatorPod()} {
			got := newScene(append([]tweak{group, by(u)}, when...)...).decide(t)
			if diff := cmp.Diff(denied(v1alpha1.ClassCredential, v1alpha1.ReasonCredential, target+why), got); diff != "" {
				t.Errorf("%s by %s (-want +got):\n%s", target, u.Name, diff)
			}
			if got := newScene(append([]tweak{by(u)}, when...)...).decide(t); got.Class == v1alpha1.ClassCredential {
				t.Errorf("%s by %s where no policy names the group: %s", target, u.Name, got.Message)
			}
		}
	}
}
