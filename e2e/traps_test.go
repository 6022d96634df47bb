package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// What a naive gate breaks, or lets through: each was somebody's incident.

// A Scale has no labels: a selector of objects is no way around it. Nor is taking the label off.
func TestScaleUnderAnObjectSelector(t *testing.T) {
	err := gate.Policy(t.Context(), `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: selected}
spec:
  mode: Enforce
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: selected}}
    objectSelector: {matchLabels: {app: web}}`+syncAndGlass)
	if err != nil {
		t.Fatal(err)
	}
	ns := newNamespace(t, "selected")
	declareShop(t, ns)
	kubectl(t, "alice", "-n", ns, "scale", "deployment/web", "--replicas=5").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "alice", "-n", ns, "label", "deployment/web", "app-").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "alice", "-n", ns, "label", "service/web", "app=web").MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "alice", "-n", ns, "label", "configmap/settings", "mine=yes").MustAllow(t)
	kubectl(t, syncer, "delete", "changepolicy", "selected").MustAllow(t)
}

// kubectl drain works with the defaults: the cordon is flagged, evictions pass, and the record says who did it.
func TestDrain(t *testing.T) {
	ns, carol := newNamespace(t, ""), newPerson(t, "carol")
	kubelet(t, ns)
	app := "drained-" + ns
	declare(t, deploymentOf(app, ns))
	kubectl(t, "admin", "-n", ns, "rollout", "status", "deployment/"+app, "--timeout=60s").MustAllow(t)
	kubectl(t, carol, "drain", "gitlatch-node", "--pod-selector=app="+app, "--ignore-daemonsets", "--timeout=60s").MustAllow(t)
	kubectl(t, carol, "uncordon", "gitlatch-node").MustAllow(t)
	kubectl(t, carol, "-n", ns, "delete", "pod", "-l", "app="+app).MustAllow(t)
	kubectl(t, carol, "taint", "node", "gitlatch-node", "mine=yes:NoSchedule").MustDeny(t, v1alpha1.ReasonOutOfBand)
	var got []string
	for _, r := range here.Records(t, func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Requester.Username == carol }) {
		if r.Spec.Request.Resource == "nodes" || r.Spec.Request.Namespace == ns {
			got = append(got, fmt.Sprint(r.Spec.Outcome, " ", r.Spec.Reason, " ", r.Spec.Request.Operation, " ", r.Spec.Request.Resource))
		}
	}
	want := []string{
		"Denied OutOfBand UPDATE nodes", "Flagged Operation DELETE pods", "Flagged Operation DELETE pods", "Flagged Operation UPDATE nodes", "Flagged Operation UPDATE nodes",
	}
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// Who applies what is there already changes nothing, and is let through; who takes a field over changes who owns it.
func TestApplyThatChangesNothing(t *testing.T) {
	ns := newNamespace(t, "")
	text := func(name string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {a: b}\n", name, ns)
	}
	here.KubectlIn(t, syncer, text("client"), "apply", "-f", "-").MustAllow(t)
	here.KubectlIn(t, syncer, text("server"), "apply", "--server-side", "-f", "-").MustAllow(t)
	mark := auditMark(t)
	if out := here.KubectlIn(t, "alice", text("client"), "apply", "-f", "-").MustAllow(t).Out; out != "configmap/client unchanged\n" {
		t.Errorf("kubectl apply says %q", out)
	}
	here.KubectlIn(t, "alice", text("server"), "apply", "--server-side", "-f", "-").MustAllow(t)
	kubectl(t, "alice", "-n", ns, "patch", "configmap/client", "-p", `{"data":{"a":"b"}}`).MustAllow(t)
	events := auditedSince(t, mark, byIn("alice", ns))
	for _, e := range events {
		want := map[string]string{"decision": "allow", "class": "unchanged"} // whichever policy governs
		if diff := cmp.Diff(want, said(e, v1alpha1.GateName)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", act(e), diff)
		}
	}
	if len(events) < 2 {
		t.Errorf("the audit log shows %d writes, want the apply and the patch", len(events))
	}
	here.KubectlIn(t, "alice", text("server"), "apply", "--server-side", "--field-manager=mine", "-f", "-").MustDeny(t, v1alpha1.ReasonOutOfBand)
}

// A dry run gets the same answer, and leaves nothing: no record, no stamp, no window.
func TestDryRunsGetTheSameAnswer(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	const dry = "--dry-run=server"
	kubectl(t, "alice", "-n", ns, "delete", "configmap/settings", dry).MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "alice", "-n", ns, "scale", "deployment/web", "--replicas=5", dry).MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "alice", "-n", ns, "create", "configmap", "mine", dry).MustDeny(t, v1alpha1.ReasonOutOfBand)
	kubectl(t, "oncall", "-n", ns, "annotate", "configmap/settings", "gitlatch.dev/break-glass=INC-42: only trying it out", dry).MustAllow(t)
	kubectl(t, "oncall", "-n", ns, "patch", "configmap/settings", "-p", `{"data":{"color":"red"}}`, dry).MustDeny(t, v1alpha1.ReasonOutOfBand)
	if found := here.Records(t, world.InNamespace(ns)); len(found) > 0 {
		t.Errorf("a dry run left %d records, the first of %+v", len(found), found[0].Spec.Request)
	}
	if out := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "-o", "jsonpath={.metadata.annotations}").Out; out != "" {
		t.Errorf("a dry run left annotations %s", out)
	}
}

// A collection is judged object by object, each as it is.
func TestDeleteCollection(t *testing.T) {
	dave := newPerson(t, "dave")
	mine := func(ns string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a-mine, namespace: %s, labels: {app: mine}}\n", ns)
	}
	t.Run("everything is guarded", func(t *testing.T) {
		ns := newNamespace(t, "")
		declareShop(t, ns)
		collectionDenied(t, dave, ns, client.MatchingLabels{"app": "shop"}, "settings")
	})
	t.Run("what git declared is guarded", func(t *testing.T) {
		ns := newNamespace(t, "declared")
		declareShop(t, ns)
		here.KubectlIn(t, dave, mine(ns), "create", "-f", "-").MustAllow(t)
		collectionDenied(t, dave, ns, nil, "settings")
		// One's own may go as a collection.
		kubectl(t, dave, "-n", ns, "delete", "configmap", "a-mine", "--ignore-not-found").MustAllow(t)
		here.KubectlIn(t, dave, mine(ns), "create", "-f", "-").MustAllow(t)
		if err := deleteCollection(t, dave, ns, client.MatchingLabels{"app": "mine"}); err != nil {
			t.Errorf("deleting a collection of one's own: %v", err)
		}
	})
}

func deleteCollection(t *testing.T, user, ns string, which client.MatchingLabels) error {
	t.Helper()
	return here.Client(t, user).DeleteAllOf(t.Context(), &corev1.ConfigMap{}, client.InNamespace(ns), which)
}

func collectionDenied(t *testing.T, user, ns string, which client.MatchingLabels, stays string) {
	t.Helper()
	err := deleteCollection(t, user, ns, which)
	if err == nil || !strings.Contains(err.Error(), "denied the request: OutOfBand: ConfigMap "+ns+"/") {
		t.Errorf("deleting a collection: want a denial, got %v", err)
	}
	if err := exists("-n", ns, "configmap/"+stays)(t.Context()); err != nil {
		t.Errorf("what git declared is gone: %v", err)
	}
	if found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Request.Namespace == ns && r.Spec.Request.Name == stays && r.Spec.Request.Operation == "DELETE"
	}); len(found) != 1 {
		t.Errorf("there are %d records of the deletion of %s, want 1", len(found), stays)
	}
}

// An object of a MiB is judged like any other, and its record stays small.
func TestObjectsOfOneMiB(t *testing.T) {
	for _, c := range []struct {
		gate   string
		denied string
	}{{"", "label configmap big mine=yes"}, {"declared", `patch configmap big -p {"data":{"k500":"mine"}}`}} {
		t.Run("gate="+c.gate, func(t *testing.T) {
			ns, dave := newNamespace(t, c.gate), newPerson(t, "dave")
			declare(t, bigMap(t, ns, "big"))
			kubectl(t, dave, append([]string{"-n", ns}, strings.Fields(c.denied)...)...).MustDeny(t, v1alpha1.ReasonOutOfBand)
			kubectl(t, dave, "-n", ns, "delete", "configmap", "big", "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
			here.KubectlIn(t, operator, bigMap(t, ns, "child"), "create", "-f", "-").MustAllow(t)
			if c.gate == "declared" {
				kubectl(t, dave, "-n", ns, "label", "configmap", "big", "mine=yes").MustAllow(t)
			}
			found := here.Records(t, inNamespaceBy(ns, dave))
			if len(found) != 2 {
				t.Errorf("there are %d records of dave's, want 2", len(found))
			}
			for _, r := range found {
				r.ManagedFields = nil
				if raw, err := json.Marshal(r); err != nil || len(raw) > 8<<10 {
					t.Errorf("a record is %d bytes, %v", len(raw), err)
				}
			}
		})
	}
}

// bigMap is a ConfigMap of nearly the MiB that etcd and the API server take.
func bigMap(t *testing.T, ns, name string) string {
	t.Helper()
	data := map[string]string{}
	for i := range 1000 {
		data[fmt.Sprintf("k%d", i)] = strings.Repeat("x", 990)
	}
	raw, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "namespace": ns}, "data": data,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A namespace's labels say which policy governs it: they are judged as they were and as they would be.
func TestRelabellingANamespaceIsNoWayOut(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"", "gate=audit"}, {"", "gate=declared"}, {"", "gate=none"}, {"declared", "gate=none"}, {"declared", "gate-"}, {"warn", "gate-"}, {"audit", "gate-"},
	} {
		t.Run(fmt.Sprintf("from %q to %s", c.from, c.to), func(t *testing.T) {
			ns := newNamespace(t, c.from)
			kubectl(t, "alice", "label", "namespace", ns, c.to, "--overwrite").MustDeny(t, v1alpha1.ReasonOutOfBand)
			// A controller may add a label that git does not declare, but not this one.
			kubectl(t, operator, "label", "namespace", ns, c.to, "--overwrite").MustDeny(t, v1alpha1.ReasonOutOfBand)
			kubectl(t, operator, "label", "namespace", ns, "seen=yes").MustAllow(t)
			want := c.from
			if out := kubectl(t, "admin", "get", "namespace", ns, "-o", "jsonpath={.metadata.labels.gate}").Out; out != want {
				t.Errorf("the label is %q, want %q", out, want)
			}
		})
	}
}

// byIn selects a user's writes in a namespace.
func byIn(user, ns string) func(*auditv1.Event) bool {
	return func(e *auditv1.Event) bool { return by(user)(e) && e.ObjectRef.Namespace == ns }
}
