package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

// diff shows git against live.
type diff struct {
	genericiooptions.IOStreams
	server     *server
	render     renderFlags
	path       string
	root       string
	repo       string
	revision   string
	serverSide bool
	output     string
}

const diffExitCodes = `
Exit codes: 0 nothing differs; 1 something does; 2 it could not be told: bad flags or
bad input, no kubeconfig, or an error of the API server.`

func newDiff(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	d := &diff{IOStreams: streams, server: server}
	cmd := &cobra.Command{
		Use:   "diff (SYNC | -f PATH)",
		Short: "Show what in the cluster is not as git declares it",
		Long: `Show what in the cluster is not as git declares it: what git would create, change and
delete. Nothing is written. Values of Secrets, and of what else is encrypted in git,
are never shown: they stand as ***, or, where they differ, as *** (before) and
*** (after).

With SYNC, the folder of a GitSync is compared at the commit that its ref names in a
clone of the repository: --repo, or the working directory. Nothing is fetched: pull
first, since a branch is the clone's own, and origin's where there is no such. With -f, a folder of a working copy is compared as it is on disk, committed or
not, and nothing is deleted.

The comparison needs the right to read the objects, and no other: under a policy that
enforces, the gate refuses dry runs like any other write. So it does not know what the
API server would default. --server-side asks by a dry run, where that is allowed.

What is encrypted is compared only with a key.
` + syncNamespaceHelp + "\n" + diffExitCodes,
		Example: `  # in a clone: what will change when the applier takes up the branch
  kubectl gitlatch diff prod

  # against the commit that a branch names
  kubectl gitlatch diff prod --repo ~/ops --revision feature

  # what is on disk, before it is committed
  kubectl gitlatch diff -f clusters/prod`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeSyncs(server, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := d.check(args); err != nil {
				return err
			}
			return d.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&d.path, "filename", "f", "", "a folder of a working copy, instead of a sync")
	f.StringVar(&d.root, "root", "", "with -f: the root of the working copy; left out: the folder above that holds .git")
	f.StringVar(&d.repo, "repo", "", "with SYNC: a clone of its repository; left out: the working directory")
	f.StringVar(&d.revision, "revision", "", "with SYNC: a branch, a tag, a commit's full hash or HEAD; left out: what the sync's ref names in the clone, else the commit that it applied last")
	f.BoolVar(&d.serverSide, "server-side", false, "ask the API server by a dry run what it would make of each object")
	d.render.add(f)
	f.StringVarP(&d.output, "output", "o", "diff", "diff, json or yaml")
	completeWith(cmd, "output", "diff", "json", "yaml")
	return cmd
}

func (d *diff) check(args []string) error {
	switch {
	case len(args) == 1 && d.path != "", len(args) == 0 && d.path == "":
		return errors.New("name a sync, or pass -f with a folder of a working copy")
	case d.path != "" && (d.repo != "" || d.revision != ""):
		return errors.New("--repo and --revision are for a sync: -f compares what is on disk")
	case d.path == "" && d.root != "":
		return errors.New("--root is for -f")
	case d.path == "" && (d.render.releaseName != "" || len(d.render.helmValues) > 0):
		return errors.New("--release-name and --helm-values are for -f: a sync says itself how its chart is rendered")
	}
	return checkOutput(d.output, "diff", "json", "yaml")
}

func (d *diff) run(ctx context.Context, args []string) error {
	keys, closed, err := d.render.keys()
	if err != nil {
		return err
	}
	config, err := d.server.config()
	if err != nil {
		return err
	}
	if d.render.kubeVersion == "" {
		if d.render.kubeVersion, err = versionOf(config); err != nil {
			return err
		}
	}
	cluster, err := live.New(config)
	if err != nil {
		return err
	}
	c := &differ{cluster: cluster, dryRun: d.serverSide, closed: closed, notes: d.note}
	found, err := d.compare(ctx, c, args, keys, closed)
	if err != nil {
		return err
	}
	if err := d.print(found); err != nil {
		return err
	}
	if len(found) > 0 {
		return &exitError{code: exitRefused}
	}
	return nil
}

func (d *diff) note(format string, args ...any) {
	fmt.Fprintf(d.ErrOut, "note: "+format+"\n", args...)
}

func (d *diff) compare(ctx context.Context, c *differ, args []string, keys desired.Keys, closed bool) ([]difference, error) {
	if d.path != "" {
		found, _, err := d.working(ctx, c, keys, closed)
		return found, err
	}
	client, err := d.server.syncs()
	if err != nil {
		return nil, err
	}
	sync, err := client.get(ctx, types.NamespacedName{Namespace: d.server.syncsIn(), Name: args[0]})
	if err != nil {
		return nil, err
	}
	tree, err := d.commit(sync)
	if err != nil {
		return nil, err
	}
	found, declared, err := d.folder(ctx, c, tree, d.render.ofSync(sync, keys, closed))
	if err != nil {
		return nil, err
	}
	gone, err := c.pruned(ctx, sync, declared)
	return append(found, gone...), err
}

// print writes what differs.
func (d *diff) print(found []difference) error {
	if d.output == "diff" {
		return printDifferences(d.Out, found)
	}
	if found == nil {
		found = []difference{} // an empty list, not null
	}
	return printAs(d.Out, d.output, found)
}

// versionOf is the cluster's, for charts.
func versionOf(config *rest.Config) (string, error) {
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", fmt.Errorf("preparing a client: %w", err)
	}
	version, err := client.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("asking the API server for its version: %w", err)
	}
	return version.GitVersion, nil
}
