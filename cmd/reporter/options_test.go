package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/cmd/internal/gate"
	"github.com/gitlatch/gitlatch/cmd/internal/program"
	"github.com/gitlatch/gitlatch/reporter/retention"
	"github.com/gitlatch/gitlatch/reporter/review"
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
		Gate: gate.Options{
			Service: "gitlatch-webhook", ServicePort: 443, FailurePolicy: "Ignore",
			WebhookAccount: "gitlatch-webhook", ApplierAccount: "gitlatch-applier", ReporterAccount: "gitlatch-reporter",
		},
		HeartbeatEvery: 10 * time.Second,
		Overdue:        review.Overdue{BreakGlass: 24 * time.Hour, Other: 72 * time.Hour},
		Archive:        "stdout",
		Retention:      retention.Options{MaxAge: 90 * 24 * time.Hour, MaxRecords: 20000, CloseAfter: 7 * 24 * time.Hour, Every: 10 * time.Minute},
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
		"a flag that does not exist":   {[]string{"--nope"}, "reading the command line: flag provided but not defined: -nope; reporter --help lists the flags"},
		"a heartbeat that is none":     {[]string{"--heartbeat-interval", "1h"}, "--heartbeat-interval 1h0m0s: must be between 1s and 1m0s"},
		"an archive that is not known": {[]string{"--archive", "s3"}, "--archive \"s3\": must be stdout, file or postgres"},
		"a file archive without one":   {[]string{"--archive", "file"}, "--archive-file \"\": must be an absolute path"},
		"a file and no such archive":   {[]string{"--archive-file", "/x"}, "--archive-file and --archive-postgres-dsn-file: say --archive=file or --archive=postgres as well"},
		"a database nowhere":           {[]string{"--archive", "postgres"}, "--archive-postgres-dsn-file: must be set with --archive=postgres"},
		"too short an age":             {[]string{"--retention-age", "1m"}, "--retention-age, --retention-records and --close-denied-after: the age 1m0s: must be 0 or at least 1h"},
		"audit events from anybody":    {[]string{"--audit-bind-address", ":9444", "--audit-tls-cert-file", "c", "--audit-tls-key-file", "k"}, "--audit-client-ca-file and --audit-token-file: set exactly one, by which the API server is known"},
		"audit events in the clear":    {[]string{"--audit-bind-address", ":9444"}, "--audit-tls-cert-file and --audit-tls-key-file: must be set with --audit-bind-address"},
		"a URL without TLS":            {[]string{"--webhook-url", "http://gate:9443"}, "--webhook-url, --service and --failure-policy: webhook URL \"http://gate:9443\": must be https://host:port, with a path at most"},
		"no port":                      {[]string{"--metrics-bind-address", "8080"}, "--metrics-bind-address \"8080\": must be host:port, such as :9443"},
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
