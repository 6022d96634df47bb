package reporter

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// TestTheOffSwitchByOneCommand: whoever may write webhook configurations switches the gate off and says why, nobody else
// does, and it is on again by another command.
func TestTheOffSwitchByOneCommand(t *testing.T) {
	shut(t)
	dir, before, began := t.TempDir(), gaps(t), time.Now()
	must(t, gitlatch.Build(t.Context(), dir, "kubectl-gitlatch"))
	run := func(user string, args ...string) (said string, code int) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "kubectl-gitlatch"), append(args, "--kubeconfig", plane.Kubeconfig(user))...)
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	want := func(what string, code int, words, user string, args ...string) {
		t.Helper()
		if said, got := run(user, args...); got != code || !strings.Contains(said, words) {
			t.Errorf("%s: exit %d: %s", what, got, said)
		}
	}
	want("without a reason", 2, "--reason: say why", "admin", "off")
	want("by somebody without the right", 1, "forbidden", "reviewer", "off", "--reason", "INC-42: it is in the way")
	if said := refused(t, "alice", "", "create", "configmap", named("shut"), "-n", "default"); !strings.Contains(said, "OutOfBand") {
		t.Errorf("after what was refused the gate said: %s", said)
	}

	want("by the administrator", 0, "the gate is off", "admin", "off", "--reason", "INC-42: it denies everything")
	t.Cleanup(func() { // whatever comes of this test, the others have a gate
		_, _, _ = plane.Kubectl(context.Background(), "admin", "", "annotate", "mutatingwebhookconfiguration/gitlatch",
			"validatingwebhookconfiguration/gitlatch", v1alpha1.AnnotationOff+"-")
	})
	kubectl(t, "alice", "", "create", "configmap", named("off"), "-n", "default")
	gap := newGap(t, before, "SwitchedOff", began)
	wantGap := v1alpha1.Gap{State: v1alpha1.GateOff, Expected: v1alpha1.GateEnforcing, Since: gap.Spec.Gap.Since, Cause: "SwitchedOff"}
	if diff := cmp.Diff(wantGap, *gap.Spec.Gap); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	want("on again", 0, "may register itself again", "admin", "on")
	must(t, gate.WaitRegistered(t.Context()))
	refused(t, "alice", "", "create", "configmap", named("on"), "-n", "default")
	reviewed(t, ends(t, gap))
}
