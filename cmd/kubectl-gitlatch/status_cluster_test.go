package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/reporter/access"
	"github.com/gitlatch/gitlatch/reporter/signals"
	"github.com/gitlatch/gitlatch/test/cluster"
	install "github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// TestStatusOnTheRealControlPlane: gate and applier run, a repository is applied, people
// try their hands. The order matters: each part finds what those before it left.
func TestStatusOnTheRealControlPlane(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	r := &syncRig{rig: rig{c}}
	t.Run("a cluster without Gitlatch", r.statusUninstalled)
	if r.gate, err = install.Install(t.Context(), c, install.Options{Applier: true}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.gate.Stop(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv("HOME", t.TempDir()) // not before: the builds that installed it have their cache there
	if r.repo, err = gitserver.NewRepo(filepath.Join(t.TempDir(), "ops")); err != nil {
		t.Fatal(err)
	}
	t.Run("nothing is there yet", r.statusEmpty)
	t.Run("applied, before any policy", r.statusApplied)
	t.Run("drift is pulled back", r.statusDrift)
	t.Run("enforced, a revert applied, a denial", r.statusEnforced)
	t.Run("break-glass", r.statusWindow)
	t.Run("partial rights", r.statusPartial)
	t.Run("access", r.accessFindings)
	t.Run("access without rights", r.accessForbidden)
	t.Run("the gate's configuration is gone", r.statusGone)
}

// status is the report as machines read it.
func (r *syncRig) status(t *testing.T, user string) (*signals.Report, outcome) {
	t.Helper()
	got := r.as(t, user, "status", "-o", "json")
	report := &signals.Report{}
	if err := json.Unmarshal([]byte(got.Out), report); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	return report, got
}

// verdicts are those of the signals, in order.
func verdicts(r *signals.Report) string {
	var all []string
	for _, s := range r.Signals {
		all = append(all, s.Name+" "+string(s.Verdict))
	}
	return strings.Join(all, ", ")
}

func (r *syncRig) expect(t *testing.T, user, want, state string, code int) *signals.Report {
	t.Helper()
	report, got := r.status(t, user)
	if verdicts(report) != want || report.Enforcement.State != state || got.Code != code {
		t.Errorf("%s, gate %s, exit %d\nwant %s, gate %s, exit %d\n%s", verdicts(report), report.Enforcement.State, got.Code, want, state, code, got.Out)
	}
	return report
}

func (r *syncRig) statusUninstalled(t *testing.T) {
	want := outcome{Err: "error: this cluster has no Gitlatch: it knows no kinds of gitlatch.dev\n", Code: 2}
	if diff := cmp.Diff(want, r.as(t, "admin", "status")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func (r *syncRig) statusEmpty(t *testing.T) {
	r.expect(t, "admin", "MatchesGit Unknown, ThroughGit Attention, AuditTrail Unknown, DriftCorrected Unknown, RevertRollback Unknown", "None", 1)
}

func (r *syncRig) statusApplied(t *testing.T) {
	r.commit(t, "the shop", map[string]string{
		"app/ns.yaml":       "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n",
		"app/settings.yaml": settingsText,
		"app/role.yaml":     "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: \"shop:reader\"}\nrules: []\n",
	})
	r.push(t)
	r.kubectl(t, `apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: prod, namespace: gitlatch-system}
spec: {url: "`+r.repo.FileURL()+`", ref: {branch: main}, path: app, interval: 1h}
`, "apply", "-f", "-")
	if got := r.as(t, "admin", "sync", "prod", "--wait", "--timeout", "60s"); got.Code != 0 {
		t.Fatalf("sync: %+v", got)
	}
	report := r.expect(t, "admin", "MatchesGit Good, ThroughGit Attention, AuditTrail Attention, DriftCorrected Good, RevertRollback Unknown", "None", 1)
	if got := report.Signals[2].Figures; got["declared"] != 3 || got["answerable"] != 3 || got["commits"] != 1 || got["signed"] != 0 {
		t.Errorf("audit trail: %v", got)
	}
	if len(report.Syncs) != 1 || report.Syncs[0].State != signals.SyncInSync || report.Syncs[0].Objects != 3 {
		t.Errorf("syncs: %+v", report.Syncs)
	}
}

func (r *syncRig) statusDrift(t *testing.T) {
	r.kubectl(t, "", "patch", "configmap", "settings", "-n", "prod", "--type=merge", "-p", `{"data":{"colour":"red"}}`)
	err := install.WaitFor(t.Context(), 30*time.Second, "the drift to be corrected and its record to say so", func(context.Context) error {
		report, _ := r.status(t, "admin")
		s := report.Signals[3]
		if s.Figures["drifts"] != 1 || s.Figures["corrected"] != 1 || s.Number == nil {
			return fmt.Errorf("%s: %v", s.Summary, s.Figures)
		}
		if s.Verdict != signals.Good || *s.Number > 10 {
			t.Errorf("corrected, and %s: %s", s.Verdict, s.Summary)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func (r *syncRig) statusEnforced(t *testing.T) {
	if err := r.gate.Policy(t.Context(), install.EnforceApplier()); err != nil {
		t.Fatal(err)
	}
	r.commit(t, `Revert "raise web"`, map[string]string{"app/settings.yaml": strings.Replace(settingsText, "blue", "green", 1)})
	r.push(t)
	if got := r.as(t, "admin", "sync", "prod", "--wait", "--timeout", "60s"); got.Code != 0 {
		t.Fatalf("sync: %+v", got)
	}
	if _, stderr, code := r.Kubectl(t.Context(), "alice", "", "delete", "configmap", "settings", "-n", "prod"); code == 0 {
		t.Fatalf("alice was let through: %s", stderr)
	}
	report := r.expect(t, "admin", "MatchesGit Good, ThroughGit Attention, AuditTrail Attention, DriftCorrected Good, RevertRollback Good", "Enforcing", 1)
	if got := report.Signals[1].Figures; got["denied"] != 1 || got["deniedUsers"] != 1 || got["subjectsNotHeldBack"] != 3 {
		t.Errorf("through git: %v", got)
	}
	table := r.as(t, "admin", "status")
	for _, want := range []string{
		"GATE  Enforcing: 1 policy enforces\n  policy cluster: Enforce; break-glass for oncall\n",
		"  ✓ Good      Does the repository match reality?\n    3 of 3 objects in sync, 0 drifted, 0 unknown\n",
		`applied ` + report.Syncs[0].Commit[:7] + ` "Revert \"raise web\"" at `, "REVIEW  ",
	} {
		if !strings.Contains(table.Out, want) || strings.Contains(table.Out, "\x1b") {
			t.Errorf("the table lacks %q:\n%s", want, table.Out)
		}
	}
}

func (r *syncRig) statusWindow(t *testing.T) {
	before, _ := r.status(t, "admin") // the policy and what came before it were let in on the record
	got := r.as(t, "oncall", "break-glass", "configmap/settings", "-n", "prod", "--reason", "INC-42: db failover", "--for", "30m")
	if got.Code != 0 {
		t.Fatalf("break-glass: %+v", got)
	}
	report, _ := r.status(t, "admin")
	if len(report.Windows) != 1 || report.Windows[0].User != "oncall" || report.Windows[0].Target != "ConfigMap prod/settings" ||
		report.Windows[0].Left < 1700 || report.Windows[0].Left > 1800 {
		t.Errorf("windows: %+v", report.Windows)
	}
	if n := report.Unreviewed.Waiting; n == nil || *n != *before.Unreviewed.Waiting+1 || !slices.Contains(report.Unreviewed.Oldest, report.Windows[0].Record) {
		t.Errorf("unreviewed: %+v", report.Unreviewed)
	}
	if got := report.Signals[1]; got.Verdict != signals.Attention || *got.Number != *before.Signals[1].Number+1 {
		t.Errorf("through git: %+v", got)
	}
}

// statusPartial: reviewer is given the roles of the manifests one after another.
func (r *syncRig) statusPartial(t *testing.T) {
	report := r.expect(t, "reviewer", "MatchesGit Unknown, ThroughGit Unknown, AuditTrail Unknown, DriftCorrected Unknown, RevertRollback Unknown", "Unknown", 0)
	if len(report.Missing) != 5 || !slices.Contains(report.Missing, "list changerecords.gitlatch.dev") {
		t.Errorf("missing: %v", report.Missing)
	}
	if err := r.gate.Apply(t.Context(), `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reviewers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gitlatch-viewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}]
`); err != nil {
		t.Fatal(err)
	}
	err := install.WaitFor(t.Context(), 10*time.Second, "the API server to know the binding", func(context.Context) error {
		if report, _ = r.status(t, "reviewer"); report.Signals[4].Verdict != signals.Good {
			return fmt.Errorf("%s", verdicts(report))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := verdicts(report); got != "MatchesGit Good, ThroughGit Unknown, AuditTrail Unknown, DriftCorrected Good, RevertRollback Good" &&
		got != "MatchesGit Attention, ThroughGit Unknown, AuditTrail Unknown, DriftCorrected Good, RevertRollback Good" {
		t.Errorf("a viewer sees %s", got)
	}
	want := []string{
		"get mutatingwebhookconfigurations and validatingwebhookconfigurations.admissionregistration.k8s.io",
		"list ClusterRole.rbac.authorization.k8s.io, which syncs declare", "list ConfigMap, which syncs declare", "list Namespace, which syncs declare",
		"list roles, clusterroles, rolebindings and clusterrolebindings.rbac.authorization.k8s.io",
	}
	if diff := cmp.Diff(want, report.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}

func (r *syncRig) accessFindings(t *testing.T) {
	got := r.as(t, "admin", "access", "-o", "json")
	var report access.Report
	if err := json.Unmarshal([]byte(got.Out), &report); err != nil || got.Code != 1 {
		t.Fatalf("%v: %+v", err, got)
	}
	by := map[string][]string{}
	for _, f := range report.Findings {
		gate := gateWordOf(f.Held)
		if f.Expected != "" {
			gate = f.Expected
		}
		by[f.Subject.String()] = append(by[f.Subject.String()], string(f.Act)+" "+gate)
	}
	all := []string{"Gate open", "Impersonate open", "Pod open", "Token held", "Pod held", "Grant held", "Policy held", "Write held"}
	oncall := []string{"Gate open", "Impersonate open", "Pod open", "BreakGlass open", "Token held", "Pod held", "Grant held", "Policy held", "Write held"}
	want := map[string][]string{"group:devs": all, "group:oncall": oncall, "sa:ci/pipeline": all}
	if diff := cmp.Diff(want, by); diff != "" || !report.Enforced {
		t.Errorf("who goes around git; enforced %t (-want +got):\n%s", report.Enforced, diff)
	}
	one := r.as(t, "admin", "access", "--subject", "group:devs", "--open", "-o", "wide")
	if one.Code != 1 || strings.Contains(one.Out, "held") || strings.Contains(one.Out, "oncall ") ||
		!strings.Contains(one.Out, "ClusterRoleBinding/test:devs → ClusterRole/cluster-admin") || !strings.Contains(one.Out, "\nINSTEAD\n") ||
		!strings.Contains(one.Err, "note: group system:masters may do everything") {
		t.Errorf("one group's: %+v", one)
	}
	none := r.as(t, "admin", "access", "--subject", "carol-of-nowhere")
	if none.Code != 0 || none.Out != "" || !strings.HasPrefix(none.Err, "nobody\nnote: ") {
		t.Errorf("somebody without rights: %+v", none)
	}
	whole := r.as(t, "admin", "access", "--all")
	for _, expected := range []string{access.ExpectedControlPlane, access.ExpectedGitlatch, access.ExpectedSync} {
		if !strings.Contains(whole.Out, expected) {
			t.Errorf("--all shows no %s:\n%s", expected, whole.Out)
		}
	}
}

func (r *syncRig) accessForbidden(t *testing.T) {
	got := r.as(t, "reviewer", "access")
	if got.Code != 2 || got.Out != "" || !strings.HasPrefix(got.Err, "error: reading who may do what: clusterroles.rbac.authorization.k8s.io is forbidden") {
		t.Errorf("access: %+v", got)
	}
}

// statusGone: the webhook's processes are stopped first, or they would restore it.
func (r *syncRig) statusGone(t *testing.T) {
	if err := r.gate.Stop(); err != nil {
		t.Fatal(err)
	}
	r.kubectl(t, "", "delete", "mutatingwebhookconfiguration", "gitlatch")
	report, got := r.status(t, "admin")
	if report.Enforcement.State != "Failing" || report.Signals[1].Verdict != signals.Bad || got.Code != 1 ||
		report.Enforcement.Why != "MutatingWebhookConfiguration gitlatch is not there, or empty: nothing is asked" {
		t.Errorf("gate %s: %s; %s", report.Enforcement.State, report.Enforcement.Why, verdicts(report))
	}
}
