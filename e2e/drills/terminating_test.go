//go:build drills

package drills

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// aSync never gets anywhere, and has its finalizer all the same.
const aSync = `apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: prod, namespace: gitlatch-system}
spec:
  url: https://git.invalid/ops.git
  deletionPolicy: Prune
`

// held has git make a GitSync that the applier has put its finalizer on.
func held(t *testing.T) {
	t.Helper()
	here.Declare(t, aSync)
	world.Eventually(t, "the finalizer", time.Minute, errorOf(func() error {
		if r := here.Kubectl(t, "admin", "get", "gitsync/prod", "-n", gitlatch.Namespace, "-o", "jsonpath={.metadata.finalizers}"); !strings.Contains(r.Out, "gitlatch.dev/sync") {
			return fmt.Errorf("it has %q %s", r.Out, r.Err)
		}
		return nil
	}))
}

// Somebody deletes the namespace that Gitlatch is in, with the gate under Fail. It is denied while the gate stands; with
// the gate off it hangs on a sync's finalizer, and nothing that a cluster needs hangs on the namespace.
func TestANamespaceStuckInTerminating(t *testing.T) {
	explained(t)
	p := runbook(t, "terminating.md")
	for _, component := range []string{"webhook", "reporter"} {
		commit(t, component, flagged("--failure-policy=Fail"))
		rolledOut(t, component)
	}
	registeredAs(t, "Fail")
	held(t)
	here.Kubectl(t, "alice", "delete", "namespace", "gitlatch-system", "--wait=false").MustDeny(t, v1alpha1.ReasonBuiltIn)
	guards(t)

	// By git, which may; and the applier's pod is the first to go.
	mark := auditMark(t)
	commit(t, "applier", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) })
	rolledOut(t, "applier")
	here.Kubectl(t, gitlatch.SyncLogin, "delete", "namespace", "gitlatch-system", "--wait=false").MustAllow(t)
	world.Eventually(t, "the pods to be gone", time.Minute, errorOf(func() error { return lacks(strings.Join(webhookPods(t), " "), "webhook") }))
	world.Eventually(t, "the namespace to say what holds it", time.Minute, errorOf(func() error {
		said := p.run(t, "alice", `kubectl get namespace gitlatch-system -o jsonpath='{range .status.conditions[*]}{.type}{": "}{.message}{"\n"}{end}'`).Out
		if !strings.Contains(said, "gitlatch.dev/sync in 1 resource instances") {
			return fmt.Errorf("%s", said)
		}
		return nil
	}))
	here.Kubectl(t, "alice", "create", "configmap", "by-hand", "-n", "default").MustFail(t, "failed calling webhook")
	nodeWorks(t)
	ns := here.NewNamespace(t, "{}")
	here.Declare(t, strings.ReplaceAll(aDeployment, "NS", ns))
	podsOf(t, ns, "web", 1)

	p.run(t, "alice", `kubectl gitlatch off --reason "INC-42: the namespace of Gitlatch is gone"`).MustAllow(t)
	p.run(t, "alice", "kubectl get gitsyncs -A").MustAllow(t)
	world.Eventually(t, "the gate to be off", 30*time.Second, errorOf(func() error {
		return refusal(p.run(t, "alice", `kubectl -n gitlatch-system patch gitsync prod --type=merge -p '{"spec":{"deletionPolicy":"Orphan"},"metadata":{"finalizers":null}}'`))
	}))
	p.run(t, "alice", "kubectl wait --for=delete namespace/gitlatch-system --timeout=2m").MustAllow(t)
	for _, e := range refusedSystem(t, mark) {
		t.Errorf("the control plane was refused: %s %s by %s: %s", e.Verb, e.ObjectRef.Resource, e.User.Username, e.ResponseStatus.Message)
	}

	node.Stop() // the kubelet of the pods that are gone; those that come have another
	world.Must(t, here.Gate.Stop())
	p.run(t, "alice", "kubectl apply -k manifests/default").MustAllow(t)
	p.run(t, "alice", "kubectl gitlatch on").MustAllow(t)
	world.Must(t, install(t.Context()))
	registeredAs(t, "Ignore")
	guards(t)
	if n := len(here.Records(t, all)); n == 0 {
		t.Error("the records went with the namespace")
	}
}
