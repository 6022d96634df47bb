package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// suspension stops syncs, or lets them go on.
type suspension struct {
	genericiooptions.IOStreams
	server    *server
	suspend   bool
	selection selection
	waiting   waiting // for resume
	output    string
}

func newSuspend(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	s := &suspension{IOStreams: streams, server: server, suspend: true}
	cmd := &cobra.Command{
		Use:   "suspend (NAME... | --all)",
		Short: "Stop a sync: no fetch, no apply, no correction of drift",
		Long: `Stop a sync by its spec.suspend: nothing is fetched, applied or pruned, and drift is
not corrected, until it is resumed. What was applied stays as it is, and the gate goes
on guarding it. One that is suspended already is left so.

Who suspended what is in the records, where the policy flags it.
` + syncNamespaceHelp + "\n" + exitCodes,
		Example: `  kubectl gitlatch suspend prod

  # everything stands still
  kubectl gitlatch suspend --all-namespaces`,
		ValidArgsFunction: completeSyncs(server, 0),
		RunE:              s.command(),
	}
	s.selection.add(cmd.Flags())
	addObjectOutput(cmd, &s.output)
	return cmd
}

func newResume(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	s := &suspension{IOStreams: streams, server: server, waiting: waiting{out: streams.ErrOut}}
	cmd := &cobra.Command{
		Use:   "resume (NAME... | --all) [--wait]",
		Short: "Let a suspended sync go on",
		Long: `Let a suspended sync go on: it catches up with git once, and keeps what git declares
from then on. One that is not suspended is left so.

With --wait the command ends when it has caught up: 0 when what git names is applied,
1 when it is not, with the reason.
` + syncNamespaceHelp + "\n" + exitCodes,
		Example: `  kubectl gitlatch resume prod --wait

  # everything goes on
  kubectl gitlatch resume --all-namespaces`,
		ValidArgsFunction: completeSyncs(server, 0),
		RunE:              s.command(),
	}
	f := cmd.Flags()
	s.selection.add(f)
	s.waiting.add(f)
	addObjectOutput(cmd, &s.output)
	return cmd
}

func (s *suspension) command() func(*cobra.Command, []string) error {
	return act(func(cmd *cobra.Command, args []string) error {
		err := errors.Join(s.selection.check(args), checkOutput(s.output, "", "json", "yaml", "name"))
		if !s.suspend {
			err = errors.Join(err, s.waiting.check(cmd.Flags().Changed("timeout")))
		}
		if err != nil {
			return err
		}
		return eachSync(cmd.Context(), s.server, &s.selection, args, s.IOStreams, s.output, s.one)
	})
}

// one suspends or resumes one sync.
func (s *suspension) one(ctx context.Context, client *syncClient, key types.NamespacedName) (*v1alpha1.GitSync, string, error) {
	sync, err := client.get(ctx, key)
	if err != nil {
		return nil, "", err
	}
	text := map[bool]string{true: "is suspended", false: "is resumed"}[s.suspend]
	if sync.Spec.Suspend == s.suspend {
		text = map[bool]string{true: "was suspended already", false: "was not suspended"}[s.suspend]
	} else if sync, err = client.patch(ctx, key, map[string]any{"spec": map[string]any{"suspend": s.suspend}}); err != nil {
		return nil, "", err
	}
	if !s.waiting.wait {
		return sync, text, nil
	}
	generation := sync.Generation
	sync, err = s.waiting.until(ctx, client, key, func(sync *v1alpha1.GitSync) bool {
		return sync.Status.ObservedGeneration >= generation
	})
	if err != nil {
		return nil, "", err
	}
	return sync, text + "; " + readyMessage(sync), nil
}
