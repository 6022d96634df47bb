package webhook

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// logDecision writes the line about a decision that leaves no record, which has
// a line of its own: an allow at V(1), and at Info what was denied or flagged all
// the same, in a dry run or in a review that could not be read. A canary's denial
// is no news. It holds no value of an object.
func (h *Handler) logDecision(c *call, took time.Duration) {
	d, req := &c.decision, c.req
	if c.logged {
		return
	}
	l, message := h.Log.V(1), "allowed"
	switch {
	case d.Class == v1alpha1.ClassCanary: // every few seconds, for every API server
		message = "canary"
	case d.Action != policy.Allow || d.Reason != "":
		l, message = h.Log, "not recorded"
	}
	if !l.Enabled() {
		return
	}
	l.Info(message,
		"phase", phaseOf(req.Final), "action", d.Action.String(), "class", d.Class, "reason", d.Reason, "policy", d.Policy,
		"user", req.User.Name, "operation", req.Operation,
		"group", req.Resource.Group, "resource", req.Resource.Resource, "subresource", req.Subresource,
		"namespace", req.Namespace, "name", req.Name, "dryRun", req.DryRun,
		"request", req.UID, "record", c.record, "message", d.Message, "took", took.String())
}
