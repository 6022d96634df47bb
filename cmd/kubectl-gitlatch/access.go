package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/access"
)

// accessing tells who can still go around git.
type accessing struct {
	genericiooptions.IOStreams
	server              *server
	output, subject     string
	everything, ungated bool
}

func newAccess(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	a := &accessing{IOStreams: streams, server: server}
	cmd := &cobra.Command{
		Use:   "access [--subject SUBJECT] [--open] [--all]",
		Short: "See who can still go around git, and through which binding",
		Long: `See which subjects RBAC lets go around git, through which binding, and what to bind
instead. The acts, the gravest first:

  Gate         edit webhook configurations or admission policies: no webhook is asked
  Impersonate  act as another user, group or account, with uid and extra
  Token        take a token of a sync identity, of Gitlatch's or of the control plane
  Pod          get into a pod of such an account, or make one in its name
  BreakGlass   hold the verb breakglass, in a group that a policy lists
  Grant        escalate, or bind roles that one does not hold
  Policy       edit policies, syncs or records
  Write        write what the policies govern

GATE says what the gate does about it while it is shut: "held" is denied, "open" is
not. The control plane's own, Gitlatch's and the sync identities hold what they need;
--all shows them. With -n only rights that reach that namespace are shown.

It asks RBAC, with your right to list roles and bindings. What RBAC can't tell is said
below the table.

Exit codes: 0 nobody; 1 somebody is listed whom nobody expects; 2 bad flags, no
kubeconfig, a right that is missing, or an error of the API server.`,
		Example: `  kubectl gitlatch access

  # what the gate does not hold back, with what to bind instead
  kubectl gitlatch access --open -o wide

  kubectl gitlatch access --subject group:devs -n prod`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringVarP(&a.output, "output", "o", "table", "output: table, wide, json or yaml")
	f.StringVar(&a.subject, "subject", "", "whose rights: user:NAME, group:NAME or sa:NAMESPACE/NAME, with those of the groups that it is surely in; left out: everybody's")
	f.BoolVar(&a.ungated, "open", false, "leave out what the gate holds back")
	f.BoolVar(&a.everything, "all", false, "show the control plane's own, Gitlatch's and the sync identities too")
	completeWith(cmd, "output", "table", "wide", "json", "yaml")
	return cmd
}

func (a *accessing) run(ctx context.Context) error {
	if err := checkOutput(a.output, "table", "wide", "json", "yaml"); err != nil {
		return err
	}
	selected := access.Selection{Namespace: *a.server.flags.Namespace, Open: a.ungated, All: a.everything}
	if a.subject != "" {
		s, err := access.ParseSubject(a.subject)
		if err != nil {
			return badInput(fmt.Errorf("--subject: %w", err))
		}
		selected.Subject = &s
	}
	report, err := a.server.access(ctx)
	if err != nil {
		return failed(err)
	}
	report.Findings = report.Select(selected)
	if err := a.print(report); err != nil {
		return err
	}
	if len(report.Unexpected()) > 0 {
		return &exitError{code: exitRefused}
	}
	return nil
}

// failed is an error of a command whose exit code 1 is an answer.
func failed(err error) error {
	if coded := (*exitError)(nil); errors.As(err, &coded) || errors.Is(err, context.Canceled) {
		return err
	}
	return &exitError{code: exitUsage, err: err}
}

// access reads and judges.
func (s *server) access(ctx context.Context) (*access.Report, error) {
	reader, err := s.reader()
	if err != nil {
		return nil, err
	}
	served, err := s.flags.ToDiscoveryClient()
	if err != nil {
		return nil, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	objects, err := access.Read(ctx, reader, served, installation())
	if err != nil {
		return nil, err
	}
	return access.Find(objects), nil
}

// installation names what manifests/default installs.
func installation() policy.Installation {
	return policy.Installation{
		Namespace: syncNamespace, Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter",
	}
}

// installation is Gitlatch in the namespace that -n names.
func (s *server) installation() policy.Installation {
	out := installation()
	if *s.flags.Namespace != "" {
		out.Namespace = *s.flags.Namespace
	}
	return out
}

// reader reads objects of any kind, with the user's own rights.
func (s *server) reader() (client.Client, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("preparing a client: %w", err)
		}
	}
	logf.SetLogger(logr.Discard()) // or controller-runtime complains that it has none
	config = rest.CopyConfig(config)
	config.QPS = -1 // the API server has fair queues
	reader, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, badInput(fmt.Errorf("preparing a client: %w", err))
	}
	return reader, nil
}

func (a *accessing) print(r *access.Report) error {
	if a.output == "json" || a.output == "yaml" {
		if r.Findings == nil {
			r.Findings = []access.Finding{}
		}
		return printAs(a.Out, a.output, r)
	}
	if err := accessTable(a.Out, r, a.output == "wide", a.everything); err != nil {
		return err
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(a.ErrOut, "nobody")
	}
	for _, note := range r.Notes {
		fmt.Fprintln(a.ErrOut, "note: "+line(note))
	}
	return nil
}

// accessTable prints findings in columns, and below them, once each, what to bind
// instead.
func accessTable(out io.Writer, r *access.Report, wide, expected bool) error {
	if len(r.Findings) == 0 {
		return nil
	}
	header := []string{"SUBJECT", "ACT", "GATE", "SCOPE", "THROUGH"}
	if expected {
		header = append(header, "EXPECTED")
	}
	if wide {
		header = append(header, "RIGHTS")
	}
	table := printers.GetNewTabWriter(out)
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for i := range r.Findings {
		f := &r.Findings[i]
		cells := []string{line(f.Subject.String()), string(f.Act), gateWordOf(f.Held), scopeOf(f.Namespace), line(f.Through.String())}
		if expected {
			cells = append(cells, orNone(f.Expected))
		}
		if wide {
			_, rights, _ := strings.Cut(f.Message, ": ")
			cells = append(cells, line(rights))
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return instead(out, r.Findings)
}

func gateWordOf(held bool) string {
	if held {
		return "held"
	}
	return "open"
}

func scopeOf(namespace string) string {
	if namespace == "" {
		return "cluster"
	}
	return line(namespace)
}

// instead prints the narrower roles, one line an act.
func instead(out io.Writer, findings []access.Finding) error {
	type advice struct {
		act  access.Act
		text string
	}
	var all []advice
	for _, f := range findings {
		if one := (advice{f.Act, f.Instead}); f.Expected == "" && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b advice) int {
		return slices.Index(access.Acts(), a.act) - slices.Index(access.Acts(), b.act)
	})
	table := printers.GetNewTabWriter(out)
	fmt.Fprintln(table, "\nINSTEAD")
	for _, one := range all {
		fmt.Fprintf(table, "  %s\t%s\n", one.act, line(one.text))
	}
	return table.Flush()
}
