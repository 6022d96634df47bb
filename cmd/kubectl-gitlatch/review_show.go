package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

func newReviewShow(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one record to its reviewer: the change, the emergency, what was said, and how it ended",
		Long: `Show one record: who did what, when and why, what differs (redacted), how its
window and its target ended, and what was said of it. Of a break-glass window
it lists what was done in it, each a record of its own.
` + exitCodes,
		Example: `  kubectl gitlatch review show cr-7f3k9q2m
  kubectl gitlatch review show cr-7f3k9q2m -o yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: waitingNames(server, false),
		RunE: act(func(cmd *cobra.Command, args []string) error {
			if err := checkOutput(output, "", "json", "yaml", "name"); err != nil {
				return err
			}
			reader, err := server.records()
			if err != nil {
				return err
			}
			found, err := reader.get(cmd.Context(), recordName(args[0]))
			if err != nil {
				return explainReview(err, recordName(args[0]))
			}
			switch tidy(found); output {
			case "":
				return showReview(cmd.Context(), streams.Out, reader, found, now())
			case "name":
				_, err := fmt.Fprintf(streams.Out, "changerecord.%s/%s\n", v1alpha1.Group, found.Name)
				return err
			}
			return printObject(streams.Out, output, found)
		}),
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json, yaml or name; left out: for people")
	completeWith(cmd, "output", "json", "yaml", "name")
	return cmd
}

// showReview prints a record, what was done in its window, and what to do next.
func showReview(ctx context.Context, out io.Writer, reader *recordReader, found *v1alpha1.ChangeRecord, now time.Time) error {
	if err := printRecord(out, found, now); err != nil {
		return err
	}
	inside, err := reader.inside(ctx, found)
	if err != nil {
		return err
	}
	if len(inside) > 0 {
		fmt.Fprintln(out, "Done in it:")
	}
	for i := range inside {
		one := &inside[i]
		fmt.Fprintf(out, "  %s  %s %s  %s  %s\n", stamp(record.Seen(one)), verb(&one.Spec.Request), line(target(one)), orNone(verdict(one)), one.Name)
	}
	if record.Waits(found) {
		fmt.Fprintf(out, "Next:\n  kubectl gitlatch review approve %[1]s\n  kubectl gitlatch review reject %[1]s --comment \"<why>\"\n", found.Name)
	}
	return nil
}

// inside reads the records of what was done in the window that a record opened, oldest
// first.
func (r *recordReader) inside(ctx context.Context, opener *v1alpha1.ChangeRecord) ([]v1alpha1.ChangeRecord, error) {
	if window := opener.Spec.BreakGlass; window == nil || window.Window != "" {
		return nil, nil
	}
	f := filter{user: opener.Spec.Requester.Username}
	var out []v1alpha1.ChangeRecord
	seen := map[string]bool{}
	err := r.each(ctx, pageOptions(f.selector()), func(found *v1alpha1.ChangeRecord) error {
		if window := found.Spec.BreakGlass; window != nil && window.Window == opener.Name && !seen[found.Name] {
			seen[found.Name] = true
			out = append(out, *tidy(found))
		}
		return nil
	})
	oldestFirst(out)
	return out, err
}
