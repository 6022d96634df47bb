package heartbeat

import (
	"context"
	"sync"
	"time"

	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

// look sees how the gate stands. told is a configuration of which was heard, as it was
// then; nil: both are read.
func (h *Heart) look(ctx context.Context, told *changed) (out look) {
	out = look{at: h.Clock.Now()}
	defer func() { out.until = h.Clock.Now() }()
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	var asking sync.WaitGroup
	asking.Go(func() { out.answers = h.servers.ask(ctx) })
	expected, l, err := h.read(ctx)
	gate := h.reached(ctx, l, out.at)
	asking.Wait()
	if err != nil {
		out.expected = h.watchman.expected
		out.unsure = &Fault{Cause: CauseUnwatched, Detail: err.Error()}
		return out
	}
	if out.expected = expected.state(); out.expected == "" && len(h.demands) == 0 {
		h.sights = nil
		return out
	}
	l = l.with(told)
	h.compare.expect(expected, out.at)
	faults, unsure := faultsOf(out.answers)
	out.faults = append(h.compare.faults(l, out.at), gate.explain(faults)...)
	out.unsure = unsure
	if off, is := l.off(); is {
		out.faults = append(out.faults, off)
	}
	out.faults = append(out.faults, h.hidden(ctx, l, expected, out.at)...)
	if err := h.demanded(ctx, &out, expected); err != nil {
		out.expected = h.watchman.expected
		out.unsure = &Fault{Cause: CauseUnwatched, Detail: err.Error()}
	}
	return out
}

func (h *Heart) read(ctx context.Context) (*Expected, live, error) {
	expected, err := h.Expected(ctx)
	if err != nil {
		return nil, live{}, err
	}
	l, err := readLive(ctx, h.Client)
	return expected, l, err
}

// reached connects to the gate where it is registered.
func (h *Heart) reached(ctx context.Context, l live, now time.Time) reached {
	if l.gate == nil || len(l.gate.Webhooks) == 0 {
		h.Metrics.certificate(reached{})
		return reached{}
	}
	r := reach(ctx, &l.gate.Webhooks[0].ClientConfig, now)
	h.Metrics.certificate(r)
	return r
}

// hidden are the namespaces that got out of the gate's sight. What can't be read is told
// by the log: it says nothing of the gate.
func (h *Heart) hidden(ctx context.Context, l live, expected *Expected, at time.Time) []Fault {
	if !needsNamespaces(l, expected) {
		h.sights = nil
		return nil
	}
	namespaces, err := listNamespaces(ctx, h.Client)
	if err != nil {
		logf.FromContext(ctx).Error(err, "hidden namespaces not looked for")
		return nil
	}
	next, left, err := h.sights.left(expected, namespaces, accounted(ctx, h.Client), at)
	if err != nil {
		logf.FromContext(ctx).Error(err, "hidden namespaces not looked for")
		return nil
	}
	h.sights = next
	return append(l.skipped(expected, namespaces), left...)
}
