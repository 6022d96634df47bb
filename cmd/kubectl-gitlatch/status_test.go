package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/access"
	"github.com/gitlatch/gitlatch/reporter/signals"
)

func TestStatusAndAccessRefuseBadUsage(t *testing.T) {
	nobody(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"status", "--since", "0d"}, `error: --since "0d": use a time such as 30d or 12h` + "\n"},
		{[]string{"status", "--since", "-1h"}, `error: --since "-1h": use a time such as 30d or 12h` + "\n"},
		{[]string{"status", "--since", "soon"}, `error: --since "soon": use a time such as 30d or 12h` + "\n"},
		{[]string{"status", "--since", "99999999d"}, `error: --since "99999999d": use a time such as 30d or 12h` + "\n"},
		{[]string{"status", "-o", "wide"}, `error: unknown output "wide": use one of table, json, yaml` + "\n"},
		{[]string{"status", "now"}, `error: unknown command "now" for "kubectl gitlatch status"` + "\n"},
		{[]string{"status"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{[]string{"access", "-o", "name"}, `error: unknown output "name": use one of table, wide, json, yaml` + "\n"},
		{[]string{"access", "--subject", "sa:sync"}, `error: --subject: subject "sa:sync": name a service account as sa:NAMESPACE/NAME` + "\n"},
		{[]string{"access"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
	} {
		if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, gitlatch(t.Context(), "", noon, test.args...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.args, diff)
		}
	}
}

// worrying is a report with one of each verdict.
func worrying() *signals.Report {
	end, oldest := noon().Add(-time.Hour), noon().Add(-50*time.Hour)
	return &signals.Report{
		At: noon(), From: noon().Add(-signals.DefaultPeriod), Verdict: signals.Bad,
		Signals: []signals.Signal{
			{Name: signals.MatchesGit, Question: "Does the repository match reality?", Verdict: signals.Good, Number: new(100.0), Unit: "percent",
				Summary: "3 of 3 objects in sync", Evidence: []string{}},
			{Name: signals.ThroughGit, Question: "Do changes go through git?", Verdict: signals.Bad, Number: new(1.0), Unit: "changes",
				Summary: "0 admitted and 1 past the gate", Evidence: []string{"1 change passed the gate by\x1b[31m\nhidden"}, Advice: "review it"},
			{Name: signals.AuditTrail, Question: "Is history the audit trail?", Verdict: signals.Attention, Summary: "nobody reviewed", Advice: "ask for reviews"},
			{Name: signals.RevertRollback, Question: "Is rollback a revert?", Verdict: signals.Unknown, Summary: "no revert is known", Advice: "drill it"},
		},
		Enforcement: signals.Enforcement{
			State: "Enforcing", Why: "1 policy enforces",
			Policies: []signals.Policy{
				{Name: "cluster", Mode: v1alpha1.ModeEnforce, Ready: true, BreakGlass: []string{"oncall"}},
				{Name: "team-a", Mode: v1alpha1.ModeAudit, Message: "Invalid: spec.sync"},
			},
			Last: &signals.Gap{Record: "cr-gap", State: v1alpha1.GateFailing, Since: noon().Add(-2 * time.Hour), Until: &end, Audited: true, Findings: 2},
		},
		Syncs: []signals.Sync{{Namespace: "gitlatch-system", Name: "prod", State: signals.SyncInSync, Commit: "3f2c1ab0000", Objects: 3, Message: "applied"}},
		Windows: []signals.Window{{Record: "cr-1", User: "oncall", Reason: "INC-42: db failover", Target: "apps/Deployment prod/web",
			Until: noon().Add(25 * time.Minute), Left: 1500}},
		Unreviewed: signals.Unreviewed{Waiting: new(2), Overdue: new(1), Oldest: []string{"cr-1", "cr-2"}, Since: &oldest},
		Missing:    []string{"list roles.rbac.authorization.k8s.io"},
	}
}

func TestStatusGolden(t *testing.T) {
	for name, colour := range map[string]bool{"status-plain": false, "status-colour": true} {
		var out bytes.Buffer
		if err := (&statusPrinter{out: &out, colour: colour}).print(worrying()); err != nil {
			t.Fatal(err)
		}
		golden(t, name, outcome{Out: out.String()})
	}
	if colours(&bytes.Buffer{}) {
		t.Error("what is no terminal is coloured")
	}
}

func TestAccessGolden(t *testing.T) {
	alice := access.Subject{Kind: "User", Name: "alice"}
	through := access.Binding{Kind: "ClusterRoleBinding", Name: "devs", RoleKind: "ClusterRole", Role: "edit"}
	report := &access.Report{Findings: []access.Finding{
		{Subject: alice, Act: access.ActGate, Through: through, Message: "edits what the gate consists of: update x", Instead: "bind view"},
		{Subject: alice, Act: access.ActWrite, Held: true, Namespace: "prod", Through: through, Message: "writes what git declares: patch configmaps", Instead: "bind view"},
		{Subject: access.Subject{Kind: "ServiceAccount", Namespace: "gitops", Name: "sync"}, Act: access.ActWrite, Held: true, Expected: access.ExpectedSync,
			Through: through, Message: "writes what git declares: patch configmaps", Instead: "nothing: sync identity"},
	}}
	for name, flags := range map[string][2]bool{"access": {false, true}, "access-wide": {true, true}} {
		var out bytes.Buffer
		if err := accessTable(&out, report, flags[0], flags[1]); err != nil {
			t.Fatal(err)
		}
		golden(t, name, outcome{Out: out.String()})
	}
}
