package heartbeat

import (
	"context"
	"fmt"
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
	// calmMost is how long gaps that have ended wait for others to be reviewed with.
	calmMost = 2 * time.Minute
	// reviewAgain is how soon a review that failed is tried again, at first; and
	// reviewRarest how long after one that has failed often.
	reviewAgain  = time.Minute
	reviewRarest = 10 * time.Minute
)

// gapsAmong are the records that are of gaps, oldest first. A label can be on anything.
func gapsAmong(records []v1alpha1.ChangeRecord) []v1alpha1.ChangeRecord {
	records = slices.DeleteFunc(records, func(r v1alpha1.ChangeRecord) bool { return r.Spec.Gap == nil })
	slices.SortStableFunc(records, func(a, b v1alpha1.ChangeRecord) int { return a.Spec.Gap.Since.Compare(b.Spec.Gap.Since.Time) })
	return records
}

// reviews looks through the gaps that ended, until it was done for each. What waits is in
// the cluster, so a restart forgets none.
func (h *Heart) reviews(ctx context.Context) {
	pause := time.Duration(0)
	for ctx.Err() == nil {
		timer := h.Clock.NewTimer(pause)
		ended := h.ended
		if h.failed > 0 {
			ended = nil // what failed for others would for the next one
		}
		select {
		case <-ctx.Done():
		case <-ended:
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
	due, wait := dueOf(waiting, h.Clock.Now())
	if len(due.gaps) == 0 {
		return min(reviewAgain, wait)
	}
	if err := h.review(ctx, &due); err != nil {
		pause := min(reviewAgain<<min(h.failed, 4), reviewRarest)
		h.failed++
		log.Error(err, "gaps not reviewed, trying again", "gaps", len(due.gaps), "first", due.gaps[0].Name, "tries", h.failed, "in", pause)
		return pause
	}
	h.failed = 0
	return reviewAgain
}

// review looks once through the time of all gaps that are due. What it finds is counted on
// each of them: two gaps that are reviewed together show the same number.
func (h *Heart) review(ctx context.Context, due *due) error {
	findings, err := h.Review(ctx, due.from, due.until, h.past.of(due.names()))
	if err != nil {
		return err
	}
	for i := range due.gaps {
		rec := &due.gaps[i]
		if err := h.ledger().audited(ctx, rec, findings, h.Clock.Now()); err != nil {
			return fmt.Errorf("marking the gap of record %s as reviewed: %w", rec.Name, err)
		}
		h.past.forget(rec.Name)
		logf.FromContext(ctx).Info("gap reviewed", "record", rec.Name, "from", due.from.UTC(), "until", due.until.UTC(), "findings", findings)
	}
	return nil
}

// due are the gaps that are reviewed together, and the time that they span.
type due struct {
	gaps        []v1alpha1.ChangeRecord
	from, until time.Time
}

func (d *due) names() []string {
	var out []string
	for i := range d.gaps {
		out = append(out, d.gaps[i].Name)
	}
	return out
}

// dueOf are the gaps that ended and are calm; until all are they wait for each other, but
// not for ever. Where none is due it says how long that takes.
func dueOf(waiting []v1alpha1.ChangeRecord, now time.Time) (due, time.Duration) {
	var d, all due
	var first time.Time
	for i := range waiting {
		rec := &waiting[i]
		if rec.Status.Gap == nil {
			continue
		}
		end := rec.Status.Gap.At.Time
		first = earlier(first, end)
		all.add(rec, end)
		if now.Sub(end) >= calm {
			d.add(rec, end)
		}
	}
	switch {
	case len(all.gaps) == len(d.gaps):
		return d, reviewRarest
	case now.Sub(first) >= calmMost:
		return d, 0
	}
	return due{}, calm - now.Sub(all.until)
}

func (d *due) add(rec *v1alpha1.ChangeRecord, end time.Time) {
	d.gaps, d.from = append(d.gaps, *rec), earlier(d.from, rec.Spec.Gap.Since.Time)
	if end.After(d.until) {
		d.until = end
	}
}
