package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Reviewer reviews a gap: it looks for what went around the gate, and records it.
type Reviewer struct {
	// Fields says how managedFields are read. Its Policies, From and To are set for each
	// review.
	Fields Fields
	// Policies as they are now.
	Policies func(ctx context.Context) ([]*policy.Policy, error)
	Recorder *Recorder
	Metrics  *Metrics // nil: nothing is counted
}

// Review surveys managedFields for what was written in a time, and records what no record
// explains. It returns how many bypasses of that time there are: those, and those that
// the live audit log told of before. It may be called again for the same time, as after
// an error, and makes no second record of anything. It is judged by the policies of now
// and by those that were in force before: who opened the gate may have changed them too.
// That something could not be read and may be another time is an error, once all the rest
// was looked through.
func (r *Reviewer) Review(ctx context.Context, from, to time.Time, before []*policy.Policy) (findings int, err error) {
	policies, err := r.Policies(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the policies for a bypass review: %w", err)
	}
	from = from.Truncate(time.Second) // managedFields tell the second, and so do the records of what they tell
	survey := r.Fields
	policies = together(policies, before)
	survey.Policies, survey.From, survey.To = policies, from, to
	mine := map[string]bool{}
	stats, err := survey.Survey(ctx, func(f Finding) error {
		if f.Explained() {
			return nil
		}
		name, isNew, err := r.Recorder.Record(ctx, &f)
		if err != nil {
			return err
		}
		mine[name] = true
		if isNew {
			r.Metrics.found(&f)
			logf.FromContext(ctx).Info("bypass found", "record", name, "reason", f.Reason, "evidence", f.Evidence, "message", f.Message)
		}
		return nil
	})
	if err != nil {
		return len(mine), fmt.Errorf("reviewing what went around the gate from %s to %s: %w", stamp(from), stamp(to), err)
	}
	var passing []string
	for _, not := range stats.NotExamined {
		logf.FromContext(ctx).Info("not examined in a bypass review", "what", not.What, "why", not.Why)
		if !lasting(not) {
			passing = append(passing, not.What)
		}
	}
	err = record.Each(ctx, r.Fields.Reader, record.Filter{Outcome: v1alpha1.OutcomeBypass, Since: from}, func(rec *v1alpha1.ChangeRecord) {
		if seen := record.Seen(rec); !seen.Before(from) && !seen.After(to) {
			mine[rec.Name] = true
		}
	})
	if err != nil {
		return len(mine), fmt.Errorf("counting what the audit log told of: %w", err)
	}
	if len(passing) > 0 {
		return len(mine), fmt.Errorf("reviewing what went around the gate from %s to %s: not examined yet: %s", stamp(from), stamp(to), strings.Join(passing, ", "))
	}
	return len(mine), nil
}

// together are the policies of now and those from before; of one name, each as old as the
// older. Who deletes a policy and makes it again does not make it a new one.
func together(now, before []*policy.Policy) []*policy.Policy {
	made := map[string]time.Time{}
	all := slices.Concat(now, before)
	for _, p := range all {
		if at, known := made[p.Name]; !known || p.Created.Before(at) {
			made[p.Name] = p.Created
		}
	}
	var out []*policy.Policy
	for _, p := range all {
		if slices.ContainsFunc(out, func(o *policy.Policy) bool { return o.Name == p.Name && equality.Semantic.DeepEqual(o.Spec, p.Spec) }) {
			continue
		}
		if made[p.Name] != p.Created {
			older := *p
			older.Created = made[p.Name]
			p = &older
		}
		out = append(out, p)
	}
	return out
}

// lasting: asking again won't help. We may not read it, it can't be listed, it is not
// served, or its sync is not done, which is git's to mend. The words of the API server's
// errors are those of k8s.io/apimachinery/pkg/api/errors.
func lasting(not NotExamined) bool {
	return strings.HasPrefix(not.What, "what GitSync ") || slices.ContainsFunc([]string{
		" is forbidden: ", "forbidden: ", "it can't be listed", "it is not served any more",
		" is not supported on resources of kind ", "the server does not allow this method on the requested resource",
	}, func(words string) bool { return strings.Contains(not.Why, words) })
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
