package webhook

import (
	"context"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Recorder writes records; [record.Writer] is one.
type Recorder interface {
	// Denied records a denial and returns the record's name.
	Denied(ctx context.Context, e record.Entry) (name string, err error)
	// Admitted records a write before it is admitted.
	Admitted(ctx context.Context, e record.Entry) (*v1alpha1.ChangeRecord, error)
}

// recordBy bounds the writing of one record, within what is left of the request.
const recordBy = time.Second

// record writes the decision down and logs it: the line stands whatever becomes
// of the record. What is to be admitted but can't be recorded
// becomes a denial where the policy, or break-glass, says so.
func (h *Handler) record(ctx context.Context, c *call) {
	d := &c.decision
	// A review without a user is none of an API server's: there is nobody to record,
	// and whoever can reach the port could write records at will.
	if d.Record == "" || c.req.DryRun || c.req.User.Name == "" {
		return
	}
	c.logged = true
	if c.covered() {
		c.record = c.before.record
		return
	}
	if d.Action == policy.Deny {
		h.recordDenied(ctx, c)
		return
	}
	if h.recordAdmitted(ctx, c) != nil {
		h.unrecorded(ctx, c)
	}
}

func (h *Handler) recordDenied(ctx context.Context, c *call) {
	ctx, cancel := context.WithTimeout(ctx, recordBy)
	defer cancel()
	e := entryOf(c.req, &c.decision)
	name, err := h.Recorder.Denied(ctx, e)
	record.Log(h.Log.WithValues("phase", phaseOf(h.Final)), e, name, err)
	if err != nil {
		// Its name is known, but nobody could look it up yet.
		h.Metrics.notRecorded(c.decision.Record, policy.Deny)
		return
	}
	c.record = name
}

func (h *Handler) recordAdmitted(ctx context.Context, c *call) error {
	ctx, cancel := context.WithTimeout(ctx, recordBy)
	defer cancel()
	e := entryOf(c.req, &c.decision)
	rec, err := h.Recorder.Admitted(ctx, e)
	l := h.Log.WithValues("phase", phaseOf(h.Final))
	if err != nil {
		record.Log(l, e, "", err)
		return err
	}
	record.Log(l, e, rec.Name, nil)
	c.record = rec.Name
	if c.decision.Opens != nil {
		w := *c.decision.Opens
		w.Record = rec.Name
		h.Grants.Opened(rec, w)
	}
	return nil
}

// unrecorded decides on a write whose record could not be written. Break-glass
// is refused always: an emergency that nobody can look up later is a bypass.
func (h *Handler) unrecorded(ctx context.Context, c *call) {
	d := &c.decision
	reason := v1alpha1.ReasonUnrecorded
	switch {
	case d.Record == v1alpha1.OutcomeBreakGlass:
		reason = v1alpha1.ReasonBreakGlassUnrecorded
	case d.OnRecordFailure == v1alpha1.FailureAdmit:
		h.Metrics.notRecorded(d.Record, policy.Flag)
		return
	}
	h.Metrics.notRecorded(d.Record, policy.Deny)
	*d = policy.Decision{
		Action: policy.Deny, Class: d.Class, Reason: reason, Policy: d.Policy, Mode: d.Mode,
		Message: c.req.Target() + " is admitted only with a record, and the record could not be written",
		Next:    "try again in a moment; if it stays, see the logs of the gate's pods",
		Record:  v1alpha1.OutcomeDenied,
		Redact:  d.Redact,
	}
	h.recordDenied(ctx, c)
}
