package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

func noEnv(string) string { return "" }

func TestDefaultsAreValid(t *testing.T) {
	o, err := parseOptions(nil, func(key string) string {
		return map[string]string{"POD_NAME": "gitlatch-webhook-0", "POD_NAMESPACE": "gitlatch-system"}[key]
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	if o.Replica != "gitlatch-webhook-0" || o.Namespace != "gitlatch-system" || o.Gate.FailurePolicy != "Ignore" {
		t.Errorf("options %+v, want those of the pod", o)
	}
}

// TestMistakes: what can be mended is one line on stderr and exit code 2.
func TestMistakes(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte("clusters: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a flag that does not exist": {[]string{"--nope"}, "webhook: reading the command line: flag provided but not defined: -nope; webhook --help lists the flags\n"},
		"a word too many":            {[]string{"serve"}, "webhook: reading the command line: \"serve\" is no flag; webhook --help lists the flags\n"},
		"no port":                    {[]string{"--listen", "9443"}, "webhook: --listen \"9443\": must be host:port, such as :9443\n"},
		"a certificate without key":  {[]string{"--tls-cert-file", "tls.crt"}, "webhook: --tls-cert-file and --tls-key-file: set both, or neither\n"},
		"an injector without files": {[]string{"--inject-ca-from", "gitlatch-system/gitlatch-webhook"},
			"webhook: --inject-ca-from: set --tls-cert-file and --tls-key-file as well\n"},
		"an injector without a namespace": {[]string{"--tls-cert-file", "c", "--tls-key-file", "k", "--inject-ca-from", "x"},
			"webhook: --inject-ca-from x: must be namespace/name of a Certificate\n"},
		"a certificate of a second": {[]string{"--certificate-duration", "1s"}, "webhook: --certificate-duration 1s: must be at least 30s\n"},
		"an authority that does not outlive it": {[]string{"--ca-duration", "24h"},
			"webhook: --ca-duration 24h0m0s: must be at least three times --certificate-duration, 504h0m0s\n"},
		"an unknown failure policy": {[]string{"--failure-policy", "Maybe"}, "webhook: --webhook-url, --service and --failure-policy: failure policy \"Maybe\": must be Ignore or Fail\n"},
		"a URL without TLS":         {[]string{"--webhook-url", "http://gate:9443"}, "webhook: --webhook-url, --service and --failure-policy: webhook URL \"http://gate:9443\": must be https://host:port, with a path at most\n"},
		"a port in use": {[]string{"--listen", port},
			"webhook: listening on " + port + ": listen tcp " + port + ": bind: address already in use; free it, or choose another with --listen\n"},
		"a kubeconfig that is not there": {[]string{"--listen", "127.0.0.1:0", "--kubeconfig", "/nonexistent"},
			"webhook: reading the kubeconfig: stat /nonexistent: no such file or directory; check --kubeconfig\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := program.Report("webhook", run(context.Background(), tc.args, noEnv, io.Discard, io.Discard, silent), &stderr)
			if code != 2 || stderr.String() != tc.want {
				t.Errorf("exit %d, %q; want 2, %q", code, stderr.String(), tc.want)
			}
		})
	}
	t.Run("a kubeconfig that is none", func(t *testing.T) {
		var stderr bytes.Buffer
		code := program.Report("webhook", run(context.Background(), []string{"--listen", "127.0.0.1:0", "--kubeconfig", kubeconfig}, noEnv, io.Discard, io.Discard, silent), &stderr)
		if code != 2 || strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "check --kubeconfig") {
			t.Errorf("exit %d, %q; want 2 and one line", code, stderr.String())
		}
	})
}

func TestHelpIsNoMistake(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := program.Report("webhook", run(context.Background(), []string{"--help"}, noEnv, &stdout, io.Discard, silent), &stderr)
	if code != 0 || stderr.Len() != 0 || !strings.Contains(stdout.String(), "-webhook-url") {
		t.Errorf("exit %d, stderr %q, stdout %q", code, stderr.String(), stdout.String())
	}
}

// silent leaves the process's loggers alone: what another test started may still
// be logging through them.
func silent(logr.Logger) {}
