package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/process"
)

// Gitlatch is an installation under way.
type Gitlatch struct {
	cluster  *cluster.Cluster
	options  Options
	replicas []*replica
	applier  *Applier
	reporter *Reporter
	kubelet  *Kubelet // nil unless it was asked for
	proxy    *proxy   // nil with one replica
	front    []string // flags that say how the gate is reached
	sync     *cluster.Identity

	reserving sync.Mutex // guards reserved
	reserved  []*process.Port
	unkeep    []func() // ends the keeping of those that are kept running
}

// Install installs Gitlatch and returns when its webhooks serve and are registered, and its applier and reporter are ready, where
// they are asked for. No policy and no sync is there yet.
func Install(ctx context.Context, c *cluster.Cluster, options Options) (*Gitlatch, error) {
	options, err := options.defaulted(c)
	if err != nil {
		return nil, fmt.Errorf("installing Gitlatch: %w", err)
	}
	g := &Gitlatch{cluster: c, options: options}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
		not  bool
	}{
		{what: "building Gitlatch", do: g.build},
		{what: "applying manifests/default", do: g.apply},
		{what: "making the sync identity", do: g.makeSync},
		{what: "giving the pods their identities", do: g.hire},
		{what: "starting the webhook", do: g.startWebhook, not: options.NoWebhook},
		{what: "waiting for its registration", do: g.WaitRegistered, not: options.NoWebhook},
		{what: "starting the applier", do: g.startApplier, not: !options.Applier},
		{what: "starting the reporter", do: g.startReporter, not: !options.Reporter},
	} {
		if step.not {
			continue
		}
		fmt.Fprintln(options.Progress, step.what)
		if err := step.do(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("installing Gitlatch: %s: %w", step.what, err), g.Stop())
		}
	}
	return g, nil
}

// build compiles what runs here and was not handed over.
func (g *Gitlatch) build(ctx context.Context) error {
	dir := filepath.Join(g.cluster.Dir(), "bin")
	for _, program := range []struct {
		name   string
		wanted bool
		path   *string
	}{
		{webhook, !g.options.NoWebhook, &g.options.Binary},
		{applier, g.options.Applier, &g.options.ApplierBinary},
		{reporter, g.options.Reporter, &g.options.ReporterBinary},
	} {
		if !program.wanted || *program.path != "" {
			continue
		}
		*program.path = filepath.Join(dir, program.name)
		if err := Build(ctx, dir, program.name); err != nil {
			return err
		}
	}
	return nil
}

// apply does what the README says, and gives the Deployments as many replicas as are asked for.
func (g *Gitlatch) apply(ctx context.Context) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"apply", "-k", filepath.Join(root, "manifests", "default")},
		{"wait", "--for=condition=Established", "--timeout=30s",
			"crd/changepolicies.gitlatch.dev", "crd/changerecords.gitlatch.dev", "crd/gitsyncs.gitlatch.dev"},
		g.scale(webhook), g.scale(applier), g.scale(reporter),
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

func (g *Gitlatch) scale(component string) []string {
	return []string{"scale", "-n", Namespace, "deployment/gitlatch-" + component, fmt.Sprintf("--replicas=%d", g.pods(component))}
}

// pods is how many of a component's are asked for.
func (g *Gitlatch) pods(component string) int {
	switch {
	case component == webhook:
		return g.options.Replicas
	case component == applier && g.options.Applier, component == reporter && g.options.Reporter:
		return 1
	}
	return 0
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

// kubectl runs kubectl, and takes an exit code for an error that says what kubectl said.
func (g *Gitlatch) kubectl(ctx context.Context, user, stdin string, args ...string) error {
	stdout, stderr, code := g.cluster.Kubectl(ctx, user, stdin, args...)
	if code != 0 {
		return fmt.Errorf("kubectl %v as %s: exit %d: %s%s", args, user, code, stdout, stderr)
	}
	return nil
}

// Stop stops applier, reporter and all replicas, and waits until they are gone. The registration stays, as it does when pods
// are lost. More calls do nothing. It panics when one of them had a data race, which only those have that were built
// with the race detector.
func (g *Gitlatch) Stop() error {
	var stopping sync.WaitGroup
	if g.kubelet != nil {
		stopping.Go(g.kubelet.terminate)
	}
	if g.applier != nil {
		stopping.Go(g.applier.Terminate)
	}
	if g.reporter != nil {
		stopping.Go(g.reporter.Terminate)
	}
	for _, r := range g.replicas {
		stopping.Go(r.Terminate)
	}
	stopping.Wait()
	for _, end := range g.unkeep {
		end()
	}
	if g.proxy != nil {
		g.proxy.stop()
	}
	g.releasePorts()
	g.insist()
	return nil
}

// startKept starts a member that is kept running until [Gitlatch.Stop].
func (g *Gitlatch) startKept(ctx context.Context, m *member) error {
	kept, end := context.WithCancel(context.WithoutCancel(ctx))
	g.unkeep = append(g.unkeep, end)
	go m.keep(kept)
	return m.Start(ctx)
}
