package heartbeat

import (
	"context"
	"slices"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// calm is how long after its end a gap is reviewed: what the API server answered
	// then must have reached the witnesses.
	calm = 5 * time.Second
	// reviewAgain is how soon a review that failed is tried again.
	reviewAgain = time.Minute
)

// gapsAmong are the records that are of gaps, oldest first. A label can be on anything.
func gapsAmong(records []v1alpha1.ChangeRecord) []v1alpha1.ChangeRecord {
	records = slices.DeleteFunc(records, func(r v1alpha1.ChangeRecord) bool { return r.Spec.Gap == nil })
	slices.SortStableFunc(records, func(a, b v1alpha1.ChangeRecord) int { return a.Spec.Gap.Since.Compare(b.Spec.Gap.Since.Time) })
	return records
}

// reviews looks through each gap that ended, until it was done once for each. What waits
// is in the cluster, so a restart forgets none.
func (h *Heart) reviews(ctx context.Context) {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		timer := h.Clock.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-h.ended:
		case <-timer.C():
		}
		timer.Stop()
		if ctx.Err() == nil {
			pause = h.reviewDue(ctx)
		}
	}
}

// reviewDue reviews what is due, and says when to look again.
func (h *Heart) reviewDue(ctx context.Context) time.Duration {
	log := logf.FromContext(ctx)
	waiting, err := h.ledger().list(ctx, record.GapUnaudited)
	if err != nil {
		log.Error(err, "gaps not reviewed, trying again")
		return reviewAgain
	}
	next := reviewAgain
	for i := range waiting {
		rec := &waiting[i]
		if rec.Status.Gap == nil {
			continue
		}
		from, until := rec.Spec.Gap.Since.Time, rec.Status.Gap.At.Time
		if wait := calm - h.Clock.Since(until); wait > 0 {
			next = min(next, wait)
			continue
		}
		findings, err := h.Review(ctx, from, until)
		if err == nil {
			err = h.ledger().audited(ctx, rec, findings, h.Clock.Now())
		}
		if err != nil {
			log.Error(err, "gap not reviewed, trying again", "record", rec.Name)
			continue
		}
		log.Info("gap reviewed", "record", rec.Name, "from", from.UTC(), "until", until.UTC(), "findings", findings)
	}
	return next
}
