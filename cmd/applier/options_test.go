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
	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/cmd/internal/program"
)

func noEnv(string) string { return "" }

// silent leaves the process's loggers alone: what another test started may still
// be logging through them.
func silent(logr.Logger) {}

func TestDefaultsAreThoseOfThePod(t *testing.T) {
	got, err := parseOptions(nil, func(key string) string {
		return map[string]string{"POD_NAME": "gitlatch-applier-0", "POD_NAMESPACE": "gitops"}[key]
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
	want := &Options{
		Namespace: "gitops", DataDir: "/var/lib/gitlatch", MetricsAddress: ":8080", ProbeAddress: ":8081",
		LeaderElect: true, ConcurrentSyncs: 4, Workers: 16, Replica: "gitlatch-applier-0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestTwoOutsideAPodDoNotShareAName: whoever has the name has the lease.
func TestTwoOutsideAPodDoNotShareAName(t *testing.T) {
	names := map[string]bool{}
	for range 2 {
		o, err := parseOptions(nil, noEnv, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		names[o.Replica] = true
	}
	if len(names) != 2 {
		t.Errorf("they are called %v", names)
	}
}

func TestFileRootsAddUp(t *testing.T) {
	o, err := parseOptions([]string{"--allow-file-root=/srv/git", "--allow-file-root", "/mnt/a, b"}, noEnv, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"/srv/git", "/mnt/a, b"}
	if diff := cmp.Diff(want, o.applier(nil).FileRoots); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTakeoverManagersAddUp(t *testing.T) {
	o, err := parseOptions([]string{"--takeover-managers=lens, k9s", "--takeover-managers", "rancher"}, noEnv, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"lens", "k9s", "rancher"}, o.TakeoverManagers); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
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
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"a flag that does not exist":      {[]string{"--nope"}, "reading the command line: flag provided but not defined: -nope; applier --help lists the flags"},
		"a word too many":                 {[]string{"sync"}, "reading the command line: \"sync\" is no flag; applier --help lists the flags"},
		"no port":                         {[]string{"--receiver-bind-address", "8082"}, "--receiver-bind-address \"8082\": must be host:port, such as :9443"},
		"no workers":                      {[]string{"--workers", "0"}, "--workers 0: must be between 1 and 100"},
		"too many syncs":                  {[]string{"--concurrent-syncs", "101"}, "--concurrent-syncs 101: must be between 1 and 100"},
		"a manager without a name":        {[]string{"--takeover-managers", "lens,"}, "--takeover-managers \"\": must be the names of field managers, of 1 to 128 bytes"},
		"its own manager":                 {[]string{"--takeover-managers", "gitlatch"}, "--takeover-managers \"gitlatch\": is the applier's own field manager"},
		"a relative data directory":       {[]string{"--data-dir", "data"}, "--data-dir \"data\": must be an absolute path of a directory of its own"},
		"a relative file root":            {[]string{"--allow-file-root", "git"}, "--allow-file-root \"git\": must be an absolute path"},
		"the root as data directory":      {[]string{"--data-dir", "/./"}, "--data-dir \"/./\": must be an absolute path of a directory of its own"},
		"a data directory that is a file": {[]string{"--data-dir", file}, "making the data directory: mkdir " + file + ": not a directory; choose another with --data-dir"},
		"a port in use": {[]string{"--receiver-bind-address", port},
			"listening on " + port + ": listen tcp " + port + ": bind: address already in use; free it, or choose another with --receiver-bind-address"},
		"a kubeconfig that is not there": {[]string{"--data-dir", t.TempDir(), "--kubeconfig", "/nonexistent"},
			"reading the kubeconfig: stat /nonexistent: no such file or directory; check --kubeconfig"},
	} {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			code := program.Report("applier", run(context.Background(), tc.args, noEnv, io.Discard, io.Discard, silent), &stderr)
			if diff := cmp.Diff("applier: "+tc.want+"\n", stderr.String()); code != 2 || diff != "" {
				t.Errorf("exit %d, want 2 (-want +got):\n%s", code, diff)
			}
		})
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := program.Report("applier", run(context.Background(), []string{"--help"}, noEnv, &stdout, io.Discard, silent), &stderr)
	if code != 0 || stderr.Len() != 0 || !strings.Contains(stdout.String(), "-takeover-managers") {
		t.Errorf("exit %d, stderr %q, stdout %q", code, stderr.String(), stdout.String())
	}
}
