package record

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Store is the part of a client that records need. It must read live: a cached
// one would keep every record of the cluster in memory.
type Store interface {
	client.Reader
	Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error
	Status() client.SubResourceWriter
}

// owner is the field manager of what this package writes: one for all
// replicas, or managedFields would grow with each restart.
const owner = client.FieldOwner("gitlatch")

// conflicts is patient: all replicas may count on one record.
var conflicts = wait.Backoff{Steps: 8, Duration: 10 * time.Millisecond, Factor: 2, Jitter: 0.5}

// patchStatus changes the status of a record and sends only what changed, on
// condition that nobody wrote meanwhile, so that no field of others is lost.
// known is the record as read before, or nil. change says whether it changed
// anything; it may be called again.
func patchStatus(ctx context.Context, store Store, name string, known *v1alpha1.ChangeRecord, change func(*v1alpha1.ChangeRecord) bool) (*v1alpha1.ChangeRecord, error) {
	var rec *v1alpha1.ChangeRecord
	err := retry.RetryOnConflict(conflicts, func() error {
		rec, known = known, nil
		if rec == nil {
			rec = &v1alpha1.ChangeRecord{}
			if err := store.Get(ctx, client.ObjectKey{Name: name}, rec); err != nil {
				return err
			}
		}
		before := rec.DeepCopy()
		if !change(rec) {
			return nil
		}
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		return store.Status().Patch(ctx, rec, patch, owner)
	})
	if err != nil {
		return nil, fmt.Errorf("updating the status of record %s: %w", name, err)
	}
	return rec, nil
}

// ChangeStatus changes the status of a record for a loop of the reporter, as
// everything here does: change may be called again, on what somebody else has written
// meanwhile, and says whether there is anything to write. What it wrote is returned.
func ChangeStatus(ctx context.Context, store Store, name string, change func(*v1alpha1.ChangeRecord) bool) (*v1alpha1.ChangeRecord, error) {
	return patchStatus(ctx, store, name, nil, change)
}

// apply writes a replica's share into a status. base is what the replica had
// counted before; it is returned so that the next share counts on from there
// whatever became of this write.
func (s share) apply(status *v1alpha1.ChangeRecordStatus, base int64, baseKnown bool) int64 {
	at := slices.IndexFunc(status.Counts, func(c v1alpha1.ReplicaCount) bool { return c.Replica == s.replica })
	if at < 0 && s.one && len(status.Counts) > 0 { // another replica has counted it
		s.complete(status)
		return base
	}
	if at < 0 {
		status.Counts = append(status.Counts, v1alpha1.ReplicaCount{Replica: s.replica})
		at = len(status.Counts) - 1
	}
	if !baseKnown && !s.one {
		base = status.Counts[at].Count
	}
	status.Counts[at].Count = max(status.Counts[at].Count, base+s.count)
	status.Count = 0
	for _, c := range status.Counts {
		status.Count += c.Count
	}
	s.complete(status)
	return base
}

// complete writes what of a share is no count.
func (s share) complete(status *v1alpha1.ChangeRecordStatus) {
	if status.FirstSeen.IsZero() || tellsMore(s.first, status.FirstSeen.Time) {
		status.FirstSeen = metav1.NewMicroTime(s.first)
	}
	if s.last.After(status.LastSeen.Time) {
		status.LastSeen = metav1.NewMicroTime(s.last)
	}
	if status.Phase == "" {
		status.Phase = s.phase
	}
	for _, name := range s.sample {
		if len(status.Sample) < maxSamples && !slices.Contains(status.Sample, name) {
			status.Sample = append(status.Sample, name)
		}
	}
	if status.Name == "" {
		status.Name = s.realName
	}
}

// sameStatus tells that there is nothing to write.
func sameStatus(a, b *v1alpha1.ChangeRecordStatus) bool { return equality.Semantic.DeepEqual(a, b) }

// gone tells that there is nothing left to update.
func gone(err error) bool { return apierrors.IsNotFound(err) }
