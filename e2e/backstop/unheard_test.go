package backstop

import (
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// The annotation that came while nobody was there opened no window, and the same again changes nothing. Whoever may break
// glass takes it away, when the gate is back, and opens one.
func TestAnEmergencyThatNobodyHeardIsTakenBackAndDeclaredAgain(t *testing.T) {
	ns := here.NewNamespace(t, "{}")
	declareShop(t, ns)
	dead(t)
	here.Kubectl(t, "oncall", "-n", ns, "annotate", "configmap", "settings", reason).MustAllow(t)
	alive(t)
	label := []string{"-n", ns, "label", "configmap", "settings", "tier=web"}
	const end = "gitlatch.dev/break-glass-"
	here.Kubectl(t, "oncall", label...).MustDeny(t, v1alpha1.ReasonOutOfBand)
	here.Kubectl(t, "alice", "-n", ns, "annotate", "configmap", "settings", end).MustDeny(t, v1alpha1.ReasonOutOfBand)
	here.Kubectl(t, "oncall", "-n", ns, "annotate", "configmap", "settings", end).MustAllow(t)
	here.Kubectl(t, "oncall", "-n", ns, "annotate", "configmap", "settings", reason).MustAllow(t)
	here.Kubectl(t, "oncall", label...).MustAllow(t)
}
