package webhook

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/policy"
)

// Times within one request, from its start. The registered timeout is three
// seconds, after which the API server goes on without an answer.
const (
	bodyBy   = 1400 * time.Millisecond // the whole review is read
	factsBy  = 1700 * time.Millisecond // look-ups are over
	answerBy = 2 * time.Second         // the record is written, or not
	drainBy  = 2500 * time.Millisecond // what nobody wants of the review is read
	sendBy   = 3 * time.Second         // the answer is sent

	drainPause = 500 * time.Millisecond // without a byte, after which it is not waited for
)

// Handler answers the reviews of one phase.
//
// It is our own, not the framework's: that one answers a review of more than
// seven mebibytes without a uid, and under the failure policy Ignore the API
// server lets such a write pass.
type Handler struct {
	// Final is false for the mutating phase, true for the validating one.
	Final bool
	// Install names Gitlatch's own parts.
	Install policy.Installation
	// Policies, Lookups, Grants and Recorder are what a decision needs and leaves.
	Policies PolicySource
	Lookups  Lookups
	Grants   grants
	Recorder Recorder
	// Memory and Budget are shared by the handlers of both phases.
	Memory  *Memory
	Budget  *Budget
	Metrics *Metrics
	Log     logr.Logger
	// Now is the clock that is judged by; nil: the system's, which deadlines always go by.
	Now func() time.Time

	buffers buffers
}

// call is one request on its way through the steps.
type call struct {
	start time.Time // by the real clock, as deadlines are
	now   time.Time // that is judged by
	w     http.ResponseWriter
	r     *http.Request

	body     *body
	unread   bool     // some of the review may still be on its way
	held     []func() // of the budget, until the answer
	req      *policy.Request
	recorded string // the name that it is recorded under
	policies []*policy.Policy
	known    bool // policies were read
	before   *remembered
	payload  *[sha256.Size]byte
	facts    policy.Facts
	decision policy.Decision
	record   string
	logged   bool
	patch    []PatchOp
}

// release gives back what the request still holds.
func (c *call) release() {
	c.body.release()
	for _, f := range c.held {
		f()
	}
}

// steps are what happens to a request, in order; the first error ends them, and
// leaves the request undecided.
func (h *Handler) steps() []func(context.Context, *call) error {
	return []func(context.Context, *call) error{
		h.read,
		h.decode,
		h.readPolicies,
		h.recall,
		h.decide,
	}
}

// ServeHTTP answers one review, whatever comes, with HTTP 200 and a review.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.Metrics.inFlight.Inc()
	defer h.Metrics.inFlight.Dec()
	c := &call{start: time.Now(), now: h.now(), w: w, r: r, body: &body{}}
	defer c.release()
	// A client that goes away takes nothing with it: its denial is recorded.
	ctx := log.IntoContext(context.WithoutCancel(r.Context()), h.Log)
	ctx, cancel := context.WithTimeout(ctx, answerBy)
	defer cancel()
	if err := h.run(ctx, c); err != nil {
		h.undecided(ctx, c, err)
	}
	h.finish(ctx, c)
}

// run takes the steps. A panic is an error like any other: net/http would cut
// the connection, and the API server might let the write pass.
func (h *Handler) run(ctx context.Context, c *call) (err error) {
	defer func() { err = recovered(ctx, recover(), err) }()
	for _, step := range h.steps() {
		if err := step(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func recovered(ctx context.Context, p any, err error) error {
	if p == nil {
		return err
	}
	// The value of a panic may quote an object, and so a Secret: only its type.
	log.FromContext(ctx).Error(errPanic, "panic while answering", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
	return errPanic
}

func (h *Handler) read(ctx context.Context, c *call) (err error) {
	entered := h.Budget.enter()
	c.body, err = h.readBody(ctx, c.w, c.r, c.start.Add(bodyBy), entered)
	c.unread = err != nil
	if entered {
		c.held = append(c.held, h.Budget.leave)
	}
	return err
}

func (h *Handler) decode(ctx context.Context, c *call) error {
	ctx, cancel := context.WithDeadline(ctx, c.start.Add(bodyBy))
	defer cancel()
	release, err := h.Budget.holdDecoded(ctx, c.body.bytes)
	if err != nil {
		return err
	}
	c.held = append(c.held, release)
	if c.req, c.recorded, err = decodeReview(c.body.bytes, h.Final); err != nil {
		return err
	}
	c.body.release()
	return nil
}

func (h *Handler) readPolicies(ctx context.Context, c *call) (err error) {
	ctx, cancel := context.WithDeadline(ctx, c.start.Add(factsBy))
	defer cancel()
	if c.policies, err = h.Policies.Policies(ctx); err != nil {
		return fmt.Errorf("%w: %w", errStarting, err)
	}
	c.known = true
	return nil
}

// recall looks up what the mutating call of the same request found out here.
func (h *Handler) recall(_ context.Context, c *call) error {
	if h.Final {
		c.before = h.Memory.get(keyOf(c.req, c.recorded), &c.req.User, c.now)
	}
	return nil
}

// decide asks the judge. In the validating call the old object of a /scale does
// not say what is declared; if the mutating call was answered here, and what it
// would write is still the same, its decision stands.
func (h *Handler) decide(ctx context.Context, c *call) error {
	if c.before != nil && c.req.Subresource == "scale" && c.before.payload == c.payloadSum() {
		c.decision = c.before.decision
		return nil
	}
	c.decision = h.judge(ctx, c)
	if err := unread(&c.decision, &c.facts); err != nil {
		return err
	}
	h.checkStamps(c)
	return nil
}

// undecided answers for a request that the steps did not get through.
func (h *Handler) undecided(ctx context.Context, c *call, cause error) {
	if c.req == nil {
		c.req = readPrefix(c.body.bytes, h.Final)
		c.body.release()
	}
	if !c.known {
		// Nothing waits here: policies that are there come at once.
		ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		var err error
		c.policies, err = h.Policies.Policies(ctx)
		c.known = err == nil
	}
	h.Metrics.couldNotDecide(causeOf(cause))
	c.decision = undecide(c.req, c.policies, c.known, h.Install, cause)
}

// finish records the decision, acts on it, and answers. A panic in it is a
// denial that says nothing more.
func (h *Handler) finish(ctx context.Context, c *call) {
	response, err := h.conclude(ctx, c)
	if err != nil {
		d := undecide(c.req, nil, false, h.Install, err)
		h.Metrics.couldNotDecide(causeOf(err))
		c.decision, c.record = d, ""
		response = &admissionv1.AdmissionResponse{UID: c.req.UID, Result: denialStatus(c.req, &d, "")}
	}
	took := time.Since(c.start)
	h.Metrics.decided(c.req, &c.decision, took)
	h.logDecision(c, took)
	c.drain()
	_ = http.NewResponseController(c.w).SetWriteDeadline(c.start.Add(sendBy)) // a recorder has none
	if err := write(c.w, response); err != nil {
		h.Log.Info("answer not sent", "uid", c.req.UID, "reason", err.Error())
	}
}

// conclude does what follows from the decision: the record first, then the
// marks, then the answer.
func (h *Handler) conclude(ctx context.Context, c *call) (_ *admissionv1.AdmissionResponse, err error) {
	defer func() { err = recovered(ctx, recover(), err) }()
	h.record(ctx, c)
	c.patch = reviewPatch(c.req, &c.decision, c.now)
	if !c.req.DryRun {
		h.act(ctx, c)
	}
	return respond(c.req, &c.decision, c.record, c.patch)
}

// act does what a decision asks for beyond its record. A dry run leaves nothing
// behind, no mark either.
func (h *Handler) act(ctx context.Context, c *call) {
	d := &c.decision
	switch {
	case d.Action == policy.Deny:
		if aboutBreakGlass(d.Reason) {
			h.Grants.Refused(d.Reason)
		}
	case h.Final:
		h.closeWindows(ctx, d)
	default:
		c.patch = append(c.patch, h.Grants.Stamps(c.req, d, c.record)...)
		h.remember(c)
	}
}

func (h *Handler) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}
