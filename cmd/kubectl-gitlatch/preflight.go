package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/access"
)

// preflighting says of a live cluster what would break, before Gitlatch is there.
type preflighting struct {
	genericiooptions.IOStreams
	server   *server
	now      func() time.Time
	files    []string
	platform string
	output   string
	recent   time.Duration
	progress bool

	reader    client.Client
	objects   metadata.Interface
	discovery *discovery.DiscoveryClient
	install   policy.Installation
	list      []v1alpha1.ChangePolicy // as if each enforced
	policies  []*policy.Policy
	rights    *access.Objects
	access    *access.Report
	running   *running
	report    preflightReport
}

func newPreflight(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	p := &preflighting{IOStreams: streams, server: server, now: now}
	cmd := &cobra.Command{
		Use:   "preflight [-f POLICY]... [--platform NAME]",
		Short: "See what would break in this cluster, and what can't be guarded, before the install",
		Long: `Read a live cluster, before Gitlatch is in it or before a policy enforces, and say

  what would be denied that works today: field managers of people's tools, service
  accounts that work without a pod, identities of the platform;
  what can't be guarded: aggregated APIs, namespaces that the platform exempts, kinds
  that are never asked about, and what the backstop can't judge;
  who could still pose as git's identity, or edit what the gate consists of;
  which other webhooks come after the gate, or would keep it from starting.

Policies are judged as if they enforced: those of -f, else those of the cluster, else
one that governs everything with Gitlatch's own applier as git. Everything is read
with your own rights, by pages, of most objects the metadata only; nothing is written.
-n names the namespace that Gitlatch is in, or will be; left out: gitlatch-system.

Field managers are names that clients choose, and tell of their last write alone: the
audit log knows better (kubectl gitlatch policy test).

Exit codes: 0 nothing blocks; 1 something would break; 2 bad flags, bad input, no
kubeconfig, or an error of the API server; 3 nothing that was seen blocks, and not all
could be seen: it is named, and "incomplete" is true.`,
		Example: `  kubectl gitlatch preflight

  # a policy with the component of its platform, before it is applied
  kubectl kustomize clusters/prod | kubectl gitlatch preflight -f - --platform eks

  kubectl gitlatch preflight -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.run(cmd.Context()) },
	}
	f := cmd.Flags()
	f.StringArrayVarP(&p.files, "filename", "f", nil, `file with ChangePolicies, or "-" for standard input; may be repeated. Left out: those of the cluster`)
	f.StringVar(&p.platform, "platform", "auto", "what runs the control plane: auto, none, "+strings.Join(platformNames(), ", "))
	f.DurationVar(&p.recent, "recent", 30*24*time.Hour, "how long ago a write was that counts as working today")
	f.StringVarP(&p.output, "output", "o", "table", "output: table, json or yaml")
	f.BoolVar(&p.progress, "progress", false, "tell how far it is, on standard error, also where that is no terminal")
	completeWith(cmd, "output", "table", "json", "yaml")
	completeWith(cmd, "platform", append([]string{"auto", "none"}, platformNames()...)...)
	return cmd
}

func (p *preflighting) run(ctx context.Context) error {
	if err := checkOutput(p.output, "table", "json", "yaml"); err != nil {
		return err
	}
	if known := append([]string{"auto", "none"}, platformNames()...); !slices.Contains(known, p.platform) {
		return badInput(fmt.Errorf("--platform %q: use one of %s", p.platform, strings.Join(known, ", ")))
	}
	if p.recent <= 0 {
		return badInput(fmt.Errorf("--recent %s: use a time such as 720h", p.recent))
	}
	p.install = p.server.installation()
	if err := p.connect(); err != nil {
		return failed(err)
	}
	if err := p.readPolicies(ctx); err != nil {
		return failed(err)
	}
	for _, step := range []struct {
		check preflightCheck
		do    func(context.Context) error
	}{
		{checkVersion, p.version},
		{checkPlatform, p.platforms},
		{checkAccounts, p.accounts},
		{checkManagers, p.managers},
		{checkPoses, p.poses},
		{checkWebhooks, p.webhooks},
		{checkUnguarded, p.unguarded},
		{checkBackstop, p.backstop},
	} {
		if err := p.unread(step.check, "the API server", step.do(ctx)); err != nil {
			return failed(err)
		}
	}
	p.report.finish()
	if err := p.print(); err != nil {
		return err
	}
	return p.report.verdict()
}

// unread notes what the user may not read, and goes on without it. Any other error is
// the caller's.
func (p *preflighting) unread(check preflightCheck, what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("reading %s: %w", what, err)
	if !apierrors.IsForbidden(err) {
		return err
	}
	p.report.Incomplete = true
	f := preflightFinding{Severity: severityWarns, Check: check, Subject: what,
		Message: "this could not be looked at: " + err.Error(), Next: "run it again with the right to read it"}
	if !slices.ContainsFunc(p.report.Findings, func(o preflightFinding) bool {
		return o.Check == f.Check && o.Subject == f.Subject && o.Message == f.Message
	}) {
		p.report.add(f)
	}
	return nil
}

func (p *preflighting) connect() error {
	config, err := p.server.config()
	if err != nil {
		return err
	}
	if p.reader, err = p.server.reader(); err != nil {
		return err
	}
	config = rest.CopyConfig(config)
	config.QPS = -1                           // the API server has fair queues
	config.WarningHandler = rest.NoWarnings{} // every kind is read, those that are deprecated too
	if p.objects, err = metadata.NewForConfig(config); err != nil {
		return badInput(fmt.Errorf("preparing a client: %w", err))
	}
	if p.discovery, err = discovery.NewDiscoveryClientForConfig(config); err != nil {
		return badInput(fmt.Errorf("preparing a client: %w", err))
	}
	return nil
}

// decide asks the judge about a write that is seen nowhere else.
func (p *preflighting) decide(r *policy.Request) policy.Decision {
	return policy.Decide(r, p.policies, &policy.Facts{
		Now: p.now(), Install: p.install, WindowsLive: true, BreakGlass: policy.Unauthorized, NamespaceLabels: p.labelsOf(r.Namespace),
	})
}

// labelsOf a namespace; one that is not known is judged as governed.
func (p *preflighting) labelsOf(namespace string) map[string]string {
	if p.rights == nil {
		return nil
	}
	for _, ns := range p.rights.Namespaces {
		if ns.Name == namespace {
			if ns.Labels == nil {
				return map[string]string{}
			}
			return ns.Labels
		}
	}
	return nil
}
