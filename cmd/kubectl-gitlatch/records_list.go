package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// recordsList lists records, newest first.
type recordsList struct {
	genericiooptions.IOStreams
	filter filter
	limit  int
	output string
	now    func() time.Time
}

func newRecordsList(server *server, streams genericiooptions.IOStreams, now func() time.Time) *cobra.Command {
	l := &recordsList{IOStreams: streams, now: now}
	var since time.Duration
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List records, newest first",
		Long: `List the records of changes that were tried around git, the newest first.

AGE is the time since the record was last seen. -n shows the records of one
namespace; without it the kubeconfig's namespace makes no difference.
` + exitCodes,
		Example: `  # the last hour
  kubectl gitlatch records list --since 1h

  # emergencies that nobody has reviewed
  kubectl gitlatch records list --outcome BreakGlass --unreviewed

  # what alice tried on deployments in prod
  kubectl gitlatch records list --user alice --kind Deployment -n prod -o wide`,
		Args: cobra.NoArgs,
		RunE: act(func(cmd *cobra.Command, _ []string) error {
			if err := l.complete(server, cmd.Flags().Changed("since"), since); err != nil {
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
	f.StringVar(&l.filter.outcome, "outcome", "", "only this outcome: Denied, Flagged, BreakGlass, Drift, Bypass or Tampered")
	f.StringVar(&l.filter.user, "user", "", "only this requester, by exact user name")
	f.StringVar(&l.filter.kind, "kind", "", "only this kind or resource, such as Deployment or deployments")
	f.StringVar(&l.filter.policy, "policy", "", "only what this policy decided")
	f.DurationVar(&since, "since", 0, "only what was seen within this time, such as 1h; left out: everything")
	f.BoolVar(&l.filter.unreviewed, "unreviewed", false, "only what nobody has reviewed")
	f.IntVar(&l.limit, "limit", 100, "show at most so many; 0 for all")
	f.StringVarP(&l.output, "output", "o", "table", "table, wide, json, yaml or name")
	completeWith(cmd, "outcome", outcomeNames()...)
	completeWith(cmd, "output", "table", "wide", "json", "yaml", "name")
	return cmd
}

// complete checks the flags before any call.
func (l *recordsList) complete(server *server, hasSince bool, since time.Duration) error {
	if err := checkOutput(l.output, "table", "wide", "json", "yaml", "name"); err != nil {
		return err
	}
	if l.limit < 0 {
		return badInput(fmt.Errorf("--limit %d: use 0 for all, or a number above it", l.limit))
	}
	if hasSince && since <= 0 {
		return badInput(fmt.Errorf("--since %s: use a time such as 1h", since))
	}
	if hasSince {
		l.filter.after = l.now().Add(-since)
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

func (l *recordsList) run(ctx context.Context, reader *recordReader) error {
	newest := newNewest(l.limit)
	options := metav1.ListOptions{LabelSelector: l.filter.selector(), Limit: 500}
	err := reader.each(ctx, options, func(record *v1alpha1.ChangeRecord) error {
		if l.filter.matches(record) {
			newest.add(record)
		}
		return nil
	})
	if err != nil {
		return err
	}
	records := newest.sorted()
	if len(records) == 0 {
		fmt.Fprintln(l.ErrOut, "no records")
	}
	if err := l.print(records); err != nil {
		return err
	}
	if omitted := newest.omitted(); omitted > 0 {
		fmt.Fprintf(l.ErrOut, "%d older records are not shown; --limit 0 shows all\n", omitted)
	}
	return nil
}

func (l *recordsList) print(records []v1alpha1.ChangeRecord) error {
	switch l.output {
	case "json", "yaml":
		list := &v1alpha1.ChangeRecordList{Items: records}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecordList"))
		return printObject(l.Out, l.output, list)
	case "name":
		for i := range records {
			if _, err := fmt.Fprintf(l.Out, "changerecord.%s/%s\n", v1alpha1.Group, records[i].Name); err != nil {
				return err
			}
		}
		return nil
	}
	return printTable(l.Out, records, l.output == "wide", l.now())
}

// newest keeps the newest records, at most limit of them; 0 is no limit.
type newest struct {
	limit int
	seen  map[string]bool // names, since a restarted list shows some twice
	kept  []v1alpha1.ChangeRecord
}

func newNewest(limit int) *newest { return &newest{limit: limit, seen: map[string]bool{}} }

func (n *newest) add(record *v1alpha1.ChangeRecord) {
	if n.seen[record.Name] {
		return
	}
	n.seen[record.Name] = true
	one := *record
	one.ManagedFields = nil
	one.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ChangeRecord"))
	n.kept = append(n.kept, one)
	if n.limit > 0 && len(n.kept) >= 2*n.limit+100 {
		n.trim()
	}
}

func (n *newest) trim() {
	slices.SortFunc(n.kept, func(a, b v1alpha1.ChangeRecord) int {
		if c := lastSeen(&b).Compare(lastSeen(&a)); c != 0 {
			return c
		}
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	if n.limit > 0 && len(n.kept) > n.limit {
		clear(n.kept[n.limit:])
		n.kept = n.kept[:n.limit]
	}
}

func (n *newest) sorted() []v1alpha1.ChangeRecord {
	n.trim()
	return n.kept
}

func (n *newest) omitted() int { return len(n.seen) - len(n.kept) }

// lastSeen is when the attempt was last made, as far as the record says.
func lastSeen(record *v1alpha1.ChangeRecord) time.Time {
	if !record.Status.LastSeen.IsZero() {
		return record.Status.LastSeen.Time
	}
	return record.CreationTimestamp.Time
}
