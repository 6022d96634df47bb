package main

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/reporter/audit"
)

func TestWhichVersionsAreSupported(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.37.2": true, "v1.35.0": true, "v1.35.4-eks-1234567": true, "v1.36.1-gke.1000": true, "v1.36.2+k3s1": true,
		"v1.34.9": false, "v1.9.0": false, "v2.0.0": true, "": false, "latest": false,
	} {
		if got := supported(version); got != want {
			t.Errorf("%q: %t, want %t", version, got, want)
		}
	}
}

func TestPreflightPrintsTheGravestFirst(t *testing.T) {
	var out, errs bytes.Buffer
	p := &preflighting{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &errs}, output: "table"}
	p.report = preflightReport{Version: "v1.36.2+k3s1", Platforms: []string{"k3s"}, Policies: []string{"cluster (of -f)"}}
	p.report.Totals.Objects, p.report.Totals.Kinds = 250, 60
	for _, f := range []preflightFinding{
		{Severity: severityNotes, Check: checkUnguarded, Subject: "APIService v1.x", Message: "answered elsewhere", Next: "guard it there"},
		{Severity: severityWarns, Check: checkPoses, Subject: "user:mallory", Message: "acts under\tanother name", Next: "bind less"},
		{Severity: severityBlocks, Check: checkManagers, Subject: "kubectl", Message: "wrote 2 objects of ConfigMap", Next: "commit them", Objects: 2, Last: noon()},
		{Severity: severityBlocks, Check: checkPlatform, Subject: "system:k3s-supervisor", Message: "would be denied", Next: "add the component"},
	} {
		p.report.add(f)
	}
	p.report.finish()
	if err := p.print(); err != nil {
		t.Fatal(err)
	}
	golden(t, "preflight-table", outcome{Out: out.String(), Err: errs.String(), Code: 1})
}

func TestPreflightEndsAsItsHelpSays(t *testing.T) {
	unlisted := audit.NotExamined{What: "externalmetrics.external.metrics.k8s.io", Why: audit.NeverListed}
	dead := audit.NotExamined{What: "planted.example/v1", Why: "asking which kinds it has: the server is currently unable to handle the request"}
	for _, test := range []struct {
		name       string
		report     preflightReport
		code       int
		incomplete bool
	}{
		{"nothing blocks", preflightReport{}, 0, false},
		{"something blocks", preflightReport{Totals: preflightTotals{Blocks: 1}}, 1, false},
		{"something was forbidden", preflightReport{Incomplete: true}, 3, true},
		{"something was not examined", preflightReport{NotExamined: []audit.NotExamined{unlisted, dead}}, 3, true},
		{"nobody can list it", preflightReport{NotExamined: []audit.NotExamined{unlisted}}, 0, false},
		{"what blocks comes first", preflightReport{Totals: preflightTotals{Blocks: 1}, Incomplete: true}, 1, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.report.finish()
			code := 0
			if err := test.report.verdict(); err != nil {
				code = report(io.Discard, err)
			}
			if code != test.code || test.report.Incomplete != test.incomplete {
				t.Errorf("exit %d, incomplete %t; want %d, %t", code, test.report.Incomplete, test.code, test.incomplete)
			}
		})
	}
}

func TestPreflightRefusesWhatItCantMean(t *testing.T) {
	nobody(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"an unknown platform": {[]string{"--platform", "nomad"}, `error: --platform "nomad": use one of auto, none, kubeadm, eks, gke, aks, openshift, k3s, calico` + "\n"},
		"no time":             {[]string{"--recent", "-1h"}, "error: --recent -1h0m0s: use a time such as 720h\n"},
		"an unknown output":   {[]string{"-o", "wide"}, `error: unknown output "wide": use one of table, json, yaml` + "\n"},
		"no kubeconfig":       {nil, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := gitlatch(t.Context(), "", time.Now, append([]string{"preflight"}, test.args...)...)
			if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPreflightCompletesPlatforms(t *testing.T) {
	nobody(t)
	got := gitlatch(t.Context(), "", noon, "__complete", "preflight", "--platform", "")
	want := outcome{Out: "auto\nnone\nkubeadm\neks\ngke\naks\nopenshift\nk3s\ncalico\n:4\n", Err: "Completion ended with directive: ShellCompDirectiveNoFileComp\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("completion (-want +got):\n%s", diff)
	}
}
