package live

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Deletion is what became of an object that was to be deleted.
type Deletion string

const (
	// Deleted: it is gone now.
	Deleted Deletion = "Deleted"
	// Deleting: it will be gone when its finalizers, or what is in it, are.
	Deleting Deletion = "Deleting"
	// Gone: it was not there, or its kind is not served, in any version.
	Gone Deletion = "Gone"
	// NotOurs: it does not carry the mark of the sync.
	NotOurs Deletion = "NotOurs"
	// Spared: its annotation says not to prune it.
	Spared Deletion = "Spared"
)

// Delete deletes an object that carries the mark, as it was when the mark was read: not
// one that came under its name since, nor one that was handed to another sync. What it
// owns goes in the background. A refusal is an error.
func (c *Cluster) Delete(ctx context.Context, ref Ref, mark string) (Deletion, error) {
	for range maxTries {
		found, err := c.look(ctx, ref)
		switch {
		case err != nil:
			return "", err
		case found == nil:
			return Gone, nil
		case mark == "" || found.Labels[v1alpha1.LabelSync] != mark:
			return NotOurs, nil
		case found.Annotations[v1alpha1.AnnotationPrune] == "disabled":
			return Spared, nil
		case found.DeletionTimestamp != nil:
			return Deleting, nil
		}
		err = c.remove(ctx, ref, found.UID, found.ResourceVersion)
		switch {
		case err == nil:
			return c.afterDelete(ctx, ref, found)
		case apierrors.IsNotFound(err):
			return Gone, nil
		case !apierrors.IsConflict(err) || ctx.Err() != nil:
			return "", err
		}
	}
	return "", fmt.Errorf("deleting %s: %w", ref.Key, errMoved)
}

// afterDelete looks again where something may hold the object.
func (c *Cluster) afterDelete(ctx context.Context, ref Ref, was *metav1.PartialObjectMetadata) (Deletion, error) {
	slow := ref.Group == "" && (ref.Kind == "Namespace" || ref.Kind == "Pod")
	if len(was.Finalizers) == 0 && !slow {
		return Deleted, nil
	}
	found, err := c.look(ctx, ref)
	if err != nil {
		return "", err
	}
	if found != nil && found.UID == was.UID {
		return Deleting, nil
	}
	return Deleted, nil
}

// remove deletes exactly what was seen.
func (c *Cluster) remove(ctx context.Context, ref Ref, uid types.UID, resourceVersion string) error {
	background := metav1.DeletePropagationBackground
	err := c.where(ref, func(m *meta.RESTMapping) error {
		return c.metadataOf(m, ref.Namespace).Delete(ctx, ref.Name, metav1.DeleteOptions{
			Preconditions:     &metav1.Preconditions{UID: &uid, ResourceVersion: &resourceVersion},
			PropagationPolicy: &background,
		})
	})
	if err != nil {
		return fmt.Errorf("deleting %s: %w", ref.Key, err)
	}
	return nil
}
