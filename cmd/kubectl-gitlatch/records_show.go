package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func newRecordsShow(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one record whole: who, what, when, why, and what differs",
		Long: `Show one record: who tried what, when, what was answered and why, what differs
(redacted), and what became of it.
` + exitCodes,
		Example: `  kubectl gitlatch records show cr-7f3k9q2m
  kubectl gitlatch records show cr-7f3k9q2m -o yaml`,
		Args: cobra.ExactArgs(1),
		RunE: act(func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, "", "json", "yaml", "name"); err != nil {
				return err
			}
			reader, err := server.records()
			if err != nil {
				return err
			}
			record, err := reader.get(cmd.Context(), args[0])
			if apierrors.IsNotFound(err) {
				return fmt.Errorf("no record %q: kubectl gitlatch records list names those that there are", args[0])
			}
			if err != nil {
				return err
			}
			record.ManagedFields = nil
			record.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecord"))
			switch output {
			case "":
				return printRecord(streams.Out, record, now())
			case "name":
				_, err := fmt.Fprintf(streams.Out, "changerecord.%s/%s\n", v1alpha1.Group, record.Name)
				return err
			}
			return printObject(streams.Out, output, record)
		}),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return recordNames(cmd, server), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json, yaml or name; left out: for people")
	completeWith(cmd, "output", "json", "yaml", "name")
	return cmd
}
