package backstop

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/world"
)

// Scenario 3 with nobody there to ask: what follows a write of git's by itself goes on, to
// the end of a namespace, and none of it is found out of band.
func TestControllersGoOnWithEveryWebhookDead(t *testing.T) {
	dead(t)
	from := mark(t)
	ns := here.NewNamespace(t, "{}") // with the account that a controller makes in it
	declareShop(t, ns)
	pods := func(selector string, want int) func(context.Context) error {
		return func(ctx context.Context) error {
			out, stderr, _ := here.Plane.Kubectl(ctx, "admin", "", "-n", ns, "get", "pods", "-l", selector, "-o", "name")
			if n := strings.Count(out, "\n"); n != want {
				return fmt.Errorf("there are %d pods: %s", n, stderr)
			}
			return nil
		}
	}
	world.Eventually(t, "two pods", 60*time.Second, pods("app=web", 2))
	here.Kubectl(t, syncer, "-n", ns, "set", "image", "deployment/web", "web=registry.example/web:2").MustAllow(t)
	world.Eventually(t, "the ReplicaSet of a rollout", 60*time.Second, func(ctx context.Context) error {
		if out, _, _ := here.Plane.Kubectl(ctx, "admin", "", "-n", ns, "get", "replicasets", "-o", "name"); strings.Count(out, "\n") != 2 {
			return fmt.Errorf("there are %q", out)
		}
		return nil
	})
	here.Kubectl(t, syncer, "-n", ns, "delete", "deployment", "web").MustAllow(t)
	world.Eventually(t, "the garbage collector", 60*time.Second, pods("app=web", 0))
	declareShop(t, ns)
	world.Eventually(t, "two pods again", 60*time.Second, pods("app=web", 2))
	here.Kubectl(t, syncer, "delete", "namespace", ns, "--timeout=90s").MustAllow(t)
	for _, by := range []string{"deployment-controller", "replicaset-controller", "generic-garbage-collector", "namespace-controller", "service-account-controller", "root-ca-cert-publisher"} {
		if got := logged(t, from, "system:serviceaccount:kube-system:"+by); len(got) > 0 {
			t.Errorf("of %s the audit log says: %q", by, got)
		}
	}
}
