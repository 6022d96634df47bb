package webhook

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// checkStamps refuses a final object whose break-glass marks another webhook
// took away or changed: nobody who looks at it would see the emergency.
func (h *Handler) checkStamps(c *call) {
	d := &c.decision
	if !h.Final || d.Class != v1alpha1.ClassBreakGlass || d.Mode != v1alpha1.ModeEnforce {
		return
	}
	if err := h.Grants.CheckStamps(c.req, d); err != nil {
		c.decision = policy.Decision{
			Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonForged, Policy: d.Policy, Mode: d.Mode,
			Message: c.req.Target() + " lost its break-glass marks to another admission webhook (" + err.Error() + ")",
			Next:    "have that webhook leave the annotations gitlatch.dev/break-glass-* alone",
			Record:  v1alpha1.OutcomeDenied, Redact: d.Redact,
		}
	}
}

// closeWindows ends the windows whose annotation this write takes away. It is
// done once the object is final. What can't be ended here ends by its time, and
// by the loop that looks after windows.
func (h *Handler) closeWindows(ctx context.Context, d *policy.Decision) {
	if len(d.Closes) == 0 {
		return
	}
	if err := h.Grants.Close(ctx, d.Closes, v1alpha1.WindowRemoved); err != nil {
		log.FromContext(ctx).Error(err, "break-glass window not ended")
	}
}

// reviewPatch writes the requester's name and the time into what is new of a review,
// whatever was sent: nobody signs for somebody else. A dry run is signed too, since the
// validating call asks for it, and leaves nothing behind anyway.
func reviewPatch(req *policy.Request, d *policy.Decision, now time.Time) []PatchOp {
	if req.Final || d.Action != policy.Allow || d.Class != v1alpha1.ClassReview {
		return nil
	}
	review, ok := policy.SignedReview(req, now)
	if !ok {
		return nil
	}
	return []PatchOp{{Op: "add", Path: "/status/review", Value: review}}
}

// remember keeps what the validating call can use.
func (h *Handler) remember(c *call) {
	scale := c.req.Subresource == "scale"
	if c.record == "" && c.facts.BreakGlass == policy.NotAsked && c.facts.Pod == nil && !scale {
		return
	}
	r := remembered{
		user: c.req.User, at: c.now, decision: c.decision, record: c.record,
		breakGlass: c.facts.BreakGlass, pod: c.facts.Pod,
	}
	if scale {
		r.payload = c.payloadSum()
	}
	h.Memory.put(keyOf(c.req, c.recorded), r)
}

func (c *call) payloadSum() [sha256.Size]byte {
	if c.payload == nil {
		sum := payloadOf(c.req.Object)
		c.payload = &sum
	}
	return *c.payload
}

// covered says that the mutating call recorded this very decision, and that no
// later mutation made it worse.
func (c *call) covered() bool {
	if c.before == nil || c.before.record == "" || c.decision.Action != policy.Flag {
		return false
	}
	was, is := &c.before.decision, &c.decision
	return was.Record == is.Record && was.Class == is.Class && was.Reason == is.Reason &&
		was.Policy == is.Policy && len(is.Touched) <= len(was.Touched)
}

func aboutBreakGlass(r v1alpha1.Reason) bool {
	return strings.HasPrefix(string(r), string(v1alpha1.ReasonBreakGlass))
}
