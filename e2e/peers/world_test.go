//go:build peers

package peers

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// plane and gate are the control plane and the Gitlatch on it, applier and reporter included, that all tests share;
// TestMain sets them once. The policy is [gitlatch.EnforceAll].
var (
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if plane, err = cluster.Start(ctx, cluster.Options{Progress: os.Stderr}); err != nil {
		return 0, err
	}
	defer plane.Stop()
	if gate, err = gitlatch.Install(ctx, plane, gitlatch.Options{Applier: true, Reporter: true, Progress: os.Stderr}); err != nil {
		return 0, err
	}
	defer gate.Stop()
	if err := gate.Policy(ctx, gitlatch.EnforceAll()); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

var serial atomic.Int64

// named is a name that no other test has.
func named(prefix string) string { return fmt.Sprintf("%s-%d", prefix, serial.Add(1)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// synced applies objects as git does.
func synced(t testing.TB, text string) {
	t.Helper()
	must(t, gate.Apply(t.Context(), text))
}

// denied runs kubectl as a person, wants the gate to refuse it, and gives what it said.
func denied(t testing.TB, user string, args ...string) string {
	t.Helper()
	stdout, stderr, code := plane.Kubectl(t.Context(), user, "", args...)
	if code == 0 || !strings.Contains(stderr, "denied the request") {
		t.Fatalf("kubectl %s as %s: want a denial, got exit %d: %s%s", strings.Join(args, " "), user, code, stdout, stderr)
	}
	return stderr
}

func eventually(t testing.TB, what string, timeout time.Duration, ask func() error) {
	t.Helper()
	must(t, gitlatch.WaitFor(t.Context(), timeout, what, func(context.Context) error { return ask() }))
}
