package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// syncNow asks the applier for syncs.
type syncNow struct {
	genericiooptions.IOStreams
	server    *server
	selection selection
	waiting   waiting
	output    string
	now       func() time.Time
}

func newSync(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	s := &syncNow{IOStreams: streams, server: server, waiting: waiting{out: streams.ErrOut}, now: now}
	cmd := &cobra.Command{
		Use:   "sync (NAME... | --all) [--wait]",
		Short: "Ask the applier to look at git now",
		Long: `Ask the applier to look at git now instead of at the end of its interval, by the
annotation ` + v1alpha1.AnnotationRequestedAt + ` on the GitSync.

With --wait the command ends when the request is answered: 0 when what git names is
applied, 1 when it is not, with the reason; what goes on meanwhile is told on standard
error.
` + syncNamespaceHelp + "\n" + exitCodes,
		Example: `  # look at git now, and wait until it is applied
  kubectl gitlatch sync prod --wait

  # every sync
  kubectl gitlatch sync --all`,
		ValidArgsFunction: completeSyncs(server, 0),
		RunE: act(func(cmd *cobra.Command, args []string) error {
			if err := s.check(args, cmd.Flags().Changed("timeout")); err != nil {
				return err
			}
			return eachSync(cmd.Context(), s.server, &s.selection, args, s.IOStreams, s.output, s.one)
		}),
	}
	f := cmd.Flags()
	s.selection.add(f)
	s.waiting.add(f)
	addObjectOutput(cmd, &s.output)
	return cmd
}

func (s *syncNow) check(names []string, hasTimeout bool) error {
	return errors.Join(s.selection.check(names), s.waiting.check(hasTimeout), checkOutput(s.output, "", "json", "yaml", "name"))
}

// one asks for one sync.
func (s *syncNow) one(ctx context.Context, client *syncClient, key types.NamespacedName) (*v1alpha1.GitSync, string, error) {
	sync, err := client.get(ctx, key)
	if err != nil {
		return nil, "", err
	}
	if sync.Spec.Suspend {
		return nil, "", fmt.Errorf("GitSync %s is suspended: resume it first (kubectl gitlatch resume %s -n %s)", key, key.Name, key.Namespace)
	}
	at := s.now().UTC().Format(time.RFC3339Nano)
	sync, err = client.patch(ctx, key, map[string]any{"metadata": map[string]any{
		"annotations": map[string]any{v1alpha1.AnnotationRequestedAt: at},
	}})
	if err != nil {
		return nil, "", err
	}
	if !s.waiting.wait {
		return sync, "asked to look at git now", nil
	}
	sync, err = s.waiting.until(ctx, client, key, func(sync *v1alpha1.GitSync) bool { return answered(sync, at) })
	if err != nil {
		return nil, "", err
	}
	return sync, readyMessage(sync), nil
}

// answered says whether a request was answered, or one that came after it.
func answered(sync *v1alpha1.GitSync, at string) bool {
	handled := sync.Status.LastHandledReconcileAt
	if handled == at {
		return true
	}
	last, err := time.Parse(time.RFC3339Nano, handled)
	asked, wrong := time.Parse(time.RFC3339Nano, at)
	return err == nil && wrong == nil && last.After(asked)
}

// eachSync does one thing to each selected sync, and goes on when one refuses.
func eachSync(ctx context.Context, server *server, selected *selection, names []string, streams genericiooptions.IOStreams, output string,
	do func(context.Context, *syncClient, types.NamespacedName) (*v1alpha1.GitSync, string, error)) error {
	client, err := server.syncs()
	if err != nil {
		return err
	}
	keys, err := selected.of(ctx, server, client, names)
	if err != nil {
		return err
	}
	var done []v1alpha1.GitSync
	var refused error
	for _, key := range keys {
		sync, text, err := do(ctx, client, key)
		if errors.Is(err, context.Canceled) {
			return err
		}
		if err != nil {
			if refused = err; len(keys) > 1 {
				report(streams.ErrOut, &exitError{code: exitRefused, err: err})
			}
			continue
		}
		done = append(done, *sync)
		if output == "" {
			fmt.Fprintf(streams.Out, "GitSync %s: %s\n", key, line(text))
		}
	}
	if err := printSyncs(streams.Out, output, done, len(keys) > 1); err != nil {
		return err
	}
	if refused != nil && len(keys) > 1 {
		return &exitError{code: exitRefused} // each was told
	}
	return refused
}

// printSyncs prints what was written, for programs.
func printSyncs(out io.Writer, format string, syncs []v1alpha1.GitSync, asList bool) error {
	if format == "" || len(syncs) == 0 && !asList {
		return nil
	}
	for i := range syncs {
		syncs[i].ManagedFields = nil
		syncs[i].SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("GitSync"))
		if format == "name" {
			if _, err := fmt.Fprintf(out, "gitsync.%s/%s\n", v1alpha1.Group, syncs[i].Name); err != nil {
				return err
			}
		}
	}
	switch {
	case format == "name":
		return nil
	case !asList:
		return printObject(out, format, &syncs[0])
	}
	list := &v1alpha1.GitSyncList{Items: syncs}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("GitSyncList"))
	return printObject(out, format, list)
}

func addObjectOutput(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "", "json, yaml or name; left out: for people")
	completeWith(cmd, "output", "json", "yaml", "name")
}
