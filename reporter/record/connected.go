package record

import (
	"context"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// connected records an admitted CONNECT: one record per requester, target,
// subresource and five minutes, with a count.
func (w *Writer) connected(ctx context.Context, e *Entry) (*v1alpha1.ChangeRecord, error) {
	if e.Final && !w.connecting(e) {
		if rec := w.connectedElsewhere(ctx, e); rec != nil {
			w.Metrics.record(e.Spec.Outcome, resultCoalesced)
			return rec, nil
		}
	}
	s, first := w.connectSlot(e)
	if first {
		w.begin(ctx, s, e, e.Retry)
	} else {
		w.Metrics.record(e.Spec.Outcome, resultCoalesced)
	}
	if err := w.await(ctx, s); err != nil {
		return nil, err
	}
	return build(s.name, e), nil
}

func (w *Writer) connectSlot(e *Entry) (s *slot, first bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, key := w.Clock.Now(), e.connectKey()
	if s := w.live(key, now); s != nil {
		if !e.Final { // the second call of a request that the first one counted
			s.saw(now, "")
		}
		return s, false
	}
	return w.newSlot(key, v1alpha1.PhaseAdmitted, now), true
}

// connecting tells that this replica counts such CONNECTs already.
func (w *Writer) connecting(e *Entry) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.live(e.connectKey(), w.Clock.Now()) != nil
}
