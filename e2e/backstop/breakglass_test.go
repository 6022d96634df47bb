package backstop

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
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

// What carries no annotation of its own, too: deleting and a door, in a window over the namespace.
func TestAnOpenWindowDeletesAndOpensDoorsWithEveryWebhookDead(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	declareShop(t, ns)
	here.Declare(t, lone(ns))
	from := mark(t)
	here.Kubectl(t, "oncall", "annotate", "namespace", ns, reason).MustAllow(t)
	dead(t)
	for _, door := range doors() {
		passes(t, through(t, "oncall", ns, "lone", door))
		refused(t, through(t, "alice", ns, "lone", door), "OutOfBand")
	}
	refused(t, here.Kubectl(t, "alice", "-n", ns, "delete", "configmap", "settings"), "OutOfBand")
	here.Kubectl(t, "oncall", "-n", ns, "delete", "configmap", "settings").MustAllow(t)
	here.Kubectl(t, "oncall", "-n", ns, "delete", "pod", "lone", "--wait=false").MustAllow(t)
	for _, want := range []string{"delete configmaps/ settings: policy cluster, 200", "delete pods/ lone: policy cluster, 200"} {
		if got := logged(t, from, "oncall"); !slices.Contains(got, want) {
			t.Errorf("the audit log of oncall has no %q: %q", want, got)
		}
	}
}

// A missing reason, one of another form and too long a time are the webhook's to refuse. The backstop looks at the right
// alone (docs/decisions/0028): who holds it is let through, and the audit log has it; who does not is refused whatever
// they say.
func TestReasonsAreTheWebhooksToJudge(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	declareShop(t, ns)
	said := map[string][]string{
		"BreakGlassReason":   {"gitlatch.dev/break-glass="},
		"BreakGlassReason: ": {"gitlatch.dev/break-glass=because I can"},
		"BreakGlassDuration": {reason, "gitlatch.dev/break-glass-for=61m"},
	}
	annotate := func(user string, with []string) world.Result {
		return here.Kubectl(t, user, append([]string{"-n", ns, "annotate", "--overwrite", "configmap", "settings"}, with...)...)
	}
	for why, with := range said {
		annotate("oncall", with).MustDeny(t, v1alpha1.Reason(strings.TrimSuffix(why, ": ")))
	}
	dead(t)
	from := mark(t)
	for _, with := range said {
		refused(t, annotate("alice", with), "OutOfBand")
		annotate("oncall", with).MustAllow(t)
	}
	want := slices.Repeat([]string{"patch configmaps/ settings: policy cluster, 200"}, len(said))
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
