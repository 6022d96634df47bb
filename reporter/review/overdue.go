package review

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Defaults of [Overdue].
const (
	OverdueBreakGlass = 24 * time.Hour
	OverdueOther      = 72 * time.Hour
)

// Overdue is how long a record may wait for a verdict, from when it was first seen. A
// field at zero or less has its default.
type Overdue struct {
	BreakGlass time.Duration // of an emergency; a day
	Other      time.Duration // of everything else that waits; three days
}

// At is when a record becomes overdue if nobody gives a verdict.
func (o Overdue) At(rec *v1alpha1.ChangeRecord) time.Time {
	return record.Seen(rec).Add(o.after(rec.Spec.Outcome))
}

// Is says that a record waits and has waited too long.
func (o Overdue) Is(rec *v1alpha1.ChangeRecord, now time.Time) bool {
	return record.Waits(rec) && !now.Before(o.At(rec))
}

func (o Overdue) after(outcome v1alpha1.Outcome) time.Duration {
	allowed, usual := o.Other, OverdueOther
	if outcome == v1alpha1.OutcomeBreakGlass {
		allowed, usual = o.BreakGlass, OverdueBreakGlass
	}
	if allowed <= 0 {
		return usual
	}
	return allowed
}
