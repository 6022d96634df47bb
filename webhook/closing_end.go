package webhook

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Close ends windows now: on this replica at once, and in their records, from
// which the others learn it. Whether the targets still differ is written a moment
// later by [Closing], once the write that ended them is stored. All windows are
// tried; a record that could not be written leaves its window open on the other
// replicas until its time is over.
func (g *Grants) Close(ctx context.Context, ws []policy.Window, reason v1alpha1.WindowEndReason) error {
	var errs []error
	for _, w := range ws {
		end := g.index.endWindow(w.Record, &v1alpha1.WindowEnd{At: metav1.NewMicroTime(g.Clock.Now()), Reason: reason})
		errs = append(errs, g.end(ctx, w.Record, end))
	}
	return errors.Join(errs...)
}

// end writes the end of a window to its record, unless it is there already: the
// first end stands.
func (g *Grants) end(ctx context.Context, name string, end *v1alpha1.WindowEnd) error {
	return g.update(ctx, name, func(rec *v1alpha1.ChangeRecord) bool {
		if rec.Status.Window != nil {
			return false
		}
		rec.Status.Window = end.DeepCopy()
		return true
	})
}

// update changes a record's status. Counting and review write there too, so a
// conflict is met by reading again. change says whether there is anything to
// write.
func (g *Grants) update(ctx context.Context, name string, change func(*v1alpha1.ChangeRecord) bool) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		rec, err := g.record(ctx, name)
		if err != nil || rec == nil {
			return err
		}
		before := rec.DeepCopy()
		if !change(rec) {
			return nil
		}
		return g.Client.Status().Patch(ctx, rec, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	})
	if err != nil {
		return fmt.Errorf("writing the end of the window of record %s: %w", name, err)
	}
	return nil
}

// finish writes down whether the targets still differ, then takes the label away.
// In this order a crash in between leaves a window that is seen as ended, and
// which the next leader finds by its label; the other way round nobody would come
// back to it. end is used where the record has none: writing it had failed.
func (c *Closing) finish(ctx context.Context, name string, end *v1alpha1.WindowEnd) error {
	rec, err := c.Grants.record(ctx, name)
	if err != nil || rec == nil {
		return err
	}
	if rec.Status.Window == nil || rec.Status.Window.Message == "" {
		differs, message, err := c.compare(ctx, rec)
		if err != nil {
			return err
		}
		err = c.Grants.update(ctx, name, func(rec *v1alpha1.ChangeRecord) bool {
			if rec.Status.Window == nil {
				rec.Status.Window = end.DeepCopy()
			}
			rec.Status.Window.Differs, rec.Status.Window.Message = differs, message
			return true
		})
		if err != nil {
			return err
		}
	}
	return c.Grants.unlabel(ctx, rec)
}

// unlabel takes a record out of the watch over open windows.
func (g *Grants) unlabel(ctx context.Context, rec *v1alpha1.ChangeRecord) error {
	if rec.Labels[v1alpha1.LabelWindow] == record.WindowOpen {
		after := rec.DeepCopy()
		delete(after.Labels, v1alpha1.LabelWindow)
		if err := g.Client.Patch(ctx, after, client.MergeFrom(rec)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("taking record %s out of the open windows: %w", rec.Name, err)
		}
	}
	g.index.forgetWindow(rec.Name)
	return nil
}
