package gitlatch

import "context"

// Reporter is the reporter of an installation, as [Options.Reporter] asks for it.
type Reporter struct{ *member }

// Reporter is nil where none was asked for.
func (g *Gitlatch) Reporter() *Reporter { return g.reporter }

func (g *Gitlatch) startReporter(ctx context.Context) error {
	r := g.reporter
	if err := freePorts(&r.metrics, &r.health); err != nil {
		return err
	}
	r.command.Path = g.options.ReporterBinary
	r.command.Args = append(append(r.flags(), g.front...), g.options.ReporterFlags...)
	return r.Start(ctx)
}
