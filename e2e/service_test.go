package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// The API server reaches the gate through a Service in the shared world, and by
// URL where the control plane stands outside of the cluster: either way alice is
// denied, and git is let through.
func TestTheServicePath(t *testing.T) {
	wantGuarded(t, plane, gate)
	got := clientConfigs(t, plane)
	for i := range 2 {
		if !strings.Contains(got[i], `"name":"gitlatch-webhook"`) || strings.Contains(got[i], `"url"`) {
			t.Errorf("the webhook is not called through its Service: %s", got[i])
		}
	}
}

func TestTheURLPath(t *testing.T) {
	t.Parallel()
	there, installed := ownCluster(t, gitlatch.Options{})
	wantGuarded(t, there, installed)
	got := clientConfigs(t, there)
	for i := range 2 {
		if !strings.Contains(got[i], `"url":"https://localhost:`) || strings.Contains(got[i], `"service"`) {
			t.Errorf("the webhook is not called by URL: %s", got[i])
		}
	}
}

// ownCluster is a control plane that this test has for itself, with Gitlatch and
// one policy under which nobody but git writes.
func ownCluster(t *testing.T, options gitlatch.Options) (*cluster.Cluster, *gitlatch.Gitlatch) {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	options.Binary = gate.Binary()
	g, err := gitlatch.Install(t.Context(), c, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := g.Policy(t.Context(), gitlatch.EnforceAll()); err != nil {
		t.Fatal(err)
	}
	return c, g
}

func wantGuarded(t *testing.T, c *cluster.Cluster, g *gitlatch.Gitlatch) {
	t.Helper()
	_, stderr, code := c.Kubectl(t.Context(), "alice", "", "create", "namespace", "alices")
	if code == 0 || !strings.Contains(stderr, `gate.gitlatch.dev" denied the request: OutOfBand: `) {
		t.Errorf("alice is not denied: exit %d: %s", code, stderr)
	}
	if err := g.Apply(t.Context(), "apiVersion: v1\nkind: Namespace\nmetadata: {name: gits}\n"); err != nil {
		t.Errorf("git is not let through: %v", err)
	}
}

// clientConfigs is how the API server calls the mutating and the validating
// webhooks.
func clientConfigs(t *testing.T, c *cluster.Cluster) [2]string {
	t.Helper()
	var out [2]string
	for i, kind := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
		stdout, stderr, code := c.Kubectl(t.Context(), "admin", "", "get", kind, "gitlatch", "-o", "jsonpath={.webhooks[*].clientConfig}")
		if code != 0 || stdout == "" {
			t.Fatalf("reading the %s: exit %d: %s", kind, code, stderr)
		}
		out[i] = stdout
	}
	return out
}
