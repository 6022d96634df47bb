package backstop

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const configMap = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"mine","namespace":"NS"}}`

// Scenario 1 with nobody there to ask: a person writes nothing, whatever the verb and the
// kind, also with a break-glass stamp that they made up.
func TestAPersonIsRefusedWithEveryWebhookDead(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	declareShop(t, ns)
	declareGears(t, ns)
	dead(t)
	from := mark(t)
	for _, args := range []string{
		"create configmap mine", "label configmap settings x=y", "annotate configmap settings x=y",
		"patch configmap settings -p {\"data\":{\"color\":\"red\"}}", "delete configmap settings", "delete configmaps --all",
		"scale deployment web --replicas=5", "set image deployment/web web=registry.example/web:2",
		"run mine --image=registry.example/mine:1", "expose deployment web --port=80", "autoscale deployment web --min=1 --max=3 --cpu=80%",
		"delete deployment web", "create serviceaccount mine", "create role mine --verb=get --resource=pods",
		"annotate configmap settings gitlatch.dev/break-glass-by=alice gitlatch.dev/break-glass-until=2099-01-01T00:00:00Z gitlatch.dev/break-glass-record=cr-1",
	} {
		refused(t, here.Kubectl(t, "alice", append([]string{"-n", ns}, strings.Fields(args)...)...), "OutOfBand")
	}
	refused(t, here.KubectlIn(t, "alice", strings.ReplaceAll(configMap, "NS", ns), "apply", "--server-side", "-f", "-"), "OutOfBand")
	// A custom kind, whose definition came after the policies did.
	for _, args := range []string{
		"patch gear first --type=merge -p {\"spec\":{\"size\":2}}", "scale gear first --replicas=3", "label gear first x=y",
		"delete gear first", "delete gears --all",
	} {
		refused(t, here.Kubectl(t, "alice", append([]string{"-n", ns}, strings.Fields(args)...)...), "OutOfBand")
	}
	for _, name := range []string{"mine", "first"} {
		refused(t, here.KubectlIn(t, "alice", gearOf(ns, name), "apply", "-f", "-"), "OutOfBand")
	}
	refused(t, here.KubectlIn(t, "alice", gearOf(ns, "mine"), "create", "-f", "-"), "OutOfBand")
	// What was read is sent back whole, by PUT, and by an apply of the client's own reckoning.
	for _, object := range []string{"gear/first", "configmap/settings", "deployment/web"} {
		whole := here.Kubectl(t, "alice", "-n", ns, "get", object, "-o", "json").MustAllow(t).Out
		changed := strings.Replace(whole, `"metadata": {`, `"metadata": {"labels": {"x": "y"},`, 1)
		refused(t, here.KubectlIn(t, "alice", changed, "replace", "-f", "-"), "OutOfBand")
		refused(t, here.KubectlIn(t, "alice", changed, "apply", "-f", "-"), "OutOfBand")
	}
	for _, args := range []string{"create namespace mine", "label namespace " + ns + " x=y", "delete namespace " + ns + " --wait=false", "create clusterrole mine --verb=get --resource=pods"} {
		refused(t, here.Kubectl(t, "alice", strings.Fields(args)...), "OutOfBand")
	}
	// What keeps the gate standing.
	for _, args := range []string{
		"delete changepolicy cluster", "label changepolicy cluster x=y", "delete crd changerecords.gitlatch.dev --wait=false",
		"-n gitlatch-system scale deployment gitlatch-webhook --replicas=0", "delete namespace gitlatch-system --wait=false",
		"delete clusterrolebinding gitlatch-webhook",
	} {
		r := here.Kubectl(t, "alice", strings.Fields(args)...)
		if !strings.Contains(r.Err, "BuiltIn: ") && !strings.Contains(r.Err, "Credential: ") || r.Code == 0 {
			t.Errorf("%s: exit %d: %s", args, r.Code, r.Err)
		}
	}
	got := logged(t, from, "alice")
	if len(got) < 25 {
		t.Errorf("the audit log has only %d of alice's writes as out of band: %q", len(got), got)
	}
	if diff := cmp.Diff("create configmaps/ mine: policy cluster, 403", got[0]); diff != "" {
		t.Errorf("the first in the audit log (-want +got):\n%s", diff)
	}
	for _, line := range got {
		if !strings.HasSuffix(line, ", 403") {
			t.Errorf("in the audit log: %s", line)
		}
	}
	here.Kubectl(t, syncer, "-n", ns, "label", "configmap", "settings", "x=y").MustAllow(t)
	if by := logged(t, from, "system:serviceaccount:gitops:sync"); len(by) > 0 {
		t.Errorf("of git's carrier the audit log says: %q", by)
	}
}
