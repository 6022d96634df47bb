package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/reporter/review"
	"github.com/gitlatch/gitlatch/reporter/signals"
)

// situation tells how far git is the only path.
type situation struct {
	genericiooptions.IOStreams
	server  *server
	now     func() time.Time
	output  string
	since   string
	overdue review.Overdue
}

func newStatus(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	s := &situation{IOStreams: streams, server: server, now: now}
	cmd := &cobra.Command{
		Use:   "status [--since 30d]",
		Short: "See the five signals: is git the only path to change the cluster?",
		Long: `See how far git is the only path to change the cluster, by five signals, each with its
number, what it rests on, and a verdict:

  Does the repository match reality?  Do changes go through git?
  Is history the audit trail?         Is drift corrected?
  Is rollback a revert?

Beside them: the gate, the syncs, the open break-glass windows, and what waits for
review. What your rights don't show is Unknown, and the right that is missing is named.
docs/signals.md says what each number is, and where the verdicts change.

Exit codes: 0 no signal needs attention; 1 one is Attention or Bad; 2 bad flags, no
kubeconfig, or an error of the API server. Unknown alone is 0.`,
		Example: `  kubectl gitlatch status

  # for machines
  kubectl gitlatch status --since 7d -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVarP(&s.output, "output", "o", "table", "output: table, json or yaml")
	f.StringVar(&s.since, "since", "30d", "how far back attempts and drift count, such as 30d or 12h")
	f.DurationVar(&s.overdue.BreakGlass, "overdue-break-glass", review.OverdueBreakGlass, "how long a break-glass may wait for review; as the reporter has it")
	f.DurationVar(&s.overdue.Other, "overdue-other", review.OverdueOther, "how long any other record may wait for review; as the reporter has it")
	completeWith(cmd, "output", "table", "json", "yaml")
	completeWith(cmd, "since", "24h", "7d", "30d", "90d")
	return cmd
}

func (s *situation) run(ctx context.Context) error {
	period, err := parsePeriod(s.since)
	if err := errors.Join(checkOutput(s.output, "table", "json", "yaml"), err); err != nil {
		return badInput(err)
	}
	report, err := s.collect(ctx, period)
	if err != nil {
		return failed(err)
	}
	if s.output == "table" {
		err = (&statusPrinter{out: s.Out, colour: colours(s.Out)}).print(report)
	} else {
		err = printAs(s.Out, s.output, report)
	}
	if err != nil {
		return err
	}
	if report.Verdict == signals.Attention || report.Verdict == signals.Bad {
		return &exitError{code: exitRefused}
	}
	return nil
}

func (s *situation) collect(ctx context.Context, period time.Duration) (*signals.Report, error) {
	reader, err := s.server.reader()
	if err != nil {
		return nil, err
	}
	served, err := s.server.flags.ToDiscoveryClient()
	if err != nil {
		return nil, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	return signals.Collect(ctx, signals.Sources{
		Reader: reader, Served: served, Install: installation(), Now: s.now(), Period: period, Overdue: s.overdue,
	})
}

// parsePeriod takes days as well, which Go's durations know nothing of.
func parsePeriod(text string) (time.Duration, error) {
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		if n > 0 && n <= 36500 { // more or less would not fit into a duration, and come out as another one
			d = time.Duration(n) * 24 * time.Hour
		}
	} else {
		d, err = time.ParseDuration(text)
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("--since %q: use a time such as 30d or 12h", text)
	}
	return d, nil
}
