package alert

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// mostNotified is how many entries the API takes.
const mostNotified = 16

// conflicts is patient: the gate's replicas may count on the same record.
var conflicts = wait.Backoff{Steps: 8, Duration: 10 * time.Millisecond, Factor: 2, Jitter: 0.5}

// mark writes that a receiver took a notification. A record that is gone is no error.
// configured are the receivers that there are: entries of others make room.
func mark(ctx context.Context, c client.Client, i *item, receiver string, configured []string) error {
	err := retry.RetryOnConflict(conflicts, func() error {
		rec := &v1alpha1.ChangeRecord{}
		if err := c.Get(ctx, client.ObjectKey{Name: i.name}, rec); err != nil {
			return err
		}
		before := rec.DeepCopy()
		if !enter(rec, i, receiver, configured) {
			return nil
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return c.Status().Patch(ctx, rec, patch, client.FieldOwner("gitlatch"))
	})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing into record %s that %s was told: %w", i.name, receiver, err)
	}
	return nil
}

// enter adds or completes a receiver's entry, and says whether that changed anything.
func enter(rec *v1alpha1.ChangeRecord, i *item, receiver string, configured []string) (changed bool) {
	taken := metav1.NewTime(i.taken.Truncate(time.Second))
	entry := notified(rec, receiver)
	if entry == nil {
		if len(rec.Status.Notified) >= mostNotified {
			rec.Status.Notified = slices.DeleteFunc(rec.Status.Notified, func(n v1alpha1.Notified) bool {
				return !slices.Contains(configured, n.Receiver)
			})
		}
		rec.Status.Notified = append(rec.Status.Notified, v1alpha1.Notified{Receiver: receiver, At: taken})
		entry, changed = notified(rec, receiver), true
	}
	if i.saidEnd && entry.EndAt == nil {
		entry.EndAt, changed = &taken, true
	}
	return changed
}
