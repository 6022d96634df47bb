package backstop

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const reason = "gitlatch.dev/break-glass=INC-42: the database is gone"

// Scenario 8 with nobody there to ask: who holds the right goes on in the window that they
// opened, and could without one; what they do is in the API server's audit log, and not
// recorded. A stamp gives nobody a right.
func TestAnOpenWindowWorksOnWithEveryWebhookDead(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	declareShop(t, ns)
	from := mark(t)
	here.Kubectl(t, "oncall", "-n", ns, "annotate", "configmap", "settings", reason).MustAllow(t)
	dead(t)
	here.Kubectl(t, "oncall", "-n", ns, "patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`).MustAllow(t)
	here.Kubectl(t, "oncall", "-n", ns, "scale", "deployment", "web", "--replicas=3").MustAllow(t)
	refused(t, here.Kubectl(t, "alice", "-n", ns, "patch", "configmap", "settings", "-p", `{"data":{"color":"green"}}`), "OutOfBand")
	refused(t, here.Kubectl(t, "alice", "-n", ns, "annotate", "deployment", "web", reason), "OutOfBand")
	want := []string{
		"patch configmaps/ settings: policy cluster (recorded), 200",
		"patch configmaps/ settings: policy cluster, 200",
		"patch deployments/scale web: policy cluster, 200",
	}
	if diff := cmp.Diff(want, logged(t, from, "oncall")); diff != "" {
		t.Errorf("of oncall in the audit log (-want +got):\n%s", diff)
	}
}

// The group alone is no right: the verb is asked for, on this very object.
func TestTheGroupWithoutTheVerbIsNoRight(t *testing.T) {
	ns := here.NewNamespace(t, "{gate: standby}")
	declareShop(t, ns)
	here.Declare(t, `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: writers, namespace: `+ns+`}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [get, update, patch]}
- {apiGroups: [""], resources: [configmaps], resourceNames: [spare], verbs: [breakglass]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: writers, namespace: `+ns+`}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: writers}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: standby}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: spare, namespace: `+ns+`}
`)
	dead(t)
	label := func(name string, groups ...string) []string {
		args := []string{"-n", ns, "label", "configmap", name, "x=y", "--as=dave"}
		for _, g := range groups {
			args = append(args, "--as-group="+g)
		}
		return args
	}
	refused(t, here.Kubectl(t, "admin", label("settings", "standby")...), "OutOfBand")
	here.Kubectl(t, "admin", label("spare", "standby")...).MustAllow(t)
	refused(t, here.Kubectl(t, "admin", label("settings", "oncall")...), "OutOfBand")
}
