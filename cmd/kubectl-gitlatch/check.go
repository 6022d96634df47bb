package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// check judges folders before they are committed.
type check struct {
	genericiooptions.IOStreams
	server     *server
	render     renderFlags
	root       string
	crds       []string
	syncFile   string
	sync       string
	strict     bool
	serverSide bool
	output     string
}

func newCheck(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	c := &check{IOStreams: streams, server: server}
	cmd := &cobra.Command{
		Use:   "check (PATH... | -f SYNCS)",
		Short: "Check folders of a working copy before they are committed",
		Long: `Check folders of a working copy as the applier would read them, and say everything
that is wrong at once. No cluster is needed. What is on disk is checked, committed or
not. PATH is a folder; with -f the folders are those that the GitSyncs of a file name.

Found are: documents that can't be read or rendered; values of Secrets that are not
encrypted; objects declared twice, or by two of the folders; fields, types and versions
that Kubernetes does not know; custom resources that do not fit their
CustomResourceDefinition, if that is in one of the folders or in --crds. A kind that is
in neither is a warning, with --strict an error. Encrypted files are checked as far as
their structure goes; with a key, whole.

With --server-side, or when --kubeconfig, --context or --server is passed, the API
server is asked as well, by a dry run of each object, and what differs from the cluster
is shown. KUBECONFIG alone asks nobody: a check says the same wherever it runs. Under
a policy that enforces, the gate refuses dry runs by anybody but git; then the objects
are compared by reading.

Exit codes: 0 nothing is wrong, and nothing differs (warnings aside); 1 something is
wrong, or differs; 2 it could not be told: bad flags or bad input, no kubeconfig, or
an error of the API server.`,
		Example: `  # in a pipeline
  kubectl gitlatch check clusters/prod clusters/staging --strict

  # what the syncs of a file name, as they render it
  kubectl gitlatch check -f clusters/syncs.yaml -o json

  # and ask the cluster
  kubectl gitlatch check clusters/prod --server-side`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f := cmd.Flags()
			if !f.Changed("server-side") {
				c.serverSide = slices.ContainsFunc([]string{"kubeconfig", "context", "server"}, f.Changed)
			}
			if err := c.check(args); err != nil {
				return err
			}
			return c.run(cmd.Context(), args)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&c.syncFile, "filename", "f", "", `file of GitSyncs whose folders are checked, "-" for standard input`)
	f.StringVar(&c.sync, "sync", "", "with -f: only the GitSync of this name")
	f.StringVar(&c.root, "root", "", "the root of the working copy; left out: the folder above that holds .git")
	f.StringArrayVar(&c.crds, "crds", nil, "folder with CustomResourceDefinitions that are applied in another way; may be repeated")
	f.BoolVar(&c.strict, "strict", false, "a kind that can't be checked is an error")
	f.BoolVar(&c.serverSide, "server-side", false, "ask the API server too, by a dry run, and show what differs")
	c.render.add(f)
	f.StringVarP(&c.output, "output", "o", "", "json or yaml: a list of what was found; left out: for people")
	completeWith(cmd, "output", "json", "yaml")
	return cmd
}

func (c *check) check(paths []string) error {
	switch {
	case len(paths) == 0 && c.syncFile == "":
		return errors.New("name a folder, or pass -f with a file of GitSyncs")
	case c.sync != "" && c.syncFile == "":
		return errors.New("--sync is for -f")
	}
	return checkOutput(c.output, "", "json", "yaml")
}

func (c *check) run(ctx context.Context, paths []string) error {
	top, folders, err := c.folders(paths)
	if err != nil {
		return err
	}
	tree, err := openWorkTree(top)
	if err != nil {
		return err
	}
	defer tree.close()
	i, err := c.inspect(ctx, tree, folders)
	if err != nil {
		return err
	}
	if c.serverSide {
		if err := c.ask(ctx, i); err != nil {
			return err
		}
	}
	if err := c.print(i); err != nil {
		return err
	}
	if i.wrong() {
		return &exitError{code: exitRefused}
	}
	return nil
}

// folders are those of the arguments and of the syncs in the file, below one root.
func (c *check) folders(paths []string) (top string, all []folder, err error) {
	keys, closed, err := c.render.keys()
	if err != nil {
		return "", nil, err
	}
	namespace := c.server.syncsIn()
	for _, path := range paths {
		root, below, err := workingCopy(path, c.root)
		if err != nil {
			return "", nil, err
		}
		if top != "" && top != root {
			return "", nil, fmt.Errorf("%s is in the working copy %s, not in %s: check one at a time", path, root, top)
		}
		top = root
		all = append(all, c.render.ofPath(below, namespace, keys, closed))
	}
	if c.syncFile == "" {
		return top, all, nil
	}
	if top == "" {
		if top, _, err = workingCopy(".", c.root); err != nil {
			return "", nil, err
		}
	}
	syncs, err := c.syncs()
	for i := range syncs {
		all = append(all, c.render.ofSync(&syncs[i], keys, closed))
	}
	return top, all, err
}

func (c *check) syncs() ([]v1alpha1.GitSync, error) {
	syncs, err := readSyncFile(c.syncFile, c.In)
	if err != nil || c.sync == "" {
		return syncs, err
	}
	syncs = slices.DeleteFunc(syncs, func(s v1alpha1.GitSync) bool { return s.Name != c.sync })
	if len(syncs) == 0 {
		return nil, fmt.Errorf("%s holds no GitSync %q", c.syncFile, c.sync)
	}
	return syncs, nil
}
