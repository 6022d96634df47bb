package gitlatch

import (
	"context"

	"github.com/gitlatch/gitlatch/test/process"
)

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
	if err := g.freePorts(&a.receiver, &a.metrics, &a.health); err != nil {
		return err
	}
	a.command.Path, a.command.Args = g.options.ApplierBinary, g.applierFlags(a)
	return g.startKept(ctx, a.member)
}

// applierFlags are the applier's. Tests, the demo and the benchmark keep their repositories in folders of their own,
// anywhere: a convenience, which no installation gives its tenants.
func (g *Gitlatch) applierFlags(a *Applier) []string {
	flags := append(a.flags(), "--data-dir="+a.dataDir, "--receiver-bind-address="+process.Address(a.receiver), "--allow-file-root=/")
	return append(flags, g.options.ApplierFlags...)
}

// ReceiverURL is where it takes push notifications; /push/<namespace>/<name> comes after it.
func (a *Applier) ReceiverURL() string { return "http://" + process.Address(a.receiver) }

// DataDir is where its repositories are.
func (a *Applier) DataDir() string { return a.dataDir }
