package record

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Archive is the part of a client that records need whose life goes on.
type Archive interface {
	Store
	Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error
}

// Keeper writes what the applier has to say of records: what it pulled back, and how
// a target came to match git again. Its fields are set before the first use; its
// methods may be called from many goroutines. [Keeper.Start] must run for what could
// not be written at once.
type Keeper struct {
	Store   Archive
	Metrics *Metrics
	Clock   clock.WithTicker
	Options Options

	policies policies

	mu      sync.Mutex
	pending []waiting
}

func (k *Keeper) options() Options { return k.Options.withDefaults() }

// Resolve writes down how a record's target came to match git again, and takes the
// record out of those that wait. The first answer stands, but that something was
// pulled back outweighs that nothing had to be, and either that it was accepted for want
// of git. A write that was never stored has nothing to resolve. A record that is gone is
// no error.
func (k *Keeper) Resolve(ctx context.Context, name string, r v1alpha1.Resolution) error {
	if k.later(name, r) {
		return nil
	}
	return k.resolve(ctx, name, r)
}

func (k *Keeper) resolve(ctx context.Context, name string, r v1alpha1.Resolution) error {
	rec, err := patchStatus(ctx, k.Store, name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		before := rec.Status.DeepCopy()
		k.seen(rec)
		settleAs(&rec.Status, r)
		return !sameStatus(before, &rec.Status)
	})
	if err != nil {
		if gone(err) {
			return nil
		}
		return fmt.Errorf("resolving record %s: %w", name, err)
	}
	// In this order: a crash in between leaves a record that is found by its label.
	if _, waits := rec.Labels[v1alpha1.LabelUnresolved]; !waits {
		return nil
	}
	after := rec.DeepCopy()
	delete(after.Labels, v1alpha1.LabelUnresolved)
	if err := k.Store.Patch(ctx, after, client.MergeFrom(rec), owner); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("taking record %s out of the unresolved: %w", name, err)
	}
	return nil
}

func settleAs(s *v1alpha1.ChangeRecordStatus, r v1alpha1.Resolution) {
	if s.Phase == v1alpha1.PhaseNotPersisted {
		return
	}
	if s.Resolution == nil || s.Resolution.State == v1alpha1.ResolutionAccepted ||
		s.Resolution.State == v1alpha1.ResolutionCommitted && r.State == v1alpha1.ResolutionReverted {
		s.Resolution = r.DeepCopy()
	}
	if s.Phase != v1alpha1.PhaseClosed {
		s.Phase = v1alpha1.PhaseResolved
	}
}

// later keeps the resolution of a record that waits. The record may be written under
// another name already, so this one would not find it.
func (k *Keeper) later(name string, r v1alpha1.Resolution) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.pending {
		if k.pending[i].name == name {
			k.pending[i].resolution = &r
			return true
		}
	}
	return false
}

// Start tries again what could not be written, until ctx ends, and then once more.
func (k *Keeper) Start(ctx context.Context) error {
	ticker := k.Clock.NewTicker(k.options().FlushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.options().ShutdownTimeout)
			defer cancel()
			k.flush(last)
			return nil
		case <-ticker.C():
			k.flush(ctx)
		}
	}
}

// NeedLeaderElection says that it runs where the applier does.
func (k *Keeper) NeedLeaderElection() bool { return true }

func (k *Keeper) flush(ctx context.Context) {
	k.mu.Lock()
	n := len(k.pending)
	k.mu.Unlock()
	for range n {
		if err := k.flushOne(ctx); err != nil {
			logf.FromContext(ctx).V(1).Info("could not write a record, it is tried again", "error", err.Error())
			return
		}
	}
}
