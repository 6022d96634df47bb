package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

var update = flag.Bool("update", false, "write the golden files")

// noon is the clock of the tests.
func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

// outcome is what a person sees of one command.
type outcome struct {
	Out, Err string
	Code     int
}

// gitlatch runs the plugin in this process.
func gitlatch(ctx context.Context, stdin string, now func() time.Time, args ...string) outcome {
	var out, errs bytes.Buffer
	streams := genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &out, ErrOut: &errs}
	root := newRoot(streams, now)
	root.SetArgs(args)
	code := 0
	if err := root.ExecuteContext(ctx); err != nil {
		code = report(&errs, err)
	}
	return outcome{Out: out.String(), Err: errs.String(), Code: code}
}

// golden compares whole output with a file in testdata.
func golden(t *testing.T, name string, got outcome) {
	t.Helper()
	text := got.Out + "--- stderr\n" + got.Err + fmt.Sprintf("--- exit %d\n", got.Code)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// nobody leaves the plugin without a kubeconfig.
func nobody(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
}

func TestBadUsageIsOneLineAndExits2(t *testing.T) {
	nobody(t)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no kubeconfig", []string{"records", "list"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{"no kubeconfig for break-glass", []string{"break-glass", "deployment/web", "--reason", "INC-42: db failover"},
			"error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{"a kubeconfig that is not there", []string{"records", "show", "cr-1", "--kubeconfig", "testdata/none"},
			"error: reading the kubeconfig: stat testdata/none: no such file or directory\n"},
		{"an unknown command", []string{"recods"}, `error: unknown command "recods" for "kubectl gitlatch"` + "\n"},
		{"an unknown command of a group", []string{"records", "shw"}, `error: unknown command "shw" for "kubectl gitlatch records"` + "\n"},
		{"an unknown flag", []string{"records", "list", "--colour"}, "error: unknown flag: --colour\n"},
		{"an unknown output", []string{"records", "list", "-o", "csv"},
			`error: unknown output "csv": use one of table, wide, json, yaml, name` + "\n"},
		{"an unknown outcome", []string{"records", "list", "--outcome", "denid"},
			`error: unknown outcome "denid": use one of Denied, Flagged, BreakGlass, Drift, Bypass, Tampered` + "\n"},
		{"a negative limit", []string{"records", "list", "--limit", "-1"}, "error: --limit -1: use 0 for all, or a number above it\n"},
		{"a time that is none", []string{"records", "list", "--since", "-1h"}, "error: --since -1h0m0s: use a time such as 1h\n"},
		{"show without a name", []string{"records", "show"}, "error: accepts 1 arg(s), received 0\n"},
		{"no reason", []string{"break-glass", "deployment/web"},
			`error: an emergency needs a reason: pass --reason "INC-42: what is wrong"` + "\n"},
		{"a reason of spaces", []string{"break-glass", "deployment/web", "--reason", "  "},
			`error: an emergency needs a reason: pass --reason "INC-42: what is wrong"` + "\n"},
		{"a bad duration", []string{"break-glass", "deployment/web", "--reason", "INC-42: db failover", "--for", "30"},
			`error: --for "30": use a duration such as 30m` + "\n"},
		{"a duration that is over", []string{"break-glass", "deployment/web", "--reason", "INC-42: db failover", "--for", "-5m"},
			`error: --for "-5m": use a duration such as 30m` + "\n"},
		{"a reason for the end", []string{"break-glass", "deployment/web", "--end", "--reason", "done"},
			"error: --end takes neither --reason nor --for\n"},
		{"a dry run of the client", []string{"break-glass", "deployment/web", "--reason", "INC-42: x", "--dry-run=client"},
			`error: --dry-run "client": use none or server` + "\n"},
		{"no policy", []string{"policy", "test", "--audit-log", "-"}, "error: no policy: pass -f policy.yaml\n"},
		{"no log", []string{"policy", "test", "-f", "testdata/declared.yaml"},
			`error: no audit log: pass --audit-log audit.log, or "-" for standard input` + "\n"},
		{"standard input twice", []string{"policy", "test", "-f", "-", "--audit-log", "-"},
			"error: standard input can be read once: name a file for the policy or the log\n"},
		{"an unknown mode", []string{"policy", "test", "-f", "testdata/declared.yaml", "--audit-log", "-", "--mode", "enforce"},
			`error: unknown mode "enforce": use one of Enforce, Warn, Audit` + "\n"},
		{"a log that is not there", []string{"policy", "test", "-f", "testdata/declared.yaml", "--audit-log", "testdata/none"},
			"error: opening the audit log: open testdata/none: no such file or directory\n"},
		{"a version in another format", []string{"version", "-o", "table"}, `error: unknown output "table": use one of json, yaml` + "\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := gitlatch(t.Context(), "", noon, test.args...)
			if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, got); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryCommandShowsAnExampleAndItsExitCodes(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		if !cmd.HasSubCommands() && !strings.Contains(cmd.Long, "Exit codes:") {
			t.Errorf("%s does not document its exit codes", cmd.CommandPath())
		}
		for _, child := range cmd.Commands() {
			walk(child)
		}
	}
	walk(newRoot(genericiooptions.NewTestIOStreamsDiscard(), noon))
}

func TestCompletionOffersOutcomes(t *testing.T) {
	nobody(t)
	got := gitlatch(t.Context(), "", noon, "__complete", "records", "list", "--outcome", "")
	want := outcome{Out: "Denied\nFlagged\nBreakGlass\nDrift\nBypass\nTampered\n:4\n", Err: "Completion ended with directive: ShellCompDirectiveNoFileComp\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("completion (-want +got):\n%s", diff)
	}
}

func TestACancelledCommandEndsQuietly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := gitlatch(ctx, "", noon, "policy", "test", "-f", "testdata/declared.yaml", "--audit-log", sampleLog)
	if diff := cmp.Diff(outcome{Code: 130}, got); diff != "" {
		t.Errorf("outcome (-want +got):\n%s", diff)
	}
}

func ignoredStreams() genericiooptions.IOStreams { return genericiooptions.NewTestIOStreamsDiscard() }
