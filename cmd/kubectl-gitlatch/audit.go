package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
)

// auditing looks for what went around the gate.
type auditing struct {
	genericiooptions.IOStreams
	server      *server
	now         func() time.Time
	logs, files []string
	since       time.Duration
	output      string
	offline     bool
	everything  bool
	record      bool
	progress    bool
	install     policy.Installation

	namespace string
	report    auditReport
	recorder  *audit.Recorder
}

func newAudit(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	a := &auditing{IOStreams: streams, server: server, now: now, install: installation()}
	cmd := &cobra.Command{
		Use:   "audit [--audit-log LOG]... [--since TIME]",
		Short: "Look for writes that went around the gate, and that no record covers",
		Long: `Look for writes around git of which the gate was not asked, from two witnesses:

  managedFields  of every governed object in the cluster: which manager wrote what, and
                 when. A client chooses its name, so a finding is Indicated.
  audit log      of the API server, where there is one to read: JSON lines of
                 audit.k8s.io/v1, compressed with gzip or not; "-" is standard input.
                 It says who it was, so a finding is Proven, unless the log does not
                 hold the object that the answer depends on.

The judge is the one that the gate asks, with the policies as they are in the cluster
now, or of -f. What was done before a policy was made is no bypass of it. Records whose
user, target and time agree explain a finding; --all shows those as well.

--offline asks no cluster: it needs -f and --audit-log, and nothing is explained.

--record writes a record of each finding, with your own rights. Where the gate stands,
it lets nobody but Gitlatch write records: see docs/runbooks/bypass.md for how the
reporter does it.

Exit codes: 0 nothing was found; 1 something was found that no record explains;
2 bad flags, bad input, no kubeconfig, or an error of the API server.`,
		Example: `  # the last day, by what managedFields tell
  kubectl gitlatch audit --since 24h

  # with the audit log of the API server: who it was
  zcat audit.log.gz | kubectl gitlatch audit --audit-log -

  # an exported log, without a cluster
  kubectl gitlatch audit --offline -f policy.yaml --audit-log audit.log -o wide`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.run(cmd.Context()); err != nil {
				return failed(err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&a.logs, "audit-log", nil, `an audit log, "-" for standard input; may be repeated`)
	f.StringArrayVarP(&a.files, "filename", "f", nil, `file of ChangePolicy documents, "-" for standard input, instead of the cluster's; may be repeated`)
	f.DurationVar(&a.since, "since", 0, "only what was done within this time, such as 1h; left out: everything")
	f.BoolVar(&a.offline, "offline", false, "ask no cluster")
	f.BoolVar(&a.everything, "all", false, "show what records explain, too")
	f.BoolVar(&a.record, "record", false, "write a record of each finding that no record explains")
	f.BoolVar(&a.progress, "progress", false, "tell on standard error how far it is; left out: on a terminal only")
	f.StringVarP(&a.output, "output", "o", "table", "table, wide, json or yaml")
	f.StringVar(&a.install.Namespace, "gitlatch-namespace", a.install.Namespace, "the namespace that Gitlatch runs in")
	completeWith(cmd, "output", "table", "wide", "json", "yaml")
	return cmd
}

// check refuses what can't be meant, before anything is read.
func (a *auditing) check() error {
	if err := checkOutput(a.output, "table", "wide", "json", "yaml"); err != nil {
		return err
	}
	inputs := 0
	for _, name := range append(append([]string{}, a.logs...), a.files...) {
		if name == "-" {
			inputs++
		}
	}
	switch {
	case a.since < 0:
		return badInput(fmt.Errorf("--since %s: use a time such as 1h", a.since))
	case inputs > 1:
		return badInput(errors.New("standard input can be read once: name a file for the policy or the log"))
	case a.offline && len(a.logs) == 0:
		return badInput(errors.New("--offline: no audit log: pass --audit-log audit.log"))
	case a.offline && len(a.files) == 0:
		return badInput(errors.New("--offline: no policy: pass -f policy.yaml"))
	case a.offline && a.record:
		return badInput(errors.New("--offline: a record needs the cluster"))
	}
	if a.offline {
		a.namespace = *a.server.flags.Namespace
		return nil
	}
	namespace, explicit, err := a.server.namespace()
	if explicit {
		a.namespace = namespace
	}
	return err
}

func (a *auditing) run(ctx context.Context) error {
	if err := a.check(); err != nil {
		return err
	}
	if err := a.survey(ctx); err != nil {
		return err
	}
	if err := a.report.print(a.Out, a.ErrOut, a.output, a.everything); err != nil {
		return err
	}
	if a.report.Totals.Findings > 0 {
		return &exitError{code: exitRefused}
	}
	return nil
}
