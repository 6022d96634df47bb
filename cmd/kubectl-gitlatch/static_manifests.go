package main

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"
)

// mastersGroup is who the API server asks no authorizer about, so that no RBAC holds
// them back either. They may always switch the gate off.
const mastersGroup = "system:masters"

// staticManifests writes the files by which an API server guards Gitlatch's webhook
// configurations and policies.
type staticManifests struct {
	genericiooptions.IOStreams
	server              *server
	dir, path, injector string
	groups              []string
	force               bool
	output              string
}

func newStaticManifests(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	s := &staticManifests{IOStreams: streams, server: server}
	cmd := &cobra.Command{
		Use:   "static-manifests [--dir DIR] [--off-group GROUP]...",
		Short: "Write the files by which a control plane guards the gate's own configuration",
		Long: `Write the files by which the API servers of a self-managed control plane guard
Gitlatch's webhook configurations, its admission policies and their bindings, which no
webhook is ever asked about. A ValidatingAdmissionPolicy in a file can be changed by
nobody through the API. This one leaves those objects to Gitlatch's webhook, proven by
its pod, to the CA injector where Gitlatch was registered with one, and to the groups
that may switch the gate off. It needs no webhook, and no pod alive.

It needs Kubernetes 1.37, where manifest-based admission configuration is on by default
(in 1.36 it is behind the feature gate ManifestBasedAdmissionControlConfig), and a
control plane whose files and flags are yours. Nothing is asked of a cluster, and
nothing is changed there: the README that is written says what to do with the files.

` + mastersGroup + ` may always switch the gate off, and so may the groups that are given.
Who may impersonate groups can pose as one of them.

Exit codes: 0 written; 1 a file can't be written; 2 bad flags, or files that are there
already.`,
		Example: `  kubectl gitlatch static-manifests --dir gitlatch-static --off-group oncall

  # the files will lie elsewhere on the control-plane nodes
  kubectl gitlatch static-manifests --path /srv/kubernetes/gitlatch`,
		Args: cobra.NoArgs,
		RunE: act(func(*cobra.Command, []string) error { return s.run() }),
	}
	f := cmd.Flags()
	f.StringVar(&s.dir, "dir", "gitlatch-static", "the directory to write to")
	f.StringVar(&s.path, "path", "/etc/kubernetes/gitlatch", "where the files will lie on every control-plane node")
	f.StringArrayVar(&s.groups, "off-group", nil, "a group that may switch the gate off, beside "+mastersGroup+"; may be repeated")
	f.StringVar(&s.injector, "ca-injector", "cert-manager/cert-manager-cainjector",
		"the service account that may change the CA bundle, and nothing else, where Gitlatch is registered with cert-manager; empty: none")
	f.BoolVar(&s.force, "force", false, "write over files that are there")
	f.StringVarP(&s.output, "output", "o", "table", "output: table, json or yaml")
	completeWith(cmd, "output", "table", "json", "yaml")
	return cmd
}

// staticReport is what the command tells of its work.
type staticReport struct {
	// Files are what was written, with paths as the command was given the directory.
	Files []staticFile `json:"files"`
	// Flags are what to start every API server with.
	Flags []string `json:"flags"`
	// OffGroups may switch the gate off.
	OffGroups []string `json:"offGroups"`
}

type staticFile struct {
	Path string `json:"path"`
	What string `json:"what"`
}

func (s *staticManifests) run() error {
	if err := checkOutput(s.output, "table", "json", "yaml"); err != nil {
		return err
	}
	guard, err := s.guard()
	if err != nil {
		return err
	}
	files, err := guard.files()
	if err != nil {
		return err
	}
	if err := writeFiles(s.dir, files, s.force); err != nil {
		return err
	}
	done := staticReport{Flags: guard.flags(), OffGroups: guard.groups}
	for _, f := range files {
		done.Files = append(done.Files, staticFile{Path: filepath.Join(s.dir, filepath.FromSlash(f.name)), What: f.what})
	}
	return s.print(done)
}

// guard is what the flags say, checked.
func (s *staticManifests) guard() (*staticGuard, error) {
	g := &staticGuard{path: s.path, groups: []string{mastersGroup}, install: s.server.installation()}
	if s.dir == "" {
		return nil, badInput(errors.New("--dir: name a directory"))
	}
	if !path.IsAbs(s.path) || path.Clean(s.path) != s.path || s.path == "/" {
		return nil, badInput(fmt.Errorf("--path %q: use an absolute path, such as /etc/kubernetes/gitlatch", s.path))
	}
	for _, group := range s.groups {
		if err := checkOffGroup(group); err != nil {
			return nil, badInput(fmt.Errorf("--off-group %w", err))
		}
		if group != mastersGroup {
			g.groups = append(g.groups, group)
		}
	}
	if s.injector == "" {
		return g, nil
	}
	namespace, name, ok := strings.Cut(s.injector, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return nil, badInput(fmt.Errorf("--ca-injector %q: use namespace/name", s.injector))
	}
	g.injector = accountPrefix + namespace + ":" + name
	return g, nil
}

// checkOffGroup refuses what is no group, or not one of few people.
func checkOffGroup(group string) error {
	_, namespace, accounts := strings.Cut(group, "system:serviceaccounts:")
	switch {
	case strings.TrimSpace(group) != group || group == "":
		return fmt.Errorf("%q: name a group", group)
	case strings.Contains(group, ",") && !strings.Contains(group, "="): // a directory's names have both: cn=oncall,dc=example
		return fmt.Errorf("%q: name one group, and repeat the flag for the next", group)
	case group == "system:authenticated" || group == "system:unauthenticated" || group == "system:serviceaccounts":
		return fmt.Errorf("%s: everybody is in it, and would switch the gate off", group)
	case accounts:
		return fmt.Errorf("%s: every pod of namespace %s is in it, and would switch the gate off", group, namespace)
	}
	return nil
}

func (s *staticManifests) print(done staticReport) error {
	if s.output != "table" {
		return printAs(s.Out, s.output, done)
	}
	table := printers.GetNewTabWriter(s.Out)
	for _, f := range done.Files {
		fmt.Fprintf(table, "%s\t%s\n", line(f.Path), f.What)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Out, "\nwho may switch the gate off: %s\nnext: read %s\n",
		line(strings.Join(done.OffGroups, ", ")), line(done.Files[0].Path))
	return err
}
