package main

import (
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// newRoot builds the whole command line. now is the clock of what is printed.
func newRoot(streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	server := newServer(streams)
	root := &cobra.Command{
		Use:   "kubectl-gitlatch",
		Short: "Git is the only path to change the cluster: see, review and break the latch",
		Long: `Gitlatch makes git the only path to change a Kubernetes cluster.

This plugin shows the records of changes that were tried around git and has
them reviewed, tells which commit made an object what it is, finds what went
around the gate and who still could, breaks glass in an emergency, and replays
an audit log to tell what a policy would have denied. It acts with your own
rights.
` + exitCodes,
		Example: `  kubectl gitlatch status
  kubectl gitlatch review
  kubectl gitlatch why deployment/web -n prod
  kubectl gitlatch break-glass deployment/web -n prod --reason "INC-42: db failover" --for 30m
  kubectl gitlatch policy test -f policy.yaml --audit-log audit.log --mode Enforce`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl gitlatch"},
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	server.flags.AddFlags(root.PersistentFlags())
	root.AddCommand(
		newRecords(server, streams, now),
		newReview(server, streams, now),
		newBreakGlass(server, streams, now),
		newWhy(server, streams, now),
		newDiff(server, streams),
		newCheck(server, streams),
		newSync(server, streams, now),
		newSuspend(server, streams),
		newResume(server, streams),
		newArchive(server, streams),
		newOff(server, streams),
		newOn(server, streams),
		newUninstall(server, streams, now),
		newPolicy(streams),
		newStaticManifests(server, streams),
		newAccess(server, streams),
		newPreflight(server, streams, now),
		newAudit(server, streams, now),
		newStatus(server, streams, now),
		newWeb(server, streams, now),
		newVersion(streams),
	)
	return root
}

// newGroup is a command that only holds others.
func newGroup(use, short, example string, aliases []string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: example,
		Aliases: aliases,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	group.AddCommand(commands...)
	return group
}
