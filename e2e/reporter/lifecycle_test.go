package reporter

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// office is an installation of its own, whose reporter archives to a file and forgets soon; namespace lab is warned of
// alone, and reviewers hold the role for it.
type office struct {
	*unguarded
	archive string
	plugin  string
}

const officeRules = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reviewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gitlatch-reviewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}]
---
apiVersion: v1
kind: Namespace
metadata: {name: lab, labels: {gate: warn}}
`

func newOffice(t *testing.T) *office {
	t.Helper()
	dir := t.TempDir()
	o := &office{unguarded: &unguarded{t: t}, archive: filepath.Join(dir, "archive.jsonl"), plugin: filepath.Join(dir, "kubectl-gitlatch")}
	must(t, gitlatch.Build(t.Context(), dir, "kubectl-gitlatch"))
	var err error
	o.plane, err = cluster.Start(t.Context(), cluster.Options{})
	must(t, err)
	t.Cleanup(func() { _ = o.plane.Stop() })
	o.gate, err = gitlatch.Install(t.Context(), o.plane, gitlatch.Options{Reporter: true, ReporterFlags: []string{
		"--archive=file", "--archive-file=" + o.archive, "--retention-age=1h", "--retention-interval=1s",
	}})
	must(t, err)
	t.Cleanup(func() { _ = o.gate.Stop() })
	enforce := gitlatch.EnforceAll()
	selector := "namespaceSelector: {matchExpressions: [{key: gate, operator: %s}]}\n    excludeNamespaces"
	warn := strings.NewReplacer("name: cluster", "name: lab", "mode: Enforce", "mode: Warn",
		"excludeNamespaces", "clusterScoped: false\n    "+fmt.Sprintf(selector, "Exists")).Replace(enforce)
	must(t, o.gate.Policy(t.Context(), warn))
	must(t, o.gate.Policy(t.Context(), strings.Replace(enforce, "excludeNamespaces", fmt.Sprintf(selector, "DoesNotExist"), 1)))
	must(t, o.gate.Apply(t.Context(), officeRules))
	return o
}

// one waits for the record of a write to a ConfigMap, as it is once the write was seen.
func (o *office) one(outcome v1alpha1.Outcome, name string) *v1alpha1.ChangeRecord {
	o.t.Helper()
	var found v1alpha1.ChangeRecord
	eventually(o.t, "the record of "+name, 30*time.Second, func() error {
		var list v1alpha1.ChangeRecordList
		must(o.t, o.client("admin").List(o.t.Context(), &list, client.MatchingLabels{v1alpha1.LabelOutcome: string(outcome)}))
		i := slices.IndexFunc(list.Items, func(r v1alpha1.ChangeRecord) bool { return r.Spec.Request.Name == name })
		if i < 0 {
			return fmt.Errorf("it is none of %d", len(list.Items))
		}
		if found = list.Items[i]; found.Status.Phase != v1alpha1.PhaseObserved {
			return fmt.Errorf("it is %s", found.Status.Phase)
		}
		return nil
	})
	return &found
}

func (o *office) record(name string) (*v1alpha1.ChangeRecord, error) {
	rec := &v1alpha1.ChangeRecord{}
	return rec, o.client("admin").Get(o.t.Context(), client.ObjectKey{Name: name}, rec)
}

// accepted waits until the reporter has ended a record that reviewer approved, and wants it to say how.
func (o *office) accepted(name string) {
	o.t.Helper()
	var rec *v1alpha1.ChangeRecord
	eventually(o.t, "the end of an approved record", 30*time.Second, func() (err error) {
		if rec, err = o.record(name); err == nil && rec.Status.Phase != v1alpha1.PhaseClosed {
			err = fmt.Errorf("it is %s, resolved %+v", rec.Status.Phase, rec.Status.Resolution)
		}
		return err
	})
	if diff := cmp.Diff(&v1alpha1.Resolution{State: v1alpha1.ResolutionAccepted}, rec.Status.Resolution, cmpopts.IgnoreFields(v1alpha1.Resolution{}, "At")); diff != "" {
		o.t.Errorf("the resolution of %s (-want +got):\n%s", name, diff)
	}
	want := &v1alpha1.Review{Verdict: v1alpha1.ReviewApproved, Reviewer: "reviewer", Comment: "as agreed"}
	if diff := cmp.Diff(want, rec.Status.Review, cmpopts.IgnoreFields(v1alpha1.Review{}, "At")); diff != "" {
		o.t.Errorf("the review of %s (-want +got):\n%s", name, diff)
	}
}

// run runs the real plugin as somebody.
func (o *office) run(user string, args ...string) (said string, code int) {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), o.plugin, args...)
	cmd.Env = o.plane.KubectlEnv(user)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		o.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func (o *office) approve(name string) {
	o.t.Helper()
	if said, code := o.run("reviewer", "review", "approve", name, "--comment", "as agreed"); code != 0 {
		o.t.Fatalf("approving %s: exit %d: %s", name, code, said)
	}
}

// Scenario 28, with every program as it is shipped: what one does another approves, the reporter ends it, archives it
// when it is old, and whoever edits the archive is found out.
func TestARecordFromTheWriteToTheArchive(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.kubectl("alice", "", "-n", "lab", "create", "configmap", "note", "--from-literal=a=b")
	o.kubectl("oncall", `apiVersion: v1
kind: ConfigMap
metadata:
  name: failover
  namespace: default
  annotations: {gitlatch.dev/break-glass: "INC-42: the database is gone", gitlatch.dev/break-glass-for: 3s}
`, "create", "-f", "-")
	flagged, emergency := o.one(v1alpha1.OutcomeFlagged, "note").Name, o.one(v1alpha1.OutcomeBreakGlass, "failover").Name

	if said, code := o.run("alice", "review", "approve", flagged); code == 0 || !strings.Contains(said, string(v1alpha1.ReasonSelfReview)) {
		t.Errorf("alice approves her own: exit %d: %s", code, said)
	}
	o.approve(flagged)
	o.accepted(flagged)

	o.approve(emergency)
	eventually(t, "the window to end", 30*time.Second, func() error {
		rec, err := o.record(emergency)
		if err == nil && rec.Status.Window == nil {
			err = errors.New("it is open")
		}
		return err
	})
	aged(t, o.plane, emergency, 3*time.Minute) // git has the first word for some time
	o.accepted(emergency)

	for _, name := range []string{flagged, emergency} {
		aged(t, o.plane, name, 2*time.Hour)
		eventually(t, "an old record to go", 30*time.Second, func() error {
			if _, err := o.record(name); !apierrors.IsNotFound(err) {
				return fmt.Errorf("reading it: %w", err)
			}
			return nil
		})
	}
	o.editsShow(flagged)
}

// editsShow wants the archive to be whole, and to be found broken once a line of it says something else.
func (o *office) editsShow(edited string) {
	o.t.Helper()
	if said, code := o.run("admin", "archive", "verify", o.archive); code != 0 || !strings.HasPrefix(said, "intact: ") {
		o.t.Fatalf("verifying the archive: exit %d: %s", code, said)
	}
	content, err := os.ReadFile(o.archive)
	must(o.t, err)
	if !strings.Contains(string(content), `"Accepted"`) {
		o.t.Error("the archive does not say that the change was accepted")
	}
	o.gate.Reporter().Kill() // or it would say so itself, and go on from there
	forged := strings.ReplaceAll(string(content), `"username":"alice"`, `"username":"mallory"`)
	if forged == string(content) {
		o.t.Fatal("the archive does not name alice")
	}
	must(o.t, os.WriteFile(o.archive, []byte(forged), 0o600))
	said, code := o.run("admin", "archive", "verify", o.archive)
	if code != 1 || !strings.Contains(said, "edited") || !strings.Contains(said, edited) || !strings.Contains(said, "BROKEN: ") {
		o.t.Errorf("verifying an edited archive: exit %d: %s", code, said)
	}
}
