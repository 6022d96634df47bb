package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

func newReview(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	cmd := newReviewList(server, streams, now)
	cmd.Use, cmd.Aliases = "review", []string{"reviews"}
	cmd.Short = "Review what was done around git: what waits, approve, reject, comment"
	cmd.AddCommand(
		newReviewList(server, streams, now),
		newReviewShow(server, streams, now),
		newReviewApprove(server, streams),
		newReviewReject(server, streams),
		newReviewComment(server, streams),
	)
	return cmd
}

// recordName takes a name as -o name prints it, too.
func recordName(arg string) string { return arg[strings.LastIndexByte(arg, '/')+1:] }

// noRecord says what to do about a name that is none.
func noRecord(name string) error {
	return fmt.Errorf("no record %q: kubectl gitlatch review list names those that wait, records list all of them", name)
}

// explainReview says of an error what it means to a reviewer. A refusal of the gate
// stands as it is.
func explainReview(err error, name string) error {
	err = explain(err)
	switch {
	case err == nil || gateWord.MatchString(err.Error()):
		return err
	case apierrors.IsNotFound(err):
		return noRecord(name)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%w (the ClusterRole gitlatch-reviewer gives the right to review)", err)
	}
	return err
}

// waitingNames offers what waits on the tab key, the oldest first; many says that a
// command takes more than one.
func waitingNames(server *server, many bool) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		reader, err := server.records()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		waiting, err := reader.waiting(cmd.Context(), &filter{}, func(*v1alpha1.ChangeRecord) bool { return true })
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for i := range waiting {
			if !slices.Contains(args, waiting[i].Name) {
				names = append(names, waiting[i].Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// tidy makes a record read as it is printed.
func tidy(found *v1alpha1.ChangeRecord) *v1alpha1.ChangeRecord {
	found.ManagedFields = nil
	found.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecord"))
	return found
}

// oldestFirst sorts by when a record was first seen.
func oldestFirst(records []v1alpha1.ChangeRecord) {
	slices.SortFunc(records, func(a, b v1alpha1.ChangeRecord) int {
		return cmp.Or(record.Seen(&a).Compare(record.Seen(&b)), strings.Compare(a.Name, b.Name))
	})
}

// pageOptions selects what a filter lets the API server leave out.
func pageOptions(selector string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: selector, Limit: 500}
}
