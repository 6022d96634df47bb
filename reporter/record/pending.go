package record

import (
	"context"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// waiting is a record that could not be written yet, or whose resolution could not.
type waiting struct {
	name       string // that was promised; the record may have got another
	once       bool
	rec        *v1alpha1.ChangeRecord
	written    bool
	resolution *v1alpha1.Resolution
	giveUp     time.Time
}

// postpone keeps a record for later, if that can help and there is room.
func (k *Keeper) postpone(w waiting, why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.pending {
		if k.pending[i].name == w.name {
			return
		}
	}
	if refused(why) || len(k.pending) >= k.options().MaxPending {
		k.Metrics.dropped()
		return
	}
	w.giveUp = k.Clock.Now().Add(k.options().RetryFor)
	k.pending = append(k.pending, w)
	k.Metrics.queue(len(k.pending))
}

// flushOne writes the oldest that waits, and how it ended. What fails is put at the
// end: a record that is written stays there until its resolution is, too.
func (k *Keeper) flushOne(ctx context.Context) error {
	k.mu.Lock()
	if len(k.pending) == 0 {
		k.mu.Unlock()
		return nil
	}
	mine := k.pending[0]
	mine.rec = mine.rec.DeepCopy()
	k.mu.Unlock()
	err := k.tryAgain(ctx, &mine)
	k.mu.Lock()
	defer k.mu.Unlock()
	first := k.pending[0] // only this goroutine takes from the front
	first.rec, first.written = mine.rec, mine.written
	k.pending = k.pending[1:]
	switch {
	case err == nil && first.resolution == mine.resolution:
	case refused(err), k.Clock.Now().After(first.giveUp):
		if !first.written {
			k.Metrics.dropped()
		}
	default: // it failed, or its resolution has come meanwhile
		k.pending = append(k.pending, first)
	}
	k.Metrics.queue(len(k.pending))
	return err
}

func (k *Keeper) tryAgain(ctx context.Context, w *waiting) error {
	ctx, cancel := context.WithTimeout(ctx, k.options().WriteTimeout)
	defer cancel()
	if !w.written {
		if _, err := k.write(ctx, w.rec, w.once); err != nil {
			return err
		}
		w.written = true
	}
	if w.resolution != nil {
		return k.resolve(ctx, w.rec.Name, *w.resolution)
	}
	if err := k.Standing(ctx, w.rec.Name); err != nil && !gone(err) {
		return err
	}
	return nil
}
