package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/cli-runtime/pkg/printers"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/reporter/review"
)

// reviewList lists what waits for a verdict, oldest first.
type reviewList struct {
	genericiooptions.IOStreams
	filter  filter
	overdue bool
	limit   int
	output  string
	now     func() time.Time
}

func newReviewList(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	l := &reviewList{IOStreams: streams, now: now}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List what waits for a review, oldest first",
		Long: `List the records that wait for a second person's verdict, the oldest first:
writes that were let through on the record, writes that got around the gate,
and whatever was done to the gate itself. Denials and drift changed nothing
that stands; "kubectl gitlatch records list" shows them.

DUE is when a record is overdue: a day after an emergency, three days after
anything else, unless the reporter is told otherwise. -n shows the records of
one namespace; without it the kubeconfig's namespace makes no difference.
` + exitCodes,
		Example: `  # what waits, then one of them with its diff
  kubectl gitlatch review
  kubectl gitlatch review show cr-7f3k9q2m

  # emergencies in prod that have waited too long
  kubectl gitlatch review list --outcome BreakGlass --overdue -n prod

  kubectl gitlatch review approve cr-7f3k9q2m --comment "the failover of INC-42"`,
		Args: cobra.NoArgs,
		RunE: act(func(cmd *cobra.Command, _ []string) error {
			if err := l.complete(server); err != nil {
				return err
			}
			reader, err := server.records()
			if err != nil {
				return err
			}
			return l.run(cmd.Context(), reader)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&l.filter.outcome, "outcome", "", "only this outcome: Flagged, BreakGlass, Bypass or Tampered")
	f.StringVar(&l.filter.user, "user", "", "only this requester, by exact user name")
	f.StringVar(&l.filter.kind, "kind", "", "only this kind or resource, such as Deployment or deployments")
	f.StringVar(&l.filter.policy, "policy", "", "only what this policy decided")
	f.BoolVar(&l.overdue, "overdue", false, "only what has waited too long")
	f.IntVar(&l.limit, "limit", 100, "show at most so many, the oldest; 0 for all")
	f.StringVarP(&l.output, "output", "o", "table", "table, wide, json, yaml or name")
	completeWith(cmd, "outcome", "Flagged", "BreakGlass", "Bypass", "Tampered")
	completeWith(cmd, "output", "table", "wide", "json", "yaml", "name")
	return cmd
}

// complete checks the flags before any call.
func (l *reviewList) complete(server *server) error {
	if err := checkOutput(l.output, "table", "wide", "json", "yaml", "name"); err != nil {
		return err
	}
	if l.limit < 0 {
		return badInput(fmt.Errorf("--limit %d: use 0 for all, or a number above it", l.limit))
	}
	namespace, explicit, err := server.namespace()
	if err != nil {
		return err
	}
	if explicit {
		l.filter.namespace = namespace
	}
	return l.filter.check()
}

func (l *reviewList) run(ctx context.Context, reader *recordReader) error {
	now, late := l.now(), 0
	waiting, err := reader.waiting(ctx, &l.filter, func(found *v1alpha1.ChangeRecord) bool {
		overdue := review.Overdue{}.Is(found, now)
		if overdue {
			late++
		}
		return overdue || !l.overdue
	})
	if err != nil {
		return err
	}
	shown := waiting
	if l.limit > 0 && len(shown) > l.limit {
		shown = shown[:l.limit]
	}
	if err := l.print(shown); err != nil {
		return err
	}
	switch {
	case len(waiting) == 0:
		fmt.Fprintln(l.ErrOut, "nothing waits for a review")
	case len(shown) < len(waiting):
		fmt.Fprintf(l.ErrOut, "%d wait, %d overdue; --limit 0 shows all\n", len(waiting), late)
	case l.output == "table" || l.output == "wide":
		fmt.Fprintf(l.ErrOut, "%d wait, %d overdue\n", len(waiting), late)
	}
	return nil
}

// waiting reads the records that wait for a verdict and that keep selects, oldest first.
func (r *recordReader) waiting(ctx context.Context, f *filter, keep func(*v1alpha1.ChangeRecord) bool) ([]v1alpha1.ChangeRecord, error) {
	selector := f.selector()
	if f.outcome == "" {
		selector = strings.TrimPrefix(selector+","+v1alpha1.LabelOutcome+" in (Flagged,BreakGlass,Bypass,Tampered)", ",")
	}
	var out []v1alpha1.ChangeRecord
	seen := map[string]bool{}
	err := r.each(ctx, pageOptions(selector), func(found *v1alpha1.ChangeRecord) error {
		if !seen[found.Name] && record.Waits(found) && f.matches(found) && keep(found) {
			seen[found.Name] = true
			out = append(out, *tidy(found))
		}
		return nil
	})
	oldestFirst(out)
	return out, err
}

func (l *reviewList) print(records []v1alpha1.ChangeRecord) error {
	switch l.output {
	case "json", "yaml":
		list := &v1alpha1.ChangeRecordList{Items: records}
		if records == nil {
			list.Items = []v1alpha1.ChangeRecord{}
		}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecordList"))
		return printObject(l.Out, l.output, list)
	case "name":
		for i := range records {
			fmt.Fprintf(l.Out, "changerecord.%s/%s\n", v1alpha1.Group, records[i].Name)
		}
		return nil
	}
	return printWaiting(l.Out, records, l.output == "wide", l.now())
}

// printWaiting prints what waits in columns; nothing at all when there is none.
func printWaiting(out io.Writer, records []v1alpha1.ChangeRecord, wide bool, now time.Time) error {
	if len(records) == 0 {
		return nil
	}
	table := printers.GetNewTabWriter(out)
	header := []string{"AGE", "DUE", "OUTCOME", "USER", "VERB", "TARGET", "PHASE", "COMMENTS", "NAME"}
	if wide {
		header = append(header, "COUNT", "REASON", "POLICY", "MANAGER", "EVIDENCE", "EMERGENCY")
	}
	fmt.Fprintln(table, strings.Join(header, "\t"))
	for i := range records {
		one := &records[i]
		cells := []string{
			age(record.Seen(one), now), due(one, now), string(one.Spec.Outcome), one.Spec.Requester.Username,
			verb(&one.Spec.Request), target(one), string(record.PhaseOf(one)), fmt.Sprint(comments(one)), one.Name,
		}
		if wide {
			emergency := ""
			if one.Spec.BreakGlass != nil {
				emergency = one.Spec.BreakGlass.Reason
			}
			cells = append(cells, fmt.Sprint(record.Attempts(one)), string(one.Spec.Reason), one.Spec.Policy,
				one.Spec.Request.FieldManager, string(one.Spec.Evidence), emergency)
		}
		for i, cell := range cells {
			cells[i] = orNone(cell)
		}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	return table.Flush()
}

// due says when a record is overdue, or that it is.
func due(found *v1alpha1.ChangeRecord, now time.Time) string {
	at := review.Overdue{}.At(found)
	if now.Before(at) {
		return "in " + age(now, at)
	}
	return "OVERDUE"
}

func comments(found *v1alpha1.ChangeRecord) int {
	if found.Status.Review == nil {
		return 0
	}
	return len(found.Status.Review.Comments)
}
