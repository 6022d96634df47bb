package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// build is what the Go toolchain knows about this binary.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go,omitempty"`
}

func buildVersion() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{Version: "unknown"}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) build {
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	text := "kubectl-gitlatch " + b.Version
	if b.Revision != "" {
		text += " " + b.Revision
	}
	if b.Modified {
		text += " (modified)"
	}
	if b.Go != "" {
		text += " " + b.Go
	}
	return text
}

func newVersion(streams genericiooptions.IOStreams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this plugin",
		Long:  "Print the version of this plugin, as the Go toolchain stamped it. No cluster is asked.\n" + exitCodes,
		Example: `  kubectl gitlatch version
  kubectl gitlatch version -o json`,
		Args: cobra.NoArgs,
		RunE: act(func(*cobra.Command, []string) error {
			if output == "" {
				_, err := fmt.Fprintln(streams.Out, buildVersion())
				return err
			}
			return printAs(streams.Out, output, buildVersion())
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml; left out: one line")
	return cmd
}
