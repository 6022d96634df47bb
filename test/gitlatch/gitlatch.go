package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// Gitlatch is an installation under way.
type Gitlatch struct {
	cluster  *cluster.Cluster
	options  Options
	replicas []*replica
	proxy    *proxy // nil with one replica
	sync     *cluster.Identity
}

// Install installs Gitlatch and returns when its webhooks serve and are registered. No policy is there yet.
func Install(ctx context.Context, c *cluster.Cluster, options Options) (*Gitlatch, error) {
	options, err := options.defaulted(c)
	if err != nil {
		return nil, fmt.Errorf("installing Gitlatch: %w", err)
	}
	g := &Gitlatch{cluster: c, options: options}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"building the webhook", g.build},
		{"applying manifests/default", g.apply},
		{"making the sync identity", g.makeSync},
		{"giving the pods their identities", g.hire},
		{"starting the webhook", g.start},
		{"waiting for its registration", g.WaitRegistered},
	} {
		fmt.Fprintln(options.Progress, step.what)
		if err := step.do(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("installing Gitlatch: %s: %w", step.what, err), g.Stop())
		}
	}
	return g, nil
}

func (g *Gitlatch) build(ctx context.Context) error {
	if g.options.Binary != "" {
		return nil
	}
	dir := filepath.Join(g.cluster.Dir(), "bin")
	g.options.Binary = filepath.Join(dir, "webhook")
	return Build(ctx, dir, "webhook")
}

// apply does what the README says, and gives the Deployment as many replicas as are asked for.
func (g *Gitlatch) apply(ctx context.Context) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "-k", filepath.Join(root, "manifests", "default")},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd/changepolicies.gitlatch.dev", "crd/changerecords.gitlatch.dev"},
		{"scale", "-n", Namespace, "deployment/" + deployment, fmt.Sprintf("--replicas=%d", g.options.Replicas)},
	} {
		if err := g.kubectl(ctx, "admin", "", args...); err != nil {
			return err
		}
	}
	if !g.options.Service {
		return nil
	}
	return g.kubectl(ctx, "admin", "", "patch", "-n", Namespace, "service", service, "--type=merge", "-p",
		`{"spec":{"type":"ExternalName","externalName":"localhost","clusterIP":null,"clusterIPs":null,"selector":null,"ports":null}}`)
}

// makeSync comes before the first policy: afterwards, nobody makes that account's pod or a token for it, which is what
// Gitlatch is for.
func (g *Gitlatch) makeSync(ctx context.Context) error {
	var err error
	g.sync, err = g.cluster.ServiceAccount(ctx, SyncNamespace, SyncAccount, cluster.AccountOptions{ClusterAdmin: true})
	return err
}

// Sync is the identity that carries git's changes under [EnforceAll]. Its Login is "gitops/sync".
func (g *Gitlatch) Sync() *cluster.Identity { return g.sync }

// start readies the ports and the proxy, and starts all replicas.
func (g *Gitlatch) start(ctx context.Context) error {
	var backends []string
	for _, r := range g.replicas {
		for _, port := range []*int{&r.port, &r.metrics, &r.health} {
			var err error
			if *port, err = freePort(); err != nil {
				return err
			}
		}
		backends = append(backends, address(r.port))
	}
	frontPort := g.replicas[0].port
	if len(g.replicas) > 1 {
		var err error
		if g.proxy, err = startProxy(backends); err != nil {
			return err
		}
		frontPort = g.proxy.port()
	}
	for _, r := range g.replicas {
		r.args = g.flags(r, frontPort)
	}
	for i := range g.replicas {
		if err := g.Start(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// kubectl runs kubectl, and takes an exit code for an error that says what kubectl said.
func (g *Gitlatch) kubectl(ctx context.Context, user, stdin string, args ...string) error {
	stdout, stderr, code := g.cluster.Kubectl(ctx, user, stdin, args...)
	if code != 0 {
		return fmt.Errorf("kubectl %v as %s: exit %d: %s%s", args, user, code, stdout, stderr)
	}
	return nil
}

// Stop stops all replicas and waits until they are gone. The registration stays, as it does when pods are lost. More
// calls do nothing.
func (g *Gitlatch) Stop() error {
	var stopping sync.WaitGroup
	for _, r := range g.replicas {
		if r.process != nil {
			stopping.Go(func() {
				r.process.stop(stopGrace)
				_ = os.Remove(r.pidFile)
			})
		}
	}
	stopping.Wait()
	if g.proxy != nil {
		g.proxy.stop()
	}
	return nil
}
