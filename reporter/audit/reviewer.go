package audit

import (
	"context"
	"fmt"
	"time"

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
// an error, and makes no second record of anything.
func (r *Reviewer) Review(ctx context.Context, from, to time.Time) (findings int, err error) {
	policies, err := r.Policies(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the policies for a bypass review: %w", err)
	}
	survey := r.Fields
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
	for _, not := range stats.NotExamined {
		logf.FromContext(ctx).Info("not examined in a bypass review", "what", not.What, "why", not.Why)
	}
	err = record.Each(ctx, r.Fields.Reader, record.Filter{Outcome: v1alpha1.OutcomeBypass, Since: from}, func(rec *v1alpha1.ChangeRecord) {
		if seen := record.Seen(rec); !seen.Before(from) && !seen.After(to) {
			mine[rec.Name] = true
		}
	})
	if err != nil {
		return len(mine), fmt.Errorf("counting what the audit log told of: %w", err)
	}
	return len(mine), nil
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
