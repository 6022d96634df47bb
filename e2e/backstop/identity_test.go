package backstop

import (
	"strings"
	"testing"
)

// Scenario 6 with nobody there to ask: an operator's pod works on, the same account
// without its pod is a person, and nobody becomes somebody else.
func TestIdentityHoldsWithEveryWebhookDead(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	declareShop(t, ns)
	here.Declare(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: gitops}\n")
	dead(t)
	work := []string{
		"create configmap child", "label configmap child x=y", "create deployment child --image=registry.example/child",
		"scale deployment child --replicas=2", "delete deployment child", "delete configmap child", "label deployment web seen=yes",
	}
	for _, args := range work {
		here.Kubectl(t, operator, append([]string{"-n", ns}, strings.Fields(args)...)...).MustAllow(t)
	}
	refused(t, here.Kubectl(t, operator, "-n", ns, "delete", "deployment", "web"), "OutOfBand")
	refused(t, here.Kubectl(t, operator, "delete", "namespace", ns, "--wait=false"), "OutOfBand")
	for i, args := range []string{
		"create configmap child", "label configmap settings x=y", "scale deployment web --replicas=5", "delete deployment web",
		"create deployment child --image=registry.example/child", "delete configmap settings",
	} {
		for _, minted := range []string{unbound, syncUnbound} {
			refused(t, here.Kubectl(t, minted, append([]string{"-n", ns}, strings.Fields(args)...)...), "OutOfBand")
		}
		if i > 1 {
			continue
		}
		for _, as := range []string{
			"system:serviceaccount:kube-system:deployment-controller", "system:serviceaccount:gitops:sync",
			"system:serviceaccount:gitlatch-system:gitlatch-webhook", "system:kube-controller-manager", "system:apiserver", "system:node:gitlatch-node",
		} {
			r := here.Kubectl(t, "admin", append([]string{"-n", ns, "--as=" + as, "--as-group=system:nodes", "--as-group=system:masters"}, strings.Fields(args)...)...)
			refused(t, r, "OutOfBand")
		}
	}
	for _, user := range []string{"alice", operator} {
		for _, args := range []string{
			"-n gitops create token sync", "-n gitops create token sync --bound-object-kind=Pod --bound-object-name=sync-0",
			"-n operators create token web-operator --bound-object-kind=Pod --bound-object-name=web-operator-0", "-n kube-system create token deployment-controller",
			"-n gitops label serviceaccount sync x=y", "-n gitops delete serviceaccount sync",
			"-n gitops run thief --image=registry.example/thief --overrides={\"spec\":{\"serviceAccountName\":\"sync\"}}",
			"create clusterrolebinding thief --clusterrole=cluster-admin --serviceaccount=gitops:sync",
			"-n " + ns + " create rolebinding thief --clusterrole=view --user=system:serviceaccount:gitops:sync",
			"-n gitops create -f -",
		} {
			refused(t, here.KubectlIn(t, user, thief, strings.Fields(args)...), "Credential")
		}
	}
	// A door into a pod is a person's as little as a write is: this policy denies exec.
	pod := strings.TrimPrefix(strings.Fields(here.Kubectl(t, "admin", "-n", ns, "get", "pods", "-l", "app=web", "-o", "name").Out)[0], "pod/")
	refused(t, here.Kubectl(t, "alice", "-n", ns, "exec", pod, "--", "sh"), "OutOfBand")
}

// thief is a workload whose pods would run as git's carrier.
const thief = `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"thief","namespace":"gitops"},
"spec":{"template":{"spec":{"serviceAccountName":"sync","restartPolicy":"Never","containers":[{"name":"x","image":"registry.example/thief"}]}}}}`
