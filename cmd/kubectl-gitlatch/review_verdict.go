package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// The longest texts, in characters, as the schema has them.
const (
	maxVerdictComment = 4096
	maxComment        = 1024
)

// reviewVerdict gives a verdict on some records.
type reviewVerdict struct {
	genericiooptions.IOStreams
	verdict  v1alpha1.ReviewVerdict
	comment  string
	overrule bool
}

func newReviewApprove(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	v := &reviewVerdict{IOStreams: streams, verdict: v1alpha1.ReviewApproved}
	cmd := &cobra.Command{
		Use:   "approve NAME...",
		Short: "Approve what somebody else did",
		Long: `Approve records, under your own name: the gate writes it from your request.
Nobody approves their own change. What no git declares is accepted as it is,
and the record closes; what git declares closes once git and the cluster agree.
` + exitCodes,
		Example: `  kubectl gitlatch review approve cr-7f3k9q2m
  kubectl gitlatch review approve cr-7f3k9q2m cr-8w2n4x5p --comment "the failover of INC-42"`,
	}
	v.addTo(cmd, server)
	cmd.Flags().StringVar(&v.comment, "comment", "", "what there is to say, at most 4096 characters")
	return cmd
}

func newReviewReject(server *server, streams genericiooptions.IOStreams) *cobra.Command {
	v := &reviewVerdict{IOStreams: streams, verdict: v1alpha1.ReviewRejected}
	cmd := &cobra.Command{
		Use:   "reject NAME... --comment WHY",
		Short: "Reject what somebody else did, and say why",
		Long: `Reject records, under your own name: the gate writes it from your request.
Nothing is undone by it. The record stays open until git and the cluster agree,
or until somebody has undone the change and approves the record.
` + exitCodes,
		Example: `  kubectl gitlatch review reject cr-7f3k9q2m --comment "no ticket; please undo it"`,
	}
	v.addTo(cmd, server)
	cmd.Flags().StringVar(&v.comment, "comment", "", "why, and what should be done; at most 4096 characters")
	return cmd
}

func (v *reviewVerdict) addTo(cmd *cobra.Command, server *server) {
	cmd.Args = cobra.MinimumNArgs(1)
	cmd.ValidArgsFunction = waitingNames(server, true)
	cmd.RunE = act(func(cmd *cobra.Command, args []string) error {
		if err := v.check(); err != nil {
			return err
		}
		reader, err := server.records()
		if err != nil {
			return err
		}
		return eachNamed(v.IOStreams, args, func(name string) error { return v.one(cmd.Context(), reader, name) })
	})
	cmd.Flags().BoolVar(&v.overrule, "overrule", false, "give a verdict also where there is one; the former is kept as a comment")
}

func (v *reviewVerdict) check() error {
	v.comment = strings.TrimSpace(v.comment)
	if v.verdict == v1alpha1.ReviewRejected && v.comment == "" {
		return badInput(errors.New(`a rejection needs a reason: pass --comment "<why, and what to do>"`))
	}
	return checkLength(v.comment, maxVerdictComment)
}

func checkLength(comment string, most int) error {
	if n := utf8.RuneCountInString(comment); n > most {
		return badInput(fmt.Errorf("--comment has %d characters, and at most %d are kept", n, most))
	}
	return nil
}

// eachNamed does something with each of the named records. One that fails does not keep
// the others; its error is printed as if it were the only one.
func eachNamed(streams genericiooptions.IOStreams, args []string, do func(name string) error) error {
	if len(args) == 1 {
		return do(recordName(args[0]))
	}
	failed := false
	for _, arg := range args {
		if err := do(recordName(arg)); errors.Is(err, context.Canceled) {
			return err
		} else if err != nil {
			failed = true
			report(streams.ErrOut, err)
		}
	}
	if failed {
		return &exitError{code: exitRefused}
	}
	return nil
}

func (v *reviewVerdict) one(ctx context.Context, reader *recordReader, name string) error {
	after, err := reader.change(ctx, name, func(found *v1alpha1.ChangeRecord) (*change, error) {
		if record.Reviewed(found) && !v.overrule {
			given := found.Status.Review
			return nil, fmt.Errorf("record %s is %s by %s already: --overrule gives another verdict", name,
				strings.ToLower(string(given.Verdict)), orNone(given.Reviewer))
		}
		return verdictOn(found, v.verdict, v.comment), nil
	})
	if err != nil {
		return err
	}
	given := after.Status.Review
	if given == nil || given.Reviewer == "" {
		return unsigned(name)
	}
	fmt.Fprintf(v.Out, "%s %s by %s: %s %s %s\n", name, strings.ToLower(string(given.Verdict)), line(given.Reviewer),
		orNone(after.Spec.Requester.Username), verb(&after.Spec.Request), line(target(after)))
	return nil
}

// unsigned is a review that came back without a name: nobody keeps another from signing
// for somebody else.
func unsigned(name string) error {
	return fmt.Errorf("the gate did not sign the review of %s, so it counts for nothing: does the gate run?", name)
}
