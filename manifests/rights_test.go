package manifests_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
)

func TestRolesGiveTheVerbsUsedAndNoOther(t *testing.T) {
	objects := build(t, "default")
	registrations := []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}
	backstop := []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"}
	read := []string{"get", "list", "watch"}
	rule := func(group string, resources, verbs []string, names ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs, ResourceNames: names}
	}
	for name, want := range map[string][]rbacv1.PolicyRule{
		"gitlatch-webhook": {
			rule("gitlatch.dev", []string{"changepolicies"}, read),
			rule("gitlatch.dev", []string{"changepolicies/status"}, []string{"update"}),
			rule("gitlatch.dev", []string{"changerecords"}, []string{"get", "list", "watch", "create", "patch"}),
			rule("gitlatch.dev", []string{"changerecords/status"}, []string{"patch"}),
			rule("authorization.k8s.io", []string{"subjectaccessreviews"}, []string{"create"}),
			rule("admissionregistration.k8s.io", append(slices.Clone(registrations), backstop...), []string{"get", "list", "watch", "create"}),
			rule("admissionregistration.k8s.io", append(slices.Clone(registrations), backstop...), []string{"update"}, "gitlatch"),
			rule("admissionregistration.k8s.io", append(slices.Clone(registrations), backstop[1]), []string{"delete"}, "gitlatch"),
			rule("", []string{"namespaces"}, read),
			rule("*", []string{"*"}, []string{"get"}),
		},
		"gitlatch-applier": {
			rule("gitlatch.dev", []string{"gitsyncs"}, []string{"get", "list", "watch", "patch"}),
			rule("gitlatch.dev", []string{"gitsyncs/status"}, []string{"patch"}),
			rule("gitlatch.dev", []string{"changerecords"}, []string{"get", "list", "watch", "create", "patch"}),
			rule("gitlatch.dev", []string{"changerecords/status"}, []string{"patch"}),
			rule("gitlatch.dev", []string{"changepolicies"}, []string{"list"}),
			rule("", []string{"secrets", "configmaps"}, []string{"list", "watch"}),
			rule("", []string{"serviceaccounts"}, []string{"get", "impersonate"}), // no users, groups, uids
			rule("authentication.k8s.io", []string{"userextras/gitlatch.dev/sync"}, []string{"impersonate"}),
			rule("events.k8s.io", []string{"events"}, []string{"create", "patch"}),
		},
		"gitlatch-applier-cluster": { // no impersonate, no breakglass
			rule("*", []string{"*"}, []string{"get", "list", "watch", "create", "patch", "delete"}),
			rule("rbac.authorization.k8s.io", []string{"roles", "clusterroles"}, []string{"escalate", "bind"}),
		},
		"gitlatch-reporter": { // no impersonate, no breakglass, no secrets by name; see the file
			rule("gitlatch.dev", []string{"changerecords"}, []string{"get", "list", "watch", "create", "patch", "delete"}),
			rule("gitlatch.dev", []string{"changerecords/status"}, []string{"patch"}),
			rule("gitlatch.dev", []string{"changepolicies"}, read),
			rule("admissionregistration.k8s.io", registrations, []string{"watch"}),
			rule("events.k8s.io", []string{"events"}, []string{"create"}),
			rule("*", []string{"*"}, []string{"get", "list"}),
		},
		"gitlatch-viewer":   {rule("gitlatch.dev", []string{"changepolicies", "changerecords", "gitsyncs"}, read)},
		"gitlatch-operator": {rule("gitlatch.dev", []string{"gitsyncs"}, []string{"get", "list", "watch", "patch"})},
		"gitlatch-reviewer": {
			rule("gitlatch.dev", []string{"changepolicies", "changerecords"}, read),
			rule("gitlatch.dev", []string{"changerecords/status"}, []string{"get", "patch"}),
		},
		"gitlatch-breakglass": {
			rule("*", []string{"*"}, []string{"breakglass"}),
			rule("gitlatch.dev", []string{"changerecords"}, read),
		},
		"gitlatch-administrator": { // no impersonate, escalate, bind, breakglass
			rule("*", []string{"*"}, []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}),
			{NonResourceURLs: []string{"*"}, Verbs: []string{"get"}},
		},
	} {
		if diff := cmp.Diff(want, one[*rbacv1.ClusterRole](t, objects, name).Rules); diff != "" {
			t.Errorf("ClusterRole %s (-want +got):\n%s", name, diff)
		}
	}
	for name, want := range map[string][]rbacv1.PolicyRule{
		"gitlatch-webhook": {
			rule("", []string{"secrets"}, []string{"get", "watch", "update"}, "gitlatch-webhook-ca"),
			rule("", []string{"secrets"}, []string{"create"}),
			rule("coordination.k8s.io", []string{"leases"}, []string{"get", "update"}, "gitlatch-webhook"),
			rule("coordination.k8s.io", []string{"leases"}, []string{"create"}),
			rule("", []string{"events"}, []string{"create", "patch"}),
		},
		"gitlatch-reporter": {
			rule("coordination.k8s.io", []string{"leases"}, []string{"get", "update"}, "gitlatch-reporter"),
			rule("coordination.k8s.io", []string{"leases"}, []string{"create"}),
			rule("", []string{"configmaps"}, []string{"patch"}, "gitlatch-reporter"),
			rule("", []string{"configmaps"}, []string{"create"}),
		},
		"gitlatch-applier": {
			rule("coordination.k8s.io", []string{"leases"}, []string{"get", "update"}, "gitlatch-applier"),
			rule("coordination.k8s.io", []string{"leases"}, []string{"create"}),
		},
	} {
		if diff := cmp.Diff(want, one[*rbacv1.Role](t, objects, name).Rules); diff != "" {
			t.Errorf("Role %s (-want +got):\n%s", name, diff)
		}
	}
}

// TestOnlyGitlatchsOwnAccountsAreBound: each to the roles of its own, and nobody else to anything. The right to apply
// is a binding of its own, so that it can be taken away.
func TestOnlyGitlatchsOwnAccountsAreBound(t *testing.T) {
	var got []string
	told := func(kind, name string, ref rbacv1.RoleRef, subjects []rbacv1.Subject) {
		for _, s := range subjects {
			got = append(got, fmt.Sprintf("%s %s: %s %s to %s %s/%s", kind, name, ref.Kind, ref.Name, s.Kind, s.Namespace, s.Name))
		}
	}
	for _, object := range build(t, "default") {
		switch b := object.(type) {
		case *rbacv1.ClusterRoleBinding:
			told("ClusterRoleBinding", b.Name, b.RoleRef, b.Subjects)
		case *rbacv1.RoleBinding:
			told("RoleBinding", b.Name, b.RoleRef, b.Subjects)
		}
	}
	want := []string{
		"ClusterRoleBinding gitlatch-webhook: ClusterRole gitlatch-webhook to ServiceAccount gitlatch-system/gitlatch-webhook",
		"RoleBinding gitlatch-webhook: Role gitlatch-webhook to ServiceAccount gitlatch-system/gitlatch-webhook",
		"ClusterRoleBinding gitlatch-applier: ClusterRole gitlatch-applier to ServiceAccount gitlatch-system/gitlatch-applier",
		"RoleBinding gitlatch-applier: Role gitlatch-applier to ServiceAccount gitlatch-system/gitlatch-applier",
		"ClusterRoleBinding gitlatch-applier-cluster: ClusterRole gitlatch-applier-cluster to ServiceAccount gitlatch-system/gitlatch-applier",
		"ClusterRoleBinding gitlatch-reporter: ClusterRole gitlatch-reporter to ServiceAccount gitlatch-system/gitlatch-reporter",
		"RoleBinding gitlatch-reporter: Role gitlatch-reporter to ServiceAccount gitlatch-system/gitlatch-reporter",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}
}
