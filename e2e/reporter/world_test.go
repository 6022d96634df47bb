package reporter

import (
	"context"
	"os"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane and the Gitlatch on it, reporter included,
// that all tests share; TestMain sets them once. The policy is [gitlatch.EnforceAll].
var (
	here  world.World
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
)

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) (err error) {
		if w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{Reporter: true, Progress: os.Stderr}); err != nil {
			return err
		}
		plane, gate = w.Plane, w.Gate
		return gate.Policy(ctx, gitlatch.EnforceAll())
	})
}

// named is a name that no other test has.
func named(prefix string) string { return here.Named(prefix) }

func must(t testing.TB, err error) {
	t.Helper()
	world.Must(t, err)
}

// kubectl runs kubectl as a person, wants it to succeed, and gives what it printed.
func kubectl(t testing.TB, user, stdin string, args ...string) string {
	t.Helper()
	return here.KubectlIn(t, user, stdin, args...).MustAllow(t).Out
}

// refused runs kubectl as a person, wants it to fail, and gives what it said.
func refused(t testing.TB, user, stdin string, args ...string) string {
	t.Helper()
	return here.KubectlIn(t, user, stdin, args...).MustFail(t, "").Err
}

// synced applies objects as git does.
func synced(t testing.TB, text string) {
	t.Helper()
	here.Declare(t, text)
}

// api is a client of a person that reads past any cache.
func api(t testing.TB, user string) client.WithWatch {
	t.Helper()
	return here.Client(t, user)
}

func eventually(t testing.TB, what string, timeout time.Duration, ask func() error) {
	t.Helper()
	world.Eventually(t, what, timeout, func(context.Context) error { return ask() })
}
