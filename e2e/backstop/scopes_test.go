package backstop

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/test/world"
)

// Under objects: Declared, managedFields tell what git declared; the rest is anybody's.
func TestOnlyTheDeclaredIsGuarded(t *testing.T) {
	ns := here.NewNamespace(t, "{gate: declared}")
	declareShop(t, ns)
	dead(t)
	here.Kubectl(t, "alice", "-n", ns, "create", "configmap", "mine").MustAllow(t)
	here.Kubectl(t, "alice", "-n", ns, "label", "configmap", "mine", "x=y").MustAllow(t)
	here.Kubectl(t, "alice", "-n", ns, "delete", "configmap", "mine").MustAllow(t)
	refused(t, here.Kubectl(t, "alice", "-n", ns, "label", "configmap", "settings", "x=y"), "OutOfBand")
	refused(t, here.Kubectl(t, "alice", "-n", ns, "delete", "configmap", "settings"), "OutOfBand")
	refused(t, here.Kubectl(t, "alice", "-n", ns, "patch", "configmap", "settings", "--type=json", "-p", `[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]`), "OutOfBand")
}

// A policy that says nothing of namespaces keeps them by the label that it selects them by: taking it off would take all
// that they hold out of it.
func TestANamespaceIsNotRelabelledOutOfAPolicyThatDoesNotMatchIt(t *testing.T) {
	world.Must(t, here.Gate.Policy(t.Context(), chosen))
	ns := here.NewNamespace(t, "{gate: chosen}")
	settled()
	dead(t)
	refused(t, here.Kubectl(t, "alice", "label", "namespace", ns, "gate=none", "--overwrite"), "OutOfBand")
	refused(t, here.Kubectl(t, operator, "label", "namespace", ns, "gate-"), "OutOfBand")
	here.Kubectl(t, "alice", "label", "namespace", ns, "x=y").MustAllow(t)
	here.Kubectl(t, syncer, "label", "namespace", ns, "gate=none", "--overwrite").MustAllow(t)
}

// chosen governs workloads in the namespaces that it selects, and no namespace itself.
const chosen = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: chosen}
spec:
  mode: Enforce
  match:
    namespaceSelector: {matchLabels: {gate: chosen}}
    resources: [{apiGroups: [apps], resources: ["*"]}]
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
`

// Under fields: Declared, what git's carrier owns is told by what it no longer owns.
func TestOnlyTheDeclaredFieldsAreGuarded(t *testing.T) {
	ns := here.NewNamespace(t, "{gate: fields}")
	declareShop(t, ns)
	dead(t)
	for _, user := range []string{"alice", operator} {
		here.Kubectl(t, user, "-n", ns, "label", "configmap", "settings", "x="+user[:3], "--overwrite").MustAllow(t)
		refused(t, here.Kubectl(t, user, "-n", ns, "patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`), "OutOfBand")
		refused(t, here.Kubectl(t, user, "-n", ns, "patch", "configmap", "settings", "--type=json", "-p", `[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]`), "OutOfBand")
		refused(t, here.Kubectl(t, user, "-n", ns, "delete", "configmap", "settings"), "OutOfBand")
	}
	here.Kubectl(t, syncer, "-n", ns, "patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`).MustAllow(t)
}

// An empty map that git wrote declares none of its keys, and the first that somebody sets takes it from git's entry.
func TestAnEmptyMapIsNoDeclaredField(t *testing.T) {
	for _, user := range []string{"alice", operator} {
		t.Run(user, func(t *testing.T) {
			ns := here.NewNamespace(t, "{gate: fields}")
			declareShop(t, ns)
			dead(t)
			here.Kubectl(t, user, "-n", ns, "label", "configmap", "bare", "x=y").MustAllow(t)
			here.Kubectl(t, user, "-n", ns, "annotate", "configmap", "bare", "x=y").MustAllow(t)
			refused(t, here.Kubectl(t, user, "-n", ns, "patch", "configmap", "bare", "-p", `{"metadata":{"labels":{"x":"z"}},"data":{"color":"red"}}`), "OutOfBand")
		})
	}
}

// A policy that only watches refuses nobody, and what passes unseen is in the audit log.
func TestWhatPassesUnseenUnderAuditIsInTheAuditLog(t *testing.T) {
	ns := here.NewNamespace(t, "{gate: audit}")
	declareShop(t, ns)
	dead(t)
	from := mark(t)
	here.Kubectl(t, "alice", "-n", ns, "label", "configmap", "settings", "x=y").MustAllow(t)
	here.Kubectl(t, syncer, "-n", ns, "label", "configmap", "settings", "x=z", "--overwrite").MustAllow(t)
	if diff := cmp.Diff([]string{"patch configmaps/ settings: policy watched (Audit), 200"}, logged(t, from, "alice")); diff != "" {
		t.Errorf("of alice in the audit log (-want +got):\n%s", diff)
	}
}
