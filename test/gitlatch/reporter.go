package gitlatch

import "context"

// Reporter is the reporter of an installation, as [Options.Reporter] asks for it.
type Reporter struct{ *member }

// Reporter is nil where none was asked for.
func (g *Gitlatch) Reporter() *Reporter { return g.reporter }

func (g *Gitlatch) startReporter(ctx context.Context) error {
	r := g.reporter
	if err := g.freePorts(&r.metrics, &r.health); err != nil {
		return err
	}
	r.command.Path, r.command.Args = g.options.ReporterBinary, g.reporterFlags(r.member)
	return g.startKept(ctx, r.member)
}

// reporterFlags are the reporter's: it knows how the gate is reached.
func (g *Gitlatch) reporterFlags(r *member) []string {
	return append(append(r.flags(), g.front...), g.options.ReporterFlags...)
}
