package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func canaryScene(name string, more ...tweak) *scene {
	return newScene(append([]tweak{
		of(v1alpha1.Group, "v1alpha1", "changerecords", "ChangeRecord"), named("", name),
		creates(`{apiVersion: gitlatch.dev/v1alpha1, kind: ChangeRecord, metadata: {name: ` + name + `}}`),
		func(s *scene) { s.req.DryRun = true },
	}, more...)...)
}

func final(s *scene) { s.req.Final = true }

// TestTheCanaryIsDeniedByOneCall: whoever asks, under whichever mode and with no policy at all, one of the two calls
// denies, and the other lets through.
func TestTheCanaryIsDeniedByOneCall(t *testing.T) {
	allow := Decision{Action: Allow, Class: v1alpha1.ClassCanary}
	deny := func(name string) Decision {
		return Decision{
			Class: v1alpha1.ClassCanary, Reason: v1alpha1.ReasonCanary, Mode: v1alpha1.ModeEnforce,
			Message: "gitlatch.dev/ChangeRecord " + name + " asks whether the gate denies, and it does",
		}
	}
	for _, who := range []User{{Name: "alice"}, {Name: "root", Groups: []string{mastersGroup}}, webhookPod(), podOf("gitlatch-system", "gitlatch-reporter")} {
		for _, m := range []v1alpha1.Mode{"", v1alpha1.ModeAudit, v1alpha1.ModeWarn, v1alpha1.ModeEnforce} {
			for _, c := range []struct {
				name string
				when []tweak
				want Decision
			}{
				{CanaryGate, nil, deny(CanaryGate)},
				{CanaryGate, []tweak{final}, allow},
				{CanaryFinal, nil, allow},
				{CanaryFinal, []tweak{final}, deny(CanaryFinal)},
			} {
				s := canaryScene(c.name, append(c.when, by(who))...)
				var policies []*Policy
				if m != "" {
					mode(m)(s)
					policies = []*Policy{s.policy(t)}
				}
				if diff := cmp.Diff(c.want, Decide(s.req, policies, s.facts)); diff != "" {
					t.Errorf("%s by %s under %q, final %t (-want +got):\n%s", c.name, who.Name, m, s.req.Final, diff)
				}
			}
		}
	}
}

// TestNoRecordBearsTheNameOfACanary: in earnest it is denied in both calls, to Gitlatch's own accounts too, and recorded.
func TestNoRecordBearsTheNameOfACanary(t *testing.T) {
	for _, name := range Canaries() {
		for _, when := range []tweak{func(*scene) {}, final} {
			s := canaryScene(name, by(webhookPod()), func(s *scene) { s.req.DryRun = false }, when)
			want := Decision{
				Class: v1alpha1.ClassCanary, Reason: v1alpha1.ReasonCanary, Mode: v1alpha1.ModeEnforce, Record: v1alpha1.OutcomeDenied,
				Message: "gitlatch.dev/ChangeRecord " + name + " is a reserved name, under which nothing is ever stored",
			}
			if diff := cmp.Diff(want, Decide(s.req, nil, s.facts)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// TestWhatIsNoCanary: another name, another operation, another kind is judged as ever.
func TestWhatIsNoCanary(t *testing.T) {
	for name, s := range map[string]*scene{
		"a record of another name":      canaryScene("canary-gates"),
		"an update":                     canaryScene(CanaryGate, func(s *scene) { s.req.Operation, s.req.Old = Update, s.req.Object }),
		"the status":                    canaryScene(CanaryGate, func(s *scene) { s.req.Subresource = "status" }),
		"a policy of the reserved name": canaryScene(CanaryGate, of(v1alpha1.Group, "v1alpha1", "changepolicies", "ChangePolicy")),
	} {
		if d, is := canary(s.req); is {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
