package gitlatch_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// install gives a cluster with Gitlatch under a policy that enforces, and the shop synced.
func install(t *testing.T, options gitlatch.Options) (*cluster.Cluster, *gitlatch.Gitlatch) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	g, err := gitlatch.Install(ctx, c, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("webhook 0 wrote:\n%s", g.Logs(0))
		}
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := g.Policy(ctx, gitlatch.EnforceAll()); err != nil {
		t.Fatal(err)
	}
	if err := g.Apply(ctx, gitlatch.Shop()); err != nil {
		t.Fatal(err)
	}
	return c, g
}

func wantDenied(t *testing.T, c *cluster.Cluster, when string) {
	t.Helper()
	_, stderr, code := c.Kubectl(context.Background(), "alice", "", "-n", "shop", "scale", "deployment/web", "--replicas=5")
	if code == 0 || !strings.Contains(stderr, `gate.gitlatch.dev" denied the request`) {
		t.Errorf("%s: alice scaled by hand; exit %d: %s", when, code, stderr)
	}
}

func TestTwoReplicasAreOneGate(t *testing.T) {
	ctx := context.Background()
	c, g := install(t, gitlatch.Options{Replicas: 2})
	wantDenied(t, c, "with both replicas")
	for i := range g.Replicas() {
		before := g.PID(i)
		g.Kill(i)
		wantDenied(t, c, "with one replica killed")
		if err := g.Start(ctx, i); err != nil {
			t.Fatal(err)
		}
		if g.PID(i) == before {
			t.Errorf("replica %d has the pid of the one that was killed", i)
		}
	}
	g.Terminate(0)
	wantDenied(t, c, "with one replica evicted")
}

func TestTheAPIServerReachesTheGateThroughAService(t *testing.T) {
	c, g := install(t, gitlatch.Options{Service: true})
	wantDenied(t, c, "through a Service")
	stdout, stderr, _ := c.Kubectl(context.Background(), "admin", "",
		"get", "mutatingwebhookconfiguration", "gitlatch", "-o", "jsonpath={.webhooks[*].clientConfig}")
	if !strings.Contains(stdout, `"service"`) || strings.Contains(stdout, `"url"`) {
		t.Errorf("the registration names no Service: %s%s", stdout, stderr)
	}
	t.Run("and takes the samples", func(t *testing.T) {
		if err := g.Apply(t.Context(), "{apiVersion: v1, kind: Namespace, metadata: {name: team-a}}"); err != nil {
			t.Fatal(err)
		}
		wantSamplesTaken(t, c)
	})
}

// wantSamplesTaken has the API server and the gate look at each sample, and store none.
func wantSamplesTaken(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	root, err := gitlatch.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	policies, err := filepath.Glob(filepath.Join(root, "manifests", "policies", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	syncs, err := filepath.Glob(filepath.Join(root, "manifests", "samples", "*.yaml"))
	if err != nil || len(policies) == 0 || len(syncs) == 0 {
		t.Fatalf("there are no samples (%v)", err)
	}
	for _, file := range slices.Concat(policies, syncs) {
		stdout, stderr, code := c.Kubectl(t.Context(), gitlatch.SyncLogin, "", "apply", "--server-side", "--force-conflicts",
			"--field-manager="+gitlatch.SyncFieldManager, "--dry-run=server", "-f", file)
		if code != 0 {
			t.Errorf("%s is refused: %s%s", filepath.Base(file), stdout, stderr)
		}
	}
}
