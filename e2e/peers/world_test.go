//go:build peers

package peers

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane and the Gitlatch on it, applier and reporter included, that all tests share;
// TestMain sets them once. The policy is [gitlatch.EnforceAll].
var (
	here  world.World
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
)

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) (err error) {
		if w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{Applier: true, Reporter: true, Progress: os.Stderr}); err != nil {
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

// synced applies objects as git does.
func synced(t testing.TB, text string) {
	t.Helper()
	here.Declare(t, text)
}

// denied runs kubectl as a person, wants the gate to refuse it, and gives what it said.
func denied(t testing.TB, user string, args ...string) string {
	t.Helper()
	return here.Kubectl(t, user, args...).MustFail(t, "denied the request").Err
}

func eventually(t testing.TB, what string, timeout time.Duration, ask func() error) {
	t.Helper()
	world.Eventually(t, what, timeout, func(context.Context) error { return ask() })
}
