package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// filter selects records. A field at its zero value selects all.
type filter struct {
	outcome, user, namespace, kind, policy string
	unreviewed                             bool
	after                                  time.Time
}

func outcomeNames() []string {
	return []string{
		string(v1alpha1.OutcomeDenied), string(v1alpha1.OutcomeFlagged), string(v1alpha1.OutcomeBreakGlass),
		string(v1alpha1.OutcomeDrift), string(v1alpha1.OutcomeBypass), string(v1alpha1.OutcomeTampered),
	}
}

// check refuses a value that could never match, and takes an outcome in any
// case: "breakglass" is what one types.
func (f *filter) check() error {
	if f.outcome == "" {
		return nil
	}
	i := slices.IndexFunc(outcomeNames(), func(name string) bool { return strings.EqualFold(name, f.outcome) })
	if i < 0 {
		return badInput(fmt.Errorf("unknown outcome %q: use one of %s", f.outcome, strings.Join(outcomeNames(), ", ")))
	}
	f.outcome = outcomeNames()[i]
	return nil
}

// selector lets the API server leave out most of what does not match. A kind
// is not asked for: people write it in any case, or name the resource.
func (f *filter) selector() string {
	set := labels.Set{}
	if f.outcome != "" {
		set[v1alpha1.LabelOutcome] = f.outcome
	}
	if f.user != "" {
		set[v1alpha1.LabelUser] = record.UserHash(f.user)
	}
	if f.namespace != "" {
		set[v1alpha1.LabelNamespace] = record.LabelValue(f.namespace)
	}
	if f.policy != "" {
		set[v1alpha1.LabelPolicy] = record.LabelValue(f.policy)
	}
	return set.String()
}

func (f *filter) matches(found *v1alpha1.ChangeRecord) bool {
	spec := &found.Spec
	return (f.outcome == "" || string(spec.Outcome) == f.outcome) &&
		(f.user == "" || spec.Requester.Username == f.user) &&
		(f.namespace == "" || spec.Request.Namespace == f.namespace) &&
		(f.kind == "" || strings.EqualFold(spec.Request.Kind, f.kind) || strings.EqualFold(spec.Request.Resource, f.kind)) &&
		(f.policy == "" || spec.Policy == f.policy) &&
		(!f.unreviewed || !record.Reviewed(found)) &&
		(f.after.IsZero() || !lastSeen(found).Before(f.after))
}

// completeWith offers fixed values for a flag on the tab key.
func completeWith(cmd *cobra.Command, flag string, values ...string) {
	// The only error is a flag that does not exist, which no test would miss.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
