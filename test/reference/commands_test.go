package main

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// The commands are read as the cobra that the plugin is built with prints them: all but help and what is hidden.
func TestEachCommandBelowIsFound(t *testing.T) {
	does := func(use string) *cobra.Command {
		return &cobra.Command{Use: use, Short: "Do " + use, Run: func(*cobra.Command, []string) {}}
	}
	hidden, group := does("secret"), does("group NAME")
	hidden.Hidden = true
	group.Example = "  help me"
	group.AddCommand(does("one"), does("a-long-name-of-a-command"))
	root := does("root")
	root.AddCommand(does("two"), hidden, group)
	for _, c := range []struct {
		args, want []string
	}{
		{[]string{"--help"}, []string{"completion", "group", "two"}},
		{[]string{"group", "--help"}, []string{"a-long-name-of-a-command", "one"}},
		{[]string{"two", "--help"}, nil},
	} {
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetArgs(c.args)
		if err := root.Execute(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, below(out.String())); diff != "" {
			t.Errorf("%v (-want +got):\n%s\nof:\n%s", c.args, diff, out.String())
		}
	}
}
