package record

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// maxAgain is how often another name is looked for: each that is taken was taken since
// it was asked for.
const maxAgain = 4

// Drifted writes the record of a drift, within the write timeout. One that is there
// already and waits for its resolution is as good: a crash between the record and the
// correction leaves no second one. On an error the record is kept and tried again in
// the background; its name is that by which [Keeper.Resolve] knows it.
func (k *Keeper) Drifted(ctx context.Context, d Drift) (name string, err error) {
	ctx = context.WithoutCancel(ctx)
	rec := d.record(k.hiding(ctx))
	ctx, cancel := context.WithTimeout(ctx, k.options().WriteTimeout)
	defer cancel()
	if d.Request.Operation == operationDelete && (d.Target == nil || d.Target.UID == "") {
		// What was deleted while nobody watched has no uid to tell one from the next.
		if earlier, _, err := k.unfinished(ctx, d.act()); err == nil && earlier != "" {
			return earlier, nil
		}
	}
	promised := rec.Name
	began := k.Clock.Now()
	isNew, err := k.write(ctx, rec, d.Once)
	k.Metrics.wrote(k.Clock.Since(began))
	switch {
	case err != nil:
		k.Metrics.record(v1alpha1.OutcomeDrift, resultFailed)
		k.postpone(waiting{name: promised, once: d.Once, rec: rec}, err)
		return promised, fmt.Errorf("recording the drift of %s %s/%s: %w", d.Request.Kind, d.Request.Namespace, d.Request.Name, err)
	case isNew:
		k.Metrics.record(v1alpha1.OutcomeDrift, resultWritten)
	default:
		k.Metrics.record(v1alpha1.OutcomeDrift, resultCoalesced)
	}
	return rec.Name, nil
}

// write creates a record, if there is none of the same drift that waits for its
// resolution. Where the one of that name is resolved, the same has come again, and gets
// a name of its own. That is made of what is resolved, so that it is found again after a
// crash; rec has it afterwards.
func (k *Keeper) write(ctx context.Context, rec *v1alpha1.ChangeRecord, once bool) (isNew bool, err error) {
	base := rec.Name
	for range maxAgain {
		err := k.Store.Create(ctx, rec.DeepCopy(), owner)
		if !apierrors.IsAlreadyExists(err) {
			return err == nil, err
		}
		if once {
			return false, nil
		}
		there := &v1alpha1.ChangeRecord{}
		switch err := k.Store.Get(ctx, client.ObjectKey{Name: rec.Name}, there); {
		case gone(err):
			continue
		case err != nil:
			return false, fmt.Errorf("reading record %s: %w", rec.Name, err)
		case there.Status.Resolution == nil:
			return false, nil
		}
		_, over, err := k.unfinished(ctx, rec.Labels[labelAttempt])
		if err != nil {
			return false, err
		}
		rec.Name = recordName(append([]string{base}, over...)...)
	}
	return false, fmt.Errorf("looking for a name: all of %d are taken", maxAgain)
}

// unfinished finds a record of an act that nothing has resolved, as an earlier process
// may have left it, and the uids of those that are resolved, in order.
func (k *Keeper) unfinished(ctx context.Context, act string) (name string, over []string, err error) {
	err = pages(ctx, k.Store, client.MatchingLabels{labelAttempt: act}, func(rec *v1alpha1.ChangeRecord) {
		if rec.Status.Resolution == nil {
			name = rec.Name
		} else {
			over = append(over, string(rec.UID))
		}
	})
	slices.Sort(over)
	return name, over, err
}
