package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func newReviewComment(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	var comment string
	cmd := &cobra.Command{
		Use:   "comment NAME... --comment TEXT",
		Short: "Say something about a record, your own included",
		Long: `Add a comment to records, under your own name: the gate writes it from your
request. A comment is no verdict, so that whoever made the change may explain
it. What was said stays as it was.
` + exitCodes,
		Example:           `  kubectl gitlatch review comment cr-7f3k9q2m --comment "the commit is on its way: ops#1234"`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: waitingNames(server, true),
		RunE: act(func(cmd *cobra.Command, args []string) error {
			comment = strings.TrimSpace(comment)
			if comment == "" {
				return badInput(errors.New(`nothing to say: pass --comment "<text>"`))
			}
			if err := checkLength(comment, maxComment); err != nil {
				return err
			}
			reader, err := server.records()
			if err != nil {
				return err
			}
			return eachNamed(streams, args, func(name string) error {
				after, err := reader.change(cmd.Context(), name, func(found *v1alpha1.ChangeRecord) (*change, error) {
					return commentOn(found, comment), nil
				})
				if err != nil {
					return err
				}
				said := comments(after)
				if said == 0 || after.Status.Review.Comments[said-1].Author == "" {
					return unsigned(name)
				}
				fmt.Fprintf(streams.Out, "%s commented on by %s\n", name, line(after.Status.Review.Comments[said-1].Author))
				return nil
			})
		}),
	}
	cmd.Flags().StringVar(&comment, "comment", "", "what there is to say, at most 1024 characters")
	return cmd
}
