//go:build drills

package drills

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

const kubeletUser = "system:node:" + cluster.NodeName

// The whole plane loses its power and comes back, with no webhook, applier or reporter running, and policy cluster
// enforced on all objects. What a cluster needs to start asks nobody: nodes, controllers, Gitlatch's own pods.
func TestAColdStartOfTheWholePlane(t *testing.T) {
	explained(t)
	for _, failurePolicy := range []string{"Ignore", "Fail"} {
		t.Run("under "+failurePolicy, func(t *testing.T) { coldStart(t, failurePolicy) })
	}
	for _, component := range []string{"webhook", "reporter"} {
		commit(t, component, unchanged)
	}
	rolledOut(t, "webhook")
	rolledOut(t, "reporter")
	registeredAs(t, "Ignore")
	guards(t)
}

func coldStart(t *testing.T, failurePolicy string) {
	p := runbook(t, "cold-start.md")
	defer node.Run() // whatever comes of this, the others have Gitlatch
	for _, component := range []string{"webhook", "reporter"} {
		commit(t, component, flagged("--failure-policy="+failurePolicy))
		rolledOut(t, component)
	}
	registeredAs(t, failurePolicy)
	guards(t)
	mark, began := auditMark(t), time.Now()
	node.Stop()
	node.KillAll()
	here.Plane.StopAll()
	world.Must(t, here.Plane.StartAll(t.Context()))

	p.run(t, "alice", "kubectl get --raw '/readyz?verbose'").MustAllow(t)
	nodeWorks(t)
	ns := here.NewNamespace(t, "{}") // by the sync identity, which is not asked about either
	here.Declare(t, strings.ReplaceAll(aDeployment, "NS", ns))
	podsOf(t, ns, "web", 1)
	replaced(t)
	// A person is refused all the same: for want of an answer, or by the backstop.
	said := map[string]string{"Fail": `failed calling webhook "`, "Ignore": "ValidatingAdmissionPolicy 'gitlatch' with binding 'gitlatch' denied request: OutOfBand: "}
	here.Kubectl(t, "alice", "create", "configmap", "by-hand", "-n", "default").MustFail(t, said[failurePolicy])

	// Gitlatch's pods start in any order. Here the webhook's come last, and those who watch see it away.
	node.Hold("webhook")
	defer node.Hold()
	node.Run()
	open := recorded(t, "the gap", began, anyGap("NoAnswer"))
	p.run(t, "alice", "kubectl get changerecords -l gitlatch.dev/gap=open").MustAllow(t)
	node.Hold()
	guards(t)
	recorded(t, "the end of the gap", began, gap(open.Spec.Gap.Cause))
	p.run(t, "alice", "kubectl -n gitlatch-system get pods -o wide").MustAllow(t)
	p.run(t, "alice", "kubectl gitlatch records list --outcome Tampered --since 1h").MustAllow(t)
	if r := p.run(t, "alice", "kubectl gitlatch audit --since 1h"); r.Code > 1 { // 1: it found what other drills wrote
		t.Errorf("audit: exit %d: %s", r.Code, r.Err)
	}
	for _, e := range refusedSystem(t, mark) {
		t.Errorf("the control plane was refused: %s %s %s/%s by %s: %s", e.Verb, e.ObjectRef.Resource, e.ObjectRef.Namespace,
			e.ObjectRef.Name, e.User.Username, e.ResponseStatus.Message)
	}
}

const aDeployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: web, image: registry.example/web:1}]
`

// nodeWorks does what a kubelet does all day: its lease, its status, the status of a pod.
func nodeWorks(t *testing.T) {
	t.Helper()
	c, now := here.Client(t, kubeletUser), metav1.NowMicro()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-node-lease", Name: cluster.NodeName}}
	err := c.Get(t.Context(), client.ObjectKeyFromObject(lease), lease)
	lease.Spec.RenewTime = &now
	if apierrors.IsNotFound(err) {
		world.Must(t, c.Create(t.Context(), lease))
	} else {
		world.Must(t, err)
		world.Must(t, c.Update(t.Context(), lease))
	}
	n := &corev1.Node{}
	world.Must(t, c.Get(t.Context(), client.ObjectKey{Name: cluster.NodeName}, n))
	for i := range n.Status.Conditions {
		n.Status.Conditions[i].LastHeartbeatTime = metav1.Now()
	}
	world.Must(t, c.Status().Update(t.Context(), n))
}

// podsOf waits for the pods that the controllers make from a Deployment, and has one of them run.
func podsOf(t *testing.T, ns, app string, want int) {
	t.Helper()
	var pods corev1.PodList
	world.Eventually(t, "the pods of "+app, time.Minute, func(ctx context.Context) error {
		if err := here.Client(t, "admin").List(ctx, &pods, client.InNamespace(ns), client.MatchingLabels{"app": app}); err != nil {
			return err
		}
		if len(pods.Items) != want {
			return fmt.Errorf("there are %d, not %d", len(pods.Items), want)
		}
		return nil
	})
	world.Must(t, here.Plane.MarkRunning(t.Context(), ns, pods.Items[0].Name))
}

// replaced has the node give up the webhook's pods, and waits for those that the controllers make in their place.
func replaced(t *testing.T) {
	t.Helper()
	old := webhookPods(t)
	for _, pod := range old {
		world.Must(t, here.Plane.FinishDeletion(t.Context(), gitlatch.Namespace, pod))
	}
	world.Eventually(t, "new pods of the webhook", time.Minute, func(context.Context) error {
		now := webhookPods(t)
		for _, pod := range now {
			if strings.Contains(strings.Join(old, " "), pod) {
				return fmt.Errorf("%s is still there", pod)
			}
		}
		if len(now) != len(old) {
			return fmt.Errorf("there are %d, not %d", len(now), len(old))
		}
		return nil
	})
}

// webhookPods are the names of the webhook's pods that are not on their way out.
func webhookPods(t *testing.T) []string {
	t.Helper()
	var pods corev1.PodList
	world.Must(t, here.Client(t, "admin").List(t.Context(), &pods, client.InNamespace(gitlatch.Namespace),
		client.MatchingLabels{"app.kubernetes.io/component": "webhook"}))
	var names []string
	for i := range pods.Items {
		if pods.Items[i].DeletionTimestamp == nil {
			names = append(names, pods.Items[i].Name)
		}
	}
	return names
}

// auditMark is where the API server's audit log ends now.
func auditMark(t *testing.T) int64 {
	t.Helper()
	info, err := os.Stat(here.Plane.AuditLog())
	world.Must(t, err)
	return info.Size()
}

// refusedSystem are the writes of the control plane's own identities since the mark that a webhook or the backstop refused, or
// that could not be asked about.
func refusedSystem(t *testing.T, mark int64) (refused []*auditv1.Event) {
	t.Helper()
	file, err := os.Open(here.Plane.AuditLog())
	world.Must(t, err)
	defer file.Close()
	_, err = file.Seek(mark, io.SeekStart)
	world.Must(t, err)
	reader := audit.NewReader(file)
	for {
		entry, err := reader.Next()
		var problem *audit.Problem
		switch {
		case errors.Is(err, io.EOF), errors.As(err, &problem) && problem.Truncated:
			return refused
		case err != nil:
			t.Fatal(err)
		}
		e := entry.Event
		ours := strings.HasPrefix(e.User.Username, "system:") && !strings.HasPrefix(e.User.Username, "system:serviceaccount:") ||
			strings.HasPrefix(e.User.Username, "system:serviceaccount:kube-system:")
		if e.ObjectRef != nil && e.ResponseStatus != nil && ours && e.ImpersonatedUser == nil && refusedByGate(e.ResponseStatus.Message) {
			refused = append(refused, e)
		}
	}
}
