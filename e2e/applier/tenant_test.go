package applier

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// newTenant is a world whose sync lies in its namespace and applies as the account
// team-applier there. Git's other carrier has made the namespace and the account; a
// policy of its own, in which the account is a sync identity, guards it.
func newTenant(t *testing.T) *project {
	t.Helper()
	w := newProject(t, "")
	w.remove("deploy/namespace.yaml")
	w.home = w.namespace
	w.declare("apiVersion: v1\nkind: Namespace\nmetadata: {name: NS, labels: {gate: NS}}\n---\n" +
		"apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: team-applier, namespace: NS}\n")
	err := gate.Policy(t.Context(), strings.ReplaceAll(`apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: NS}
spec:
  mode: Enforce
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: NS}}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  - serviceAccount: {namespace: gitlatch-system, name: gitlatch-applier}
    fieldManagers: [gitlatch]
  - serviceAccount: {namespace: NS, name: team-applier}
    fieldManagers: [gitlatch]
`, "NS", w.namespace))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// declare applies YAML by git's other carrier; NS in it stands for the namespace.
func (w *project) declare(yaml string) {
	w.t.Helper()
	declare(w.t, strings.ReplaceAll(yaml, "NS", w.namespace))
}

// grantTenant gives the tenant's account what it takes to apply ConfigMaps in its namespace.
func (w *project) grantTenant() {
	w.t.Helper()
	w.declare(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: team-applier, namespace: NS}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get, list, watch, create, patch, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team-applier, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: team-applier}
subjects: [{kind: ServiceAccount, name: team-applier, namespace: NS}]
`)
}

const asTeam = "serviceAccountName: team-applier"

// Scenario 24: a sync applies with the rights of its account and no others. Without any
// it fails, and says who lacks what; with a Role in its namespace it applies, watches,
// corrects and prunes there.
func TestATenantsAccountIsImpersonatedForEveryCall(t *testing.T) {
	w := newTenant(t)
	w.write("deploy/app.yaml", configMap("app"))
	w.write("deploy/old.yaml", configMap("old"))
	first := w.commit("declare app and old")
	w.follow(asTeam)
	message := w.refused(first, v1alpha1.SyncForbidden)
	want := strings.ReplaceAll(`looking at ConfigMap NS/app: configmaps "app" is forbidden: User "system:serviceaccount:NS:team-applier" `+
		`cannot get resource "configmaps" in API group "" in the namespace "NS" (and 1 other)`, "NS", w.namespace)
	if message != want {
		t.Errorf("the message is\n%s\nnot\n%s", message, want)
	}

	w.grantTenant()
	w.applied(first)
	if got := w.get("configmap/app", ".metadata.managedFields[*].manager"); got != "gitlatch" {
		t.Errorf("app's managers are %q", got)
	}
	kubectl(t, "alice", "patch", "configmap", "app", "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"debug"}}`).
		MustDeny(t, v1alpha1.ReasonOutOfBand)
	// gitops/sync may write here, and is not who declares app.
	kubectl(t, syncer, "patch", "configmap", "app", "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"debug"}}`).MustAllow(t)
	w.pulledBack("configmap/app", ".data.level", "info")

	w.remove("deploy/old.yaml")
	w.applied(w.commit("drop old"))
	if w.get("configmap/old", ".metadata.name") != "" {
		t.Error("old was not pruned")
	}
}

// What its account can't reach a sync can't reach, though the applier could: another
// namespace, what lies in none, another kind.
func TestATenantReachesNothingThatItsAccountCannot(t *testing.T) {
	neighbour := newTenant(t)
	neighbour.declare(configMap("theirs"))
	w := newTenant(t)
	w.grantTenant()
	w.write("deploy/app.yaml", configMap("app"))
	good := w.commit("declare app")
	w.follow(asTeam)
	w.applied(good)
	for _, test := range []struct{ name, content, want string }{
		{"a ConfigMap of another namespace", strings.ReplaceAll(configMap("theirs"), "NS", neighbour.namespace),
			`looking at ConfigMap OTHER/theirs: configmaps "theirs" is forbidden: User "system:serviceaccount:NS:team-applier" ` +
				`cannot get resource "configmaps" in API group "" in the namespace "OTHER"`},
		{"what lies in no namespace", "apiVersion: v1\nkind: Namespace\nmetadata: {name: OTHER, labels: {gate: open}}\n",
			`looking at Namespace OTHER: namespaces "OTHER" is forbidden: User "system:serviceaccount:NS:team-applier" ` +
				`cannot get resource "namespaces" in API group "" in the namespace "OTHER"`},
		{"a way to more rights", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: NS-root}\n" +
			"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\n" +
			"subjects: [{kind: ServiceAccount, name: team-applier, namespace: NS}]\n",
			`looking at rbac.authorization.k8s.io/ClusterRoleBinding NS-root: ` +
				`clusterrolebindings.rbac.authorization.k8s.io "NS-root" is forbidden: User "system:serviceaccount:NS:team-applier" ` +
				`cannot get resource "clusterrolebindings" in API group "rbac.authorization.k8s.io" at the cluster scope`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t = t
			fill := strings.NewReplacer("OTHER", neighbour.namespace, "NS", w.namespace)
			w.write("deploy/reach.yaml", fill.Replace(test.content))
			message := w.refused(w.commit(test.name), v1alpha1.SyncForbidden)
			if want := fill.Replace(test.want); message != want {
				t.Errorf("the message is\n%s\nnot\n%s", message, want)
			}
		})
	}
	w.remove("deploy/reach.yaml")
	w.applied(w.commit("think better of it")) // nothing of it is left to be pruned
	if got := neighbour.get("configmap/theirs", ".metadata.managedFields[*].manager"); got != "sync" {
		t.Errorf("what is theirs was written by %q", got)
	}
}

// The extra by which the gate knows the applier's impersonation is what RBAC lets the
// applier's account alone set: a person who may impersonate the account is refused by
// the API server with it, and by the gate without it.
func TestAPersonCannotPoseAsATenantsAccount(t *testing.T) {
	w := newTenant(t)
	w.grantTenant()
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare app")
	w.follow(asTeam)
	w.applied(first)
	dave := named("dave")
	if err := plane.Person(dave, "administrators"); err != nil {
		t.Fatal(err)
	}
	declare(t, strings.ReplaceAll(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: DAVE-administrator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gitlatch-administrator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: DAVE}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: DAVE-impersonator}
rules: [{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: DAVE-impersonator}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: DAVE-impersonator}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: DAVE}]
`, "DAVE", dave))
	as := []string{
		"patch", "configmap", "app", "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"debug"}}`,
		"--as=system:serviceaccount:" + w.namespace + ":team-applier",
	}
	eventually(t, "dave's rights", func(context.Context) error {
		r := kubectl(t, dave, append(as, "--dry-run=server")...)
		if strings.Contains(r.Err, "cannot impersonate") {
			return errors.New(r.Err)
		}
		return nil
	})
	kubectl(t, dave, as...).MustDeny(t, v1alpha1.ReasonOutOfBand)
	posed := kubectl(t, dave, append(as, "--as-user-extra=gitlatch.dev/sync="+w.namespace+"/"+w.sync)...)
	for _, want := range []string{"Forbidden", `User "` + dave + `" cannot impersonate resource "userextras/gitlatch.dev/sync"`} {
		if posed.Code == 0 || !strings.Contains(posed.Err, want) {
			t.Errorf("dave poses as the applier: exit %d, without %q: %s", posed.Code, want, posed.Err)
		}
	}
	if got := w.get("configmap/app", ".data.level"); got != "info" {
		t.Errorf("app's level is %q", got)
	}
}

// An account that is not there fails the sync before anything is tried.
func TestAnAccountThatIsMissingIsNamed(t *testing.T) {
	w := newTenant(t)
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare app")
	w.follow("serviceAccountName: nobody")
	w.request()
	message := w.failing(v1alpha1.SyncReferenceMissing)
	if want := "spec.serviceAccountName: ServiceAccount " + w.namespace + "/nobody: there is none"; message != want {
		t.Errorf("the message is %q, not %q", message, want)
	}
	w.grantTenant()
	declare(t, w.manifest(asTeam))
	w.applied(first)
}

// A sync with the deletion policy Prune whose account is gone is deleted to its end, and
// so is what it had applied.
func TestASyncWhoseAccountIsGoneIsDeletedWithWhatItApplied(t *testing.T) {
	w := newTenant(t)
	w.grantTenant()
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare app")
	w.follow(asTeam)
	w.applied(first)
	kubectl(t, syncer, "delete", "serviceaccount/team-applier", "rolebinding/team-applier", "-n", w.namespace).MustAllow(t)
	kubectl(t, syncer, "delete", "gitsync", w.sync, "-n", w.home, "--timeout=30s").MustAllow(t)
	if got := w.get("configmap/app", ".metadata.name"); got != "" {
		t.Error("what the sync had applied is still there")
	}
}
