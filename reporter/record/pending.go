package record

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// waiting is a record that could not be written yet.
type waiting struct {
	rec        *v1alpha1.ChangeRecord
	resolution *v1alpha1.Resolution
	giveUp     time.Time
}

// postpone keeps a record for later, if that can help and there is room.
func (k *Keeper) postpone(rec *v1alpha1.ChangeRecord, why error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.pending {
		if k.pending[i].rec.Name == rec.Name {
			return
		}
	}
	if refused(why) || len(k.pending) >= k.options().MaxPending {
		k.Metrics.dropped()
		return
	}
	k.pending = append(k.pending, waiting{rec: rec, giveUp: k.Clock.Now().Add(k.options().RetryFor)})
	k.Metrics.queue(len(k.pending))
}

// flushOne writes the oldest that waits, or puts it at the end.
func (k *Keeper) flushOne(ctx context.Context) error {
	k.mu.Lock()
	if len(k.pending) == 0 {
		k.mu.Unlock()
		return nil
	}
	name, rec := k.pending[0].rec.Name, k.pending[0].rec.DeepCopy()
	k.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, k.options().WriteTimeout)
	defer cancel()
	err := k.Store.Create(limited, rec, owner)
	if apierrors.IsAlreadyExists(err) {
		err = nil
	}
	k.mu.Lock()
	first := k.pending[0] // only this goroutine takes from the front
	k.pending = k.pending[1:]
	switch {
	case err == nil:
	case refused(err), k.Clock.Now().After(first.giveUp):
		k.Metrics.dropped()
	default:
		k.pending = append(k.pending, first)
	}
	k.Metrics.queue(len(k.pending))
	k.mu.Unlock()
	if err != nil {
		return err
	}
	if first.resolution == nil {
		return k.Standing(ctx, name)
	}
	return k.Resolve(ctx, name, *first.resolution)
}
