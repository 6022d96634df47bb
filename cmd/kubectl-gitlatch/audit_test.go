package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAuditOfAnExportedLogGolden(t *testing.T) {
	nobody(t)
	tests := []struct {
		name string
		args []string
	}{
		{"audit-declared", []string{"-f", "testdata/declared.yaml"}},
		{"audit-all", []string{"-f", "testdata/all.yaml"}},
		{"audit-all-wide", []string{"-f", "testdata/all.yaml", "-o", "wide", "-n", "shop"}},
		{"audit-all-json", []string{"-f", "testdata/all.yaml", "-o", "json", "-n", "shop"}},
		{"audit-all-yaml", []string{"-f", "testdata/all.yaml", "-o", "yaml", "-n", "shop"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args := append([]string{"audit", "--offline", "--audit-log", sampleLog}, test.args...)
			golden(t, test.name, gitlatch(t.Context(), "", noon, args...))
		})
	}
}

func TestAuditOfADamagedLog(t *testing.T) {
	nobody(t)
	lines := strings.SplitAfter(sample(t), "\n")
	flux := lines[0] + lines[1]
	tests := []struct{ name, log string }{
		{"audit-truncated", flux + lines[2][:200]},
		{"audit-foreign-lines", "I0302 starting\n" + flux + strings.Repeat("{}\n", 6)},
		{"audit-empty", ""},
		{"audit-no-events", `{"kind":"Pod","apiVersion":"v1"}` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			golden(t, test.name, gitlatch(t.Context(), test.log, noon,
				"audit", "--offline", "-f", "testdata/declared.yaml", "--audit-log", "-"))
		})
	}
}

func TestBadUsageOfAuditIsOneLineAndExits2(t *testing.T) {
	nobody(t)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no kubeconfig", nil, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{"a time that is none", []string{"--since", "-1h"}, "error: --since -1h0m0s: use a time such as 1h\n"},
		{"an unknown output", []string{"-o", "csv"}, `error: unknown output "csv": use one of table, wide, json, yaml` + "\n"},
		{"offline without a log", []string{"--offline", "-f", "testdata/all.yaml"}, "error: --offline: no audit log: pass --audit-log audit.log\n"},
		{"offline without a policy", []string{"--offline", "--audit-log", "-"}, "error: --offline: no policy: pass -f policy.yaml\n"},
		{"offline, and records", []string{"--offline", "--audit-log", "-", "-f", "testdata/all.yaml", "--record"}, "error: --offline: a record needs the cluster\n"},
		{"standard input twice", []string{"--audit-log", "-", "-f", "-"},
			"error: standard input can be read once: name a file for the policy or the log\n"},
		{"a log that is not there", []string{"--offline", "-f", "testdata/all.yaml", "--audit-log", "testdata/none"},
			"error: opening the audit log: open testdata/none: no such file or directory\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := gitlatch(t.Context(), "", noon, append([]string{"audit"}, test.args...)...)
			if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}
