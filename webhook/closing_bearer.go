package webhook

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// storedBy is how long the write that opened a window may take to be stored: the
// API server gives a request no more than a minute.
const storedBy = time.Minute

// lookForBearer ends a window whose annotation is gone though no request was
// judged to end it: a sync or a controller may take it away like any other. It
// also ends the window of a namespace that is gone, or that was made anew under
// its name. That of a deleted object stays: whoever opened it may create the
// object again.
func (c *Closing) lookForBearer(ctx context.Context, name string) error {
	rec, err := c.Grants.record(ctx, name)
	if err != nil || rec == nil {
		return err
	}
	w, ok := windowOf(rec)
	place := bearer(&w)
	if !ok || rec.Status.Window != nil || generated(place.name) {
		return nil
	}
	r := &rec.Spec.Request
	live, err := c.read(ctx, schema.GroupVersionResource{Group: r.Group, Version: r.Version, Resource: r.Resource}, place)
	if err != nil {
		return fmt.Errorf("reading %s %s/%s: %w", place.resource, place.namespace, place.name, err)
	}
	gone := w.Scope == v1alpha1.WindowNamespace && (live == nil || otherThan(rec, live))
	if !gone && !unmarked(rec, live, c.Clock.Now()) {
		return nil
	}
	return c.end(ctx, name, v1alpha1.WindowRemoved, c.Clock.Now())
}

// otherThan says that this is not the object which the window was opened on.
func otherThan(rec *v1alpha1.ChangeRecord, live *metav1.PartialObjectMetadata) bool {
	return rec.Spec.Target != nil && rec.Spec.Target.UID != "" && rec.Spec.Target.UID != live.UID
}

// unmarked says that the object which the window was opened on lives, and does not
// carry the annotation any more. Nothing is said while the write that brings it may
// be on its way. An object that was made later never carried it; where the window
// came with the object's creation, whose uid nobody knew, its age must do.
func unmarked(rec *v1alpha1.ChangeRecord, live *metav1.PartialObjectMetadata, now time.Time) bool {
	stored := seenFirst(rec).Add(storedBy)
	if live == nil || live.DeletionTimestamp != nil || now.Before(stored) || otherThan(rec, live) {
		return false
	}
	if rec.Spec.Request.Operation == "CREATE" && live.CreationTimestamp.After(stored) {
		return false
	}
	_, marked := live.Annotations[v1alpha1.AnnotationBreakGlass]
	return !marked
}
