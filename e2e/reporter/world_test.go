package reporter

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
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// plane and gate are the control plane and the Gitlatch on it, reporter included,
// that all tests share; TestMain sets them once. The policy is [gitlatch.EnforceAll].
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
	if gate, err = gitlatch.Install(ctx, plane, gitlatch.Options{Reporter: true, Progress: os.Stderr}); err != nil {
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

// kubectl runs kubectl as a person and wants it to succeed.
func kubectl(t testing.TB, user, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, code := plane.Kubectl(t.Context(), user, stdin, args...)
	if code != 0 {
		t.Fatalf("kubectl %s as %s: exit %d: %s%s", strings.Join(args, " "), user, code, stdout, stderr)
	}
	return stdout
}

// refused runs kubectl as a person, wants it to fail, and gives what it said.
func refused(t testing.TB, user, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, code := plane.Kubectl(t.Context(), user, stdin, args...)
	if code == 0 {
		t.Fatalf("kubectl %s as %s: it was let through: %s", strings.Join(args, " "), user, stdout)
	}
	return stderr
}

// synced applies objects as git does.
func synced(t testing.TB, text string) {
	t.Helper()
	must(t, gate.Apply(t.Context(), text))
}

// api is a client of a person that reads past any cache.
func api(t testing.TB, user string) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	c, err := client.NewWithWatch(plane.Config(user), client.Options{Scheme: scheme})
	must(t, err)
	return c
}

func eventually(t testing.TB, what string, timeout time.Duration, ask func() error) {
	t.Helper()
	must(t, gitlatch.WaitFor(t.Context(), timeout, what, func(context.Context) error { return ask() }))
}
