//go:build drills

package drills

import (
	"context"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// The off switch, by the plugin and by kubectl alone, with pods of Gitlatch alive and with none: people write as if there
// were no gate, nothing switches it on again by itself, and it is on again when it is told to.
func TestTheOffSwitch(t *testing.T) {
	explained(t)
	p := runbook(t, "off-switch.md")
	plainOff := `for kind in mutating validating; do
  kubectl patch ${kind}webhookconfiguration gitlatch --type=merge \
    -p '{"metadata":{"annotations":{"gitlatch.dev/off":"INC-42: it denies the node controller"}},"webhooks":[]}'
done
kubectl delete validatingadmissionpolicybinding gitlatch --ignore-not-found`
	const (
		off     = `kubectl gitlatch off --reason "INC-42: it denies the node controller"`
		on      = "kubectl gitlatch on"
		plainOn = "kubectl annotate mutatingwebhookconfiguration/gitlatch validatingwebhookconfiguration/gitlatch gitlatch.dev/off-"
	)
	for _, c := range []struct {
		what, off, on string
		alive         bool
	}{
		{"by the plugin, with pods", off, on, true},
		{"by kubectl alone, with pods", plainOff, plainOn, true},
		{"by the plugin, with none", off, on, false},
		{"by kubectl alone, with none", plainOff, plainOn, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			began := time.Now()
			if !c.alive {
				node.Hold("webhook")
				defer node.Hold()
				for _, pod := range webhookPods(t) {
					node.Kill(pod)
				}
			}
			shell(t, "reviewer", c.off).MustFail(t, "orbidden") // who has no right to the kinds has none to the switch
			p.run(t, "alice", c.off).MustAllow(t)
			name := here.Named("while-off")
			t.Cleanup(func() { // what is by hand is no part of what Gitlatch leaves
				_, _, _ = here.Plane.Kubectl(context.Background(), gitlatch.SyncLogin, "", "delete", "configmap", name, "-n", "default", "--ignore-not-found")
			})
			world.Eventually(t, "the gate to be off", 30*time.Second, errorOf(func() error {
				here.Kubectl(t, "alice", "delete", "configmap", name, "-n", "default", "--ignore-not-found")
				return refusal(here.Kubectl(t, "alice", "create", "configmap", name, "-n", "default"))
			}))
			p.run(t, "alice", "kubectl get mutatingwebhookconfiguration/gitlatch validatingwebhookconfiguration/gitlatch -o jsonpath='{.items[*].metadata.annotations}'").MustAllow(t)
			if c.alive && c.off == off { // it stays off for as long as anybody watches
				time.Sleep(3 * time.Second)
			}
			here.Kubectl(t, "alice", "delete", "configmap", name, "-n", "default").MustAllow(t)
			found := recorded(t, "the switch", began, anyGap("SwitchedOff"))
			if found.Spec.Gap.State != v1alpha1.GateOff {
				t.Errorf("the gap's state is %s", found.Spec.Gap.State)
			}
			p.run(t, "alice", c.on).MustAllow(t)
			node.Hold()
			guards(t)
			recorded(t, "the end of it", began, gap("SwitchedOff"))
		})
	}
}

func refusal(r world.Result) error {
	if r.Code != 0 {
		return &world.Refusal{Result: r}
	}
	return nil
}
