package review

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// sawGit looks whether git has the target of a creation or a deletion now: their records
// do not say what was declared. What was created by hand and then declared is committed;
// what was deleted by hand and then applied again is reverted. Nothing is known of an
// object that nobody may read or whose kind is gone, and the approval stands.
func (l *Loop) sawGit(ctx context.Context, rec *v1alpha1.ChangeRecord, resolution *v1alpha1.Resolution) error {
	request := &rec.Spec.Request
	state := map[string]v1alpha1.ResolutionState{
		"CREATE": v1alpha1.ResolutionCommitted, "DELETE": v1alpha1.ResolutionReverted,
	}[request.Operation]
	place, known := record.PlaceOf(rec)
	if state == "" || !known || request.Kind == "" {
		return nil
	}
	target := &metav1.PartialObjectMetadata{}
	target.SetGroupVersionKind(schema.GroupVersionKind{Group: request.Group, Version: request.Version, Kind: request.Kind})
	if place.Group == "" && place.Resource == "namespaces" {
		place.Namespace = ""
	}
	err := l.Client.Get(ctx, client.ObjectKey{Namespace: place.Namespace, Name: place.Name}, target)
	switch {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err), meta.IsNoMatchError(err):
		return nil
	case err != nil:
		return fmt.Errorf("reading the target of record %s: %w", rec.Name, err)
	case !target.DeletionTimestamp.IsZero() || !applied(target):
		return nil
	}
	resolution.State = state
	resolution.Commit, _, _ = strings.Cut(target.Annotations[v1alpha1.AnnotationCommit], " ")
	return nil
}

// applied says that a sync applied the object: Gitlatch's, Flux's or Argo CD's. The gate
// lets no person write these marks.
func applied(object *metav1.PartialObjectMetadata) bool {
	for _, label := range []string{v1alpha1.LabelSync, "kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"} {
		if object.Labels[label] != "" {
			return true
		}
	}
	return object.Annotations["argocd.argoproj.io/tracking-id"] != ""
}
