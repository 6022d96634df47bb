//go:build drills

package drills

import (
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// Every replica is gone, in each of the ways that there are. Controllers and git go on meanwhile, it comes back, and
// nothing stays blocked.
func TestEveryReplicaGone(t *testing.T) {
	explained(t)
	p := runbook(t, "replicas-gone.md")
	ns := here.NewNamespace(t, "{}")
	const (
		toNone = "kubectl -n gitlatch-system scale deployment/gitlatch-webhook --replicas=0"
		toTwo  = "kubectl -n gitlatch-system scale deployment/gitlatch-webhook --replicas=2"
	)
	none := func(t *testing.T) {
		world.Eventually(t, "every pod to be gone", time.Minute, errorOf(func() error { return lacks(strings.Join(webhookPods(t), " "), "webhook") }))
	}
	works := func(t *testing.T, name string) {
		here.Declare(t, strings.NewReplacer("NS", ns, "web", name).Replace(aDeployment))
		podsOf(t, ns, name, 1)
	}

	t.Run("scaled away in an emergency, brought back by git", func(t *testing.T) {
		began, mark := time.Now(), auditMark(t)
		here.Kubectl(t, "alice", strings.Fields(strings.TrimPrefix(toNone, "kubectl "))...).MustDeny(t, v1alpha1.ReasonBuiltIn)
		here.Kubectl(t, "oncall", "annotate", "deployment/gitlatch-webhook", "-n", gitlatch.Namespace,
			"gitlatch.dev/break-glass=INC-42: it is in the way of the failover").MustAllow(t)
		here.Kubectl(t, "oncall", strings.Fields(strings.TrimPrefix(toNone, "kubectl "))...).MustAllow(t)
		none(t)
		p.run(t, "alice", "kubectl -n gitlatch-system get deployment,pods -l app.kubernetes.io/component=webhook").MustAllow(t)
		works(t, "without")
		open := recorded(t, "the gap", began, anyGap("NoAnswer"))
		p.run(t, "alice", "kubectl gitlatch records list -n gitlatch-system --since 1h").MustAllow(t)
		commit(t, "webhook", unchanged) // git says two
		rolledOut(t, "webhook")
		guards(t)
		recorded(t, "the end of the gap", began, gap(open.Spec.Gap.Cause))
		recorded(t, "the emergency", began, func(r *v1alpha1.ChangeRecord) bool {
			return r.Spec.Outcome == v1alpha1.OutcomeBreakGlass && r.Spec.Request.Name == "gitlatch-webhook" && r.Spec.Requester.Username == "oncall"
		})
		for _, e := range refusedSystem(t, mark) {
			t.Errorf("the control plane was refused: %s %s by %s: %s", e.Verb, e.ObjectRef.Resource, e.User.Username, e.ResponseStatus.Message)
		}
		here.Kubectl(t, "oncall", "annotate", "deployment/gitlatch-webhook", "-n", gitlatch.Namespace, "gitlatch.dev/break-glass-").MustAllow(t)
	})

	t.Run("scaled away, brought back by hand", func(t *testing.T) {
		began := time.Now()
		here.Kubectl(t, gitlatch.SyncLogin, strings.Fields(strings.TrimPrefix(toNone, "kubectl "))...).MustAllow(t)
		none(t)
		recorded(t, "the gap", began, anyGap("NoAnswer"))
		p.run(t, "alice", `kubectl gitlatch off --reason "INC-42: no replica of the gate is left"`).MustAllow(t)
		recorded(t, "the switch", began, func(r *v1alpha1.ChangeRecord) bool {
			return anyGap("SwitchedOff")(r) && strings.Contains(r.Spec.Message, "INC-42: no replica of the gate is left")
		})
		p.run(t, "alice", toTwo).MustAllow(t)
		p.run(t, "alice", "kubectl -n gitlatch-system rollout status deployment/gitlatch-webhook --timeout=2m").MustAllow(t)
		p.run(t, "alice", "kubectl gitlatch on").MustAllow(t)
		guards(t)
		recorded(t, "the end of the gap", began, gap("NoAnswer"))
		recorded(t, "the end of the switch", began, gap("SwitchedOff"))
	})

	t.Run("their node is lost", func(t *testing.T) {
		began := time.Now()
		node.Hold("webhook")
		defer node.Hold()
		for _, pod := range webhookPods(t) {
			node.Kill(pod)
		}
		works(t, "unhosted")
		recorded(t, "the gap", began, anyGap("NoAnswer"))
		replaced(t)
		node.Hold()
		guards(t)
		recorded(t, "the end of the gap", began, gap("NoAnswer"))
	})
}
