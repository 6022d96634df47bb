package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// sheet prints labelled lines, and leaves out those of which nothing is known.
type sheet struct {
	strings.Builder
	facts []fact // the same, for a page
}

// fact is a labelled line.
type fact struct{ Name, Text string }

func (s *sheet) row(label, text string) {
	if text != "" {
		fmt.Fprintf(s, "%-12s%s\n", label+":", line(text))
		s.facts = append(s.facts, fact{label, line(text)})
	}
}

// printRecord prints a record for people.
func printRecord(out io.Writer, record *v1alpha1.ChangeRecord, now time.Time) error {
	s := &sheet{}
	describeRecord(s, record, now)
	describeChanges(s, &record.Spec)
	_, err := io.WriteString(out, s.String())
	return err
}

func describeRecord(s *sheet, record *v1alpha1.ChangeRecord, now time.Time) {
	spec := &record.Spec
	s.row("Name", record.Name)
	s.row("Outcome", string(spec.Outcome))
	s.row("Phase", string(record.Status.Phase))
	s.row("Who", spec.Requester.Username)
	s.row("Groups", strings.Join(spec.Requester.Groups, ", "))
	s.row("As", identity(spec.Requester))
	s.row("What", verb(&spec.Request)+" "+target(record))
	s.row("Manager", spec.Request.FieldManager)
	s.row("When", when(record, now))
	s.row("Why", join(string(spec.Reason), withLabel("class", string(spec.Class)), withLabel("policy", spec.Policy)))
	s.row("Message", spec.Message)
	if spec.Folded {
		s.row("Folded", "many targets in one record, such as "+strings.Join(record.Status.Sample, ", "))
	}
	s.row("Evidence", join(string(spec.Evidence), string(spec.Confidence)))
	describeWindow(s, record, now)
	describeEnd(s, record)
}

func describeWindow(s *sheet, record *v1alpha1.ChangeRecord, now time.Time) {
	window := record.Spec.BreakGlass
	if window == nil {
		return
	}
	s.row("Emergency", window.Reason)
	scope := "this object"
	if window.Scope == v1alpha1.WindowNamespace {
		scope = "everything in the namespace"
	}
	switch end := record.Status.Window; {
	case window.Window != "":
		s.row("Window", fmt.Sprintf("%s, until %s", window.Window, stamp(window.Until.Time)))
	case end != nil:
		s.row("Window", fmt.Sprintf("%s, ended %s (%s)", scope, stamp(end.At.Time), strings.ToLower(string(end.Reason))))
		s.row("Since then", differing(end))
	case now.Before(window.Until.Time):
		s.row("Window", fmt.Sprintf("%s, open until %s (%s left)", scope, stamp(window.Until.Time), left(window.Until.Time, now)))
	default:
		s.row("Window", fmt.Sprintf("%s, until %s", scope, stamp(window.Until.Time)))
	}
}

func differing(end *v1alpha1.WindowEnd) string {
	switch {
	case end.Message != "":
		return end.Message
	case end.Differs == nil:
		return ""
	case *end.Differs:
		return "the target still differed from its state before the window"
	}
	return "the target was back in its state before the window"
}

// describeEnd prints how the record was resolved and reviewed.
func describeEnd(s *sheet, record *v1alpha1.ChangeRecord) {
	if resolution := record.Status.Resolution; resolution != nil {
		s.row("Resolved", join(strings.TrimSpace(string(resolution.State)+" "+resolution.Commit), stamp(resolution.At.Time)))
	}
	describeReview(s, record.Status.Review)
}

// describeReview prints the verdict, and what was said on the way to it.
func describeReview(s *sheet, review *v1alpha1.Review) {
	if review == nil || review.Verdict == "" {
		s.row("Review", "none yet")
	} else {
		s.row("Review", join(string(review.Verdict), withLabel("by", review.Reviewer), stamp(review.At.Time)))
		s.row("Comment", review.Comment)
	}
	if review == nil || len(review.Comments) == 0 {
		return
	}
	s.WriteString("Said:\n")
	for _, comment := range review.Comments {
		fmt.Fprintf(s, "  %s  %s: %s\n", stamp(comment.At.Time), orNone(comment.Author), line(comment.Text))
	}
}

// describeChanges prints what differs as a diff. The values are redacted in
// the record already.
func describeChanges(s *sheet, spec *v1alpha1.ChangeRecordSpec) {
	if len(spec.Changes) == 0 && spec.ChangesOmitted == 0 {
		return
	}
	s.WriteString("Changes:\n")
	for _, change := range spec.Changes {
		fmt.Fprintf(s, "  %s\n", line(change.Path))
		if change.From != "" {
			fmt.Fprintf(s, "    - %s\n", line(change.From))
		}
		if change.To != "" {
			fmt.Fprintf(s, "    + %s\n", line(change.To))
		}
	}
	if spec.ChangesOmitted > 0 {
		fmt.Fprintf(s, "  (%d more were left out)\n", spec.ChangesOmitted)
	}
}

// identity says by what the requester was proven, beyond the name.
func identity(requester v1alpha1.Requester) string {
	var parts []string
	if requester.UID != "" {
		parts = append(parts, "uid "+requester.UID)
	}
	names := make([]string, 0, len(requester.Extra))
	for name := range requester.Extra {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		short := strings.TrimPrefix(name, "authentication.kubernetes.io/")
		parts = append(parts, short+" "+strings.Join(requester.Extra[name], ","))
	}
	return strings.Join(parts, ", ")
}

func when(record *v1alpha1.ChangeRecord, now time.Time) string {
	last := lastSeen(record)
	if last.IsZero() {
		return ""
	}
	text := fmt.Sprintf("%s (%s ago)", stamp(last), age(last, now))
	if record.Status.Count > 1 {
		text += fmt.Sprintf(", %d times", record.Status.Count)
		if first := record.Status.FirstSeen.Time; !first.IsZero() && !first.Equal(last) {
			text += " since " + stamp(first)
		}
	}
	return text
}

// stamp is a time as records hold it, in UTC, so that two people who compare
// what they see see the same.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// left is the time until t, in full seconds.
func left(t, now time.Time) string { return t.Sub(now).Truncate(time.Second).String() }

func withLabel(label, text string) string {
	if text == "" {
		return ""
	}
	return label + " " + text
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ", ")
}

// recordNames lists names for the tab key; a completion has nobody to tell of
// an error.
func recordNames(cmd *cobra.Command, server *server) []string {
	reader, err := server.records()
	if err != nil {
		return nil
	}
	newest := newNewest(200)
	err = reader.each(cmd.Context(), metav1.ListOptions{Limit: 500}, func(record *v1alpha1.ChangeRecord) error {
		newest.add(record)
		return nil
	})
	if err != nil {
		return nil
	}
	var names []string
	for _, record := range newest.sorted() {
		names = append(names, record.Name)
	}
	return names
}
