package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
)

func newPolicy(streams genericiooptions.IOStreams) *cobra.Command {
	return newGroup("policy", "Try policies before they are enforced",
		`  kubectl gitlatch policy test -f policy.yaml --audit-log audit.log`, nil, newPolicyTest(streams))
}

// policyTest replays an audit log through policies.
type policyTest struct {
	genericiooptions.IOStreams
	files   []string
	log     string
	mode    string
	output  string
	install policy.Installation
}

func newPolicyTest(streams genericiooptions.IOStreams) *cobra.Command {
	t := &policyTest{IOStreams: streams, install: policy.Installation{
		Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter",
	}}
	cmd := &cobra.Command{
		Use:   "test -f POLICY --audit-log LOG",
		Short: "Replay an audit log: what would these policies have denied?",
		Long: `Replay an API server's audit log through policies and print what they would
have denied or flagged, by requester and kind. No cluster is asked: the judge
is the one that the gate asks, and it runs here.

The log is JSON lines of audit.k8s.io/v1; "-" is standard input. Log writes at
level RequestResponse, with managedFields, for exact answers: what the log does
not show is not guessed, and such denials are counted apart, as unsure.
Break-glass windows are not replayed.

Exit codes: 0 nothing would be denied; 1 something would be, or it could not be
told; 2 bad flags or bad input.`,
		Example: `  # what Enforce would break, from a policy that is in Audit now
  kubectl gitlatch policy test -f policy.yaml --audit-log audit.log --mode Enforce

  # by namespace, from a compressed log
  zcat audit.log.gz | kubectl gitlatch policy test -f policy.yaml --audit-log - -o wide`,
		Args: cobra.NoArgs,
		RunE: act(func(cmd *cobra.Command, _ []string) error { return t.run(cmd.Context()) }),
	}
	f := cmd.Flags()
	f.StringArrayVarP(&t.files, "filename", "f", nil, `file of ChangePolicy documents, "-" for standard input; may be repeated`)
	f.StringVar(&t.log, "audit-log", "", `the audit log, "-" for standard input`)
	f.StringVar(&t.mode, "mode", "", "judge as if every policy had this mode: Enforce, Warn or Audit; left out: each its own")
	f.StringVarP(&t.output, "output", "o", "table", "table, wide, json or yaml")
	f.StringVar(&t.install.Namespace, "gitlatch-namespace", "gitlatch-system", "the namespace that Gitlatch runs in, or will")
	completeWith(cmd, "mode", string(v1alpha1.ModeEnforce), string(v1alpha1.ModeWarn), string(v1alpha1.ModeAudit))
	completeWith(cmd, "output", "table", "wide", "json", "yaml")
	return cmd
}

func (t *policyTest) run(ctx context.Context) error {
	if err := t.check(); err != nil {
		return err
	}
	policies, err := readPolicies(t.files, t.In)
	if err != nil {
		return badInput(err)
	}
	court, err := newCourt(policies, v1alpha1.Mode(t.mode))
	if err != nil {
		return badInput(err)
	}
	source, closeSource, err := t.open()
	if err != nil {
		return badInput(err)
	}
	defer closeSource()
	replay := &replay{
		court:      court,
		reader:     audit.NewReader(source),
		translator: audit.NewTranslator(t.install, 0),
		tally:      newTally(court.names()),
		progress:   newProgress(t.ErrOut),
		errOut:     t.ErrOut,
	}
	// A read from a terminal or a pipe can't be interrupted; the process ends under it.
	done := make(chan error, 1)
	go func() { done <- replay.run(ctx) }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err = <-done:
	}
	if err != nil {
		return badInput(err)
	}
	result := replay.tally.result()
	if err := result.print(t.Out, t.output); err != nil {
		return err
	}
	if result.Totals.Denied+result.Totals.UnsureDenied > 0 {
		return &exitError{code: exitRefused}
	}
	return nil
}

func (t *policyTest) check() error {
	if len(t.files) == 0 {
		return badInput(errors.New("no policy: pass -f policy.yaml"))
	}
	if t.log == "" {
		return badInput(errors.New(`no audit log: pass --audit-log audit.log, or "-" for standard input`))
	}
	inputs := 0
	for _, name := range append([]string{t.log}, t.files...) {
		if name == "-" {
			inputs++
		}
	}
	if inputs > 1 {
		return badInput(errors.New("standard input can be read once: name a file for the policy or the log"))
	}
	switch v1alpha1.Mode(t.mode) {
	case "", v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit:
	default:
		return badInput(fmt.Errorf("unknown mode %q: use one of Enforce, Warn, Audit", t.mode))
	}
	return checkOutput(t.output, "table", "wide", "json", "yaml")
}

func (t *policyTest) open() (io.Reader, func(), error) {
	if t.log == "-" {
		return t.In, func() {}, nil
	}
	file, err := os.Open(t.log)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return file, func() { _ = file.Close() }, nil // read only: nothing to lose
}
