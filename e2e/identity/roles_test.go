package identity

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func binding(kind, name, subject string) string {
	return fmt.Sprintf("apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {name: %s}\n"+
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [%s]\n", kind, name, subject)
}

const (
	subjectSync = "{kind: ServiceAccount, namespace: gitops, name: sync}"
	userSync    = "{apiGroup: rbac.authorization.k8s.io, kind: User, name: 'system:serviceaccount:gitops:sync'}"
)

func group(name string) string {
	return "{apiGroup: rbac.authorization.k8s.io, kind: Group, name: '" + name + "'}"
}

// What an account may do is git's to say: no binding that names it, or a group that it is in as an account, is made,
// changed or taken away by anybody else.
func TestBindingsOfWhoIsBelieved(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, binding("ClusterRoleBinding", "of-all-gitops", group("system:serviceaccounts:gitops")))
	here.KubectlIn(t, syncer, binding("RoleBinding", "of-sync", subjectSync), "-n", ns, "create", "-f", "-").MustAllow(t)
	roles := rbac + "namespaces/" + ns + "/rolebindings"
	var ways []way
	for what, subject := range map[string]string{
		"the account": subjectSync, "its user name": userSync,
		"the group of its namespace's accounts": group("system:serviceaccounts:gitops"), "the group of all accounts": group("system:serviceaccounts"),
		"it among others":            "{apiGroup: rbac.authorization.k8s.io, kind: User, name: dave}, " + subjectSync,
		"a trusted account":          "{kind: ServiceAccount, namespace: cert-manager, name: cainjector}",
		"Gitlatch's applier":         "{kind: ServiceAccount, namespace: gitlatch-system, name: gitlatch-applier}",
		"a control-plane account":    "{kind: ServiceAccount, namespace: kube-system, name: generic-garbage-collector}",
		"the group of Gitlatch's":    group("system:serviceaccounts:gitlatch-system"),
		"the group of kube-system's": group("system:serviceaccounts:kube-system"),
	} {
		ways = append(ways,
			way{"a RoleBinding of " + what, request{http.MethodPost, roles, binding("RoleBinding", "thief", subject), ""}, "CREATE rolebindings " + ns + "/thief"},
			way{"a ClusterRoleBinding of " + what, request{http.MethodPost, rbac + "clusterrolebindings", binding("ClusterRoleBinding", "thief", subject), ""}, "CREATE clusterrolebindings /thief"})
	}
	label := `{"metadata":{"labels":{"mine":"yes"}}}`
	ways = append(ways,
		way{"another subject in its place", request{http.MethodPatch, roles + "/of-sync", `{"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"dave"}]}`, ""}, "UPDATE rolebindings " + ns + "/of-sync"},
		way{"a label on its binding", request{http.MethodPatch, roles + "/of-sync", label, ""}, "UPDATE rolebindings " + ns + "/of-sync"},
		way{"its binding's deletion", request{http.MethodDelete, roles + "/of-sync", "", ""}, "DELETE rolebindings " + ns + "/of-sync"},
		way{"all bindings' deletion", request{http.MethodDelete, roles, "", ""}, "DELETE rolebindings " + ns + "/of-sync"},
		way{"the binding of its group", request{http.MethodPatch, rbac + "clusterrolebindings/of-all-gitops", label, ""}, "UPDATE clusterrolebindings /of-all-gitops"},
		way{"the deletion of that", request{http.MethodDelete, rbac + "clusterrolebindings/of-all-gitops", "", ""}, "DELETE clusterrolebindings /of-all-gitops"},
		way{"the deletion of the binding that makes it an administrator", request{http.MethodDelete, rbac + "clusterrolebindings/test:gitops:sync:admin", "", ""}, "DELETE clusterrolebindings /test:gitops:sync:admin"},
	)
	dave := person(t, "dave")
	t.Run("a person", func(t *testing.T) { refused(t, known(t, dave), dave, ways) })
	t.Run("a controller", func(t *testing.T) {
		who := known(t, "operators/role-operator")
		refused(t, who, "system:serviceaccount:operators:role-operator", ways)
		// It gives roles to its own.
		for _, subject := range []string{
			"{kind: ServiceAccount, namespace: operators, name: web-operator}", group("system:authenticated"), group("system:serviceaccounts:operators"),
			"{apiGroup: rbac.authorization.k8s.io, kind: User, name: dave}",
		} {
			who.send(t, request{http.MethodPost, roles, binding("RoleBinding", "child", subject), ""}.dry()).mustAllow(t)
			who.send(t, request{http.MethodPost, rbac + "clusterrolebindings", binding("ClusterRoleBinding", "child", subject), ""}.dry()).mustAllow(t)
		}
	})
}

// A role is no identity: a controller brings roles that add to others, as those that aggregate do, and a person is told
// that git does. What it grants to the sync's account, the account has from git.
func TestRolesThatAddToOthers(t *testing.T) {
	role := request{http.MethodPost, rbac + "clusterroles", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n" +
		"metadata: {name: adds, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}\nrules: [{apiGroups: [x.example], resources: ['*'], verbs: [get]}]\n", ""}
	known(t, operator).send(t, role.dry()).mustAllow(t)
	known(t, person(t, "dave")).send(t, role).mustDeny(t, v1alpha1.ReasonOutOfBand)
}
