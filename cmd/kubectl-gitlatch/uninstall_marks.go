package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Flux leaves an object alone while it carries this. The gate sets it for the time of a
// window.
const fluxPause = "kustomize.toolkit.fluxcd.io/reconcile"

// planMarks tells how many objects carry marks, and of windows that are open: whoever
// has one loses its end.
func (u *uninstall) planMarks(ctx context.Context, r *removal) error {
	windows := 0
	err := r.cluster.each(ctx, r.cluster.kind(v1alpha1.Group, "changerecords"),
		metav1.ListOptions{LabelSelector: v1alpha1.LabelWindow + "=" + record.WindowOpen},
		func(*metav1.PartialObjectMetadata) error { windows++; return nil })
	if err != nil {
		return err
	}
	if windows > 0 {
		r.note("%d break-glass windows are open: nobody will pull back what was done in them", windows)
	}
	defer r.prune()
	marked := 0
	if u.marks {
		err := u.eachMarked(ctx, r, func(removed, map[string]any) error { marked++; return nil })
		if marked > 0 {
			r.step("marks").Objects = []string{fmt.Sprintf("the marks of %d objects", marked)}
		}
		return err
	}
	for i := range r.cluster.kinds {
		err := r.cluster.each(ctx, &r.cluster.kinds[i], metav1.ListOptions{LabelSelector: v1alpha1.LabelSync},
			func(*metav1.PartialObjectMetadata) error { marked++; return nil })
		switch {
		case err == nil, apierrors.IsForbidden(err):
		case serverSaid(err):
			r.note("marks on %s are not counted: %s", r.cluster.kinds[i].GroupResource(), line(err.Error()))
		default:
			return err
		}
	}
	if marked > 0 {
		r.note("%d objects keep the labels and annotations of a sync, which do nothing any more; --remove-marks takes them off", marked)
	}
	return nil
}

// rounds is how often marks are looked for. Controllers copy annotations to what they make,
// from parents that may come later.
const rounds = 3

// removeMarks takes them off until nothing is found. One that another's webhook refuses is
// told of, and no more: marks do nothing.
func (u *uninstall) removeMarks(ctx context.Context, r *removal, _ *removalStep) error {
	var refused []string
	for round := 0; ; round++ {
		var found []string
		err := u.eachMarked(ctx, r, func(t removed, change map[string]any) error {
			if slices.Contains(refused, t.String()) {
				return nil
			}
			found = append(found, t.String())
			if round == rounds {
				return nil
			}
			err := r.cluster.patch(ctx, t, map[string]any{"metadata": change})
			if !serverSaid(err) {
				return err
			}
			if refused = append(refused, t.String()); len(refused) <= told {
				r.note("the marks stay: %s", line(err.Error()))
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(found) > 0 && round < rounds {
			continue
		}
		if len(found) > 0 {
			r.note("%d objects had marks again after they were taken off %d times, such as %s: something copies them, and they stay", len(found), rounds, found[0])
		}
		if more := len(refused) - told; more > 0 {
			r.note("the marks of %d more objects stay, which could not be written", more)
		}
		return nil
	}
}

// told is how many objects are told of by name.
const told = 10

// eachMarked calls do with every object of somebody else's that carries marks, and with
// what takes them off.
func (u *uninstall) eachMarked(ctx context.Context, r *removal, do func(removed, map[string]any) error) error {
	for i := range r.cluster.kinds {
		k := &r.cluster.kinds[i]
		if k.Group == v1alpha1.Group || k.Group == admissionGroup || k.Resource == "events" ||
			!slices.Contains(k.verbs, "patch") {
			continue
		}
		err := r.cluster.each(ctx, k, metav1.ListOptions{}, func(o *metav1.PartialObjectMetadata) error {
			if change := unmarking(o); change != nil {
				return do(removed{*k, o.Namespace, o.Name}, change)
			}
			return nil
		})
		if serverSaid(err) {
			r.note("marks on %s are not looked for: %s", k.GroupResource(), line(err.Error()))
		} else if err != nil {
			return err
		}
	}
	return nil
}

// unmarking is what takes the marks off an object; nil where it has none.
func unmarking(o *metav1.PartialObjectMetadata) map[string]any {
	labels, annotations := map[string]any{}, map[string]any{}
	for key := range o.Labels {
		if strings.HasPrefix(key, v1alpha1.Group+"/") {
			labels[key] = nil
		}
	}
	for key := range o.Annotations {
		if strings.HasPrefix(key, v1alpha1.Group+"/") {
			annotations[key] = nil
		}
	}
	if o.Annotations[v1alpha1.AnnotationBreakGlassRecord] != "" && o.Annotations[fluxPause] == "disabled" && !declaresPause(o) {
		annotations[fluxPause] = nil
	}
	if len(labels)+len(annotations) == 0 {
		return nil
	}
	return map[string]any{"labels": labels, "annotations": annotations}
}

// declaresPause: somebody applied it, so that it is not the gate's.
func declaresPause(o *metav1.PartialObjectMetadata) bool {
	return slices.ContainsFunc(o.ManagedFields, func(e metav1.ManagedFieldsEntry) bool {
		return e.Operation == metav1.ManagedFieldsOperationApply && e.FieldsV1 != nil &&
			strings.Contains(e.FieldsV1.GetRawString(), `"f:`+fluxPause+`"`)
	})
}
