//go:build drills

package drills

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// image has the webhook's container run another version.
func image(name string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = name }
}

const (
	newer  = "ghcr.io/gitlatch/gitlatch:v0.2.0"
	broken = "ghcr.io/gitlatch/gitlatch:v0.3.0"
)

// git upgrades the webhook, and people are denied all the while. The next version does not start: the old replicas
// guard. Rolling back is git's, or an emergency of somebody on call; nobody else's.
func TestTheWebhooksOwnUpgradeAndRollback(t *testing.T) {
	explained(t)
	p := runbook(t, "upgrade.md")
	began, old := time.Now(), webhookPods(t)
	ended := knocking(t)
	commit(t, "webhook", image(newer))
	p.run(t, "alice", "kubectl -n gitlatch-system rollout status deployment/gitlatch-webhook --timeout=2m").MustAllow(t)
	if now := strings.Join(webhookPods(t), " "); strings.Contains(now, old[0]) || strings.Contains(now, old[1]) {
		t.Errorf("the pods were %v and are %s", old, now)
	}

	node.Programs[broken] = "/bin/false"
	commit(t, "webhook", image(broken))
	crashed := crashes(t)
	p.run(t, "alice", "kubectl -n gitlatch-system get pods -l app.kubernetes.io/component=webhook").MustAllow(t)
	standing(t, 2)
	p.run(t, "alice", "kubectl -n gitlatch-system rollout undo deployment/gitlatch-webhook").MustDeny(t, v1alpha1.ReasonCredential)

	p.run(t, "oncall", `kubectl gitlatch break-glass deployment/gitlatch-webhook -n gitlatch-system --reason "INC-42: the new version does not start" --for 15m`).MustAllow(t)
	p.run(t, "oncall", "kubectl -n gitlatch-system rollout undo deployment/gitlatch-webhook").MustAllow(t)
	rolledOut(t, "webhook")
	commit(t, "webhook", unchanged) // git revert
	rolledOut(t, "webhook")
	p.run(t, "oncall", "kubectl gitlatch break-glass deployment/gitlatch-webhook -n gitlatch-system --end").MustAllow(t)
	ended()
	guards(t)
	if strings.Contains(strings.Join(webhookPods(t), " "), crashed) {
		t.Errorf("%s, which crashed, is still there", crashed)
	}
	p.run(t, "alice", "kubectl get changepolicies").MustAllow(t)
	world.Eventually(t, "no gap to be open", time.Minute, errorOf(func() error {
		return lacks(p.run(t, "alice", "kubectl get changerecords -l gitlatch.dev/gap=open").MustAllow(t).Out, "cr-")
	}))
	mine := func(outcome v1alpha1.Outcome, user string) func(*v1alpha1.ChangeRecord) bool {
		return func(r *v1alpha1.ChangeRecord) bool {
			return r.Spec.Outcome == outcome && r.Spec.Requester.Username == user && r.Spec.Request.Name == "gitlatch-webhook"
		}
	}
	recorded(t, "the denied rollback", began, mine(v1alpha1.OutcomeDenied, "alice"))
	recorded(t, "the emergency", began, mine(v1alpha1.OutcomeBreakGlass, "oncall"))
}

// knocking has carol try to write by hand, again and again, until the function that is returned is called, which fails
// the test if any of it was not denied by the gate.
func knocking(t *testing.T) (ended func()) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	c, ns := here.Client(t, "carol"), here.NewNamespace(t, "{}")
	var knocked, passed int
	var last error
	var door sync.WaitGroup
	door.Go(func() {
		for ctx.Err() == nil {
			err := c.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "by-hand-"}})
			if knocked++; (err == nil || !strings.Contains(err.Error(), "denied the request")) && ctx.Err() == nil {
				passed, last = passed+1, err
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	return func() {
		t.Helper()
		stop()
		door.Wait()
		if passed > 0 || knocked < 10 {
			t.Errorf("%d of %d writes by hand were not denied, the last with: %v", passed, knocked, last)
		}
	}
}

// crashes waits for a pod of the webhook whose process does not start.
func crashes(t *testing.T) (pod string) {
	t.Helper()
	world.Eventually(t, "a pod that crashes", time.Minute, func(context.Context) error {
		for _, name := range webhookPods(t) {
			if node.Crashed(name) != nil {
				pod = name
				return nil
			}
		}
		return errors.New("there is none")
	})
	return pod
}

// standing says that so many replicas are available, and that the disruption budget counts as many.
func standing(t *testing.T, want int32) {
	t.Helper()
	world.Eventually(t, "the replicas to stand", 30*time.Second, func(context.Context) error {
		said := here.Kubectl(t, "admin", "get", "deployment/gitlatch-webhook", "pdb/gitlatch-webhook", "-n", gitlatch.Namespace,
			"-o", "jsonpath={.items[0].status.availableReplicas} {.items[1].status.currentHealthy}").Out
		if said != fmt.Sprintf("%d %d", want, want) {
			return fmt.Errorf("available, and healthy by the budget: %s", said)
		}
		return nil
	})
}
