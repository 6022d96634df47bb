package staticmanifests

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// run runs the plugin as somebody.
func run(t *testing.T, user string, args ...string) (said string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), plugin(here.Plane.Dir()), append(args, "--kubeconfig", here.Plane.Kubeconfig(user))...)
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// TestTheOffSwitchIsThatOfTheGroups: an administrator who is in none of them reads who is, once.
func TestTheOffSwitchIsThatOfTheGroups(t *testing.T) {
	got, code := run(t, "alice", "off", "--reason", "INC-42: it is in the way")
	want := "error: switching the gate off: mutatingwebhookconfigurations of Gitlatch are changed by Gitlatch alone, not by alice. " +
		"A file of the control plane says so. In an emergency the gate is switched off (kubectl gitlatch off) by the groups: system:masters, oncall\n"
	if diff := cmp.Diff(want, got); diff != "" || code != 1 {
		t.Errorf("exit %d (-want +got):\n%s", code, diff)
	}
	for _, user := range []string{"oncall", "admin"} {
		if said, code := run(t, user, "off", "--reason", "INC-42: it denies everything"); code != 0 {
			t.Fatalf("%s: exit %d: %s", user, code, said)
		}
		t.Cleanup(func() { // whatever comes of this test, the others have a gate
			_, _, _ = here.Plane.Kubectl(context.Background(), "admin", "", "annotate", "mutatingwebhookconfiguration/gitlatch",
				"validatingwebhookconfiguration/gitlatch", v1alpha1.AnnotationOff+"-")
		})
		here.Kubectl(t, "alice", "create", "configmap", here.Named("off"), "-n", "default").MustAllow(t)
		if said, code := run(t, "alice", "on"); code != 1 || !strings.Contains(said, "by the groups: system:masters, oncall") {
			t.Errorf("alice on: exit %d: %s", code, said)
		}
		if said, code := run(t, user, "on"); code != 0 {
			t.Fatalf("%s: exit %d: %s", user, code, said)
		}
		world.Must(t, here.Gate.WaitRegistered(t.Context()))
		here.Kubectl(t, "alice", "create", "configmap", here.Named("on"), "-n", "default").MustDeny(t, v1alpha1.ReasonOutOfBand)
	}
}
