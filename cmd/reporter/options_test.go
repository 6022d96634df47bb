package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

func noEnv(string) string { return "" }

// silent leaves the process's loggers alone.
func silent(logr.Logger) {}

func TestDefaultsAreThoseOfThePod(t *testing.T) {
	got, err := parseOptions(nil, func(key string) string {
		return map[string]string{"POD_NAME": "gitlatch-reporter-0", "POD_NAMESPACE": "gitops"}[key]
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	want := &Options{
		Namespace: "gitops", MetricsAddress: ":8080", ProbeAddress: ":8081", LeaderElect: true, Replica: "gitlatch-reporter-0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMistakes: what can be mended is one line on stderr and exit code 2.
func TestMistakes(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a flag that does not exist": {[]string{"--nope"}, "reading the command line: flag provided but not defined: -nope; reporter --help lists the flags"},
		"no port":                    {[]string{"--metrics-bind-address", "8080"}, "--metrics-bind-address \"8080\": must be host:port, such as :9443"},
		"a kubeconfig that is not there": {[]string{"--kubeconfig", "/nonexistent"},
			"reading the kubeconfig: stat /nonexistent: no such file or directory; check --kubeconfig"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := program.Report("reporter", run(context.Background(), tc.args, noEnv, io.Discard, io.Discard, silent), &stderr)
			if diff := cmp.Diff("reporter: "+tc.want+"\n", stderr.String()); code != 2 || diff != "" {
				t.Errorf("exit %d, want 2 (-want +got):\n%s", code, diff)
			}
		})
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := program.Report("reporter", run(context.Background(), []string{"--help"}, noEnv, &stdout, io.Discard, silent), &stderr)
	if code != 0 || stderr.Len() != 0 || !strings.Contains(stdout.String(), "-namespace") {
		t.Errorf("exit %d, stderr %q, stdout %q", code, stderr.String(), stdout.String())
	}
}
