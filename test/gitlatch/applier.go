package gitlatch

import "context"

// Applier is the applier of an installation, as [Options.Applier] asks for it.
type Applier struct {
	*member
	receiver int
	dataDir  string
}

// Applier is nil where none was asked for.
func (g *Gitlatch) Applier() *Applier { return g.applier }

func (g *Gitlatch) startApplier(ctx context.Context) error {
	a := g.applier
	if err := freePorts(&a.receiver, &a.metrics, &a.health); err != nil {
		return err
	}
	a.command.Path = g.options.ApplierBinary
	// Tests, the demo and the benchmark keep their repositories in folders of their own, anywhere: a convenience, which
	// no installation gives its tenants.
	a.command.Args = append(a.flags(), "--data-dir="+a.dataDir, "--receiver-bind-address="+address(a.receiver), "--allow-file-root=/")
	a.command.Args = append(a.command.Args, g.options.ApplierFlags...)
	return a.Start(ctx)
}

// Start starts the applier again, on the ports, with the identity and on the repositories that it had, and returns when
// it is ready. It holds the lease that it held before, so it goes on at once. One that runs is left so.
func (a *Applier) Start(ctx context.Context) error { return a.start(ctx) }

// Kill ends it with SIGKILL, as a node that is lost would.
func (a *Applier) Kill() { a.kill() }

// Terminate ends it as an eviction does, and returns when it is gone.
func (a *Applier) Terminate() { a.terminate() }

// Running says whether it runs: it may have ended by itself.
func (a *Applier) Running() bool { return a.process.Running() }

// PID is its process.
func (a *Applier) PID() int { return a.process.PID() }

// Pod is the name of the Pod that it stands for.
func (a *Applier) Pod() string { return a.pod }

// Logs returns what it has written over all its starts.
func (a *Applier) Logs() string { return a.logs() }

// MetricsURL is where it shows its metrics.
func (a *Applier) MetricsURL() string { return a.metricsURL() }

// ReceiverURL is where it takes push notifications; /push/<namespace>/<name> comes after it.
func (a *Applier) ReceiverURL() string { return "http://" + address(a.receiver) }

// Kubeconfig is the path of its kubeconfig: what it may do, with the token of its Pod.
func (a *Applier) Kubeconfig() string { return a.kubeconfig }

// DataDir is where its repositories are.
func (a *Applier) DataDir() string { return a.dataDir }
