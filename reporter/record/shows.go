package record

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Hidden are the two sides of a change whose values must not be shown.
func Hidden(from, to any, both bool) (any, any) { return hide(from, to, both) }

// Declares says that what a record's write had set is what is declared by now, as far
// as the record shows it. at finds a declared value.
func (k *Keeper) Declares(ctx context.Context, name string, at func(path string) (any, bool)) (bool, error) {
	rec := &v1alpha1.ChangeRecord{}
	if err := k.Store.Get(ctx, client.ObjectKey{Name: name}, rec); err != nil {
		if gone(err) {
			return false, nil
		}
		return false, fmt.Errorf("reading record %s: %w", name, err)
	}
	if rec.Spec.Request.Operation == operationDelete {
		return false, nil
	}
	caught, others := false, 0
	for _, c := range rec.Spec.Changes {
		if windowMark(c.Path) {
			continue // it goes with the window, whatever git says
		}
		others++
		set := c.To
		if rec.Spec.Outcome == v1alpha1.OutcomeDrift { // its changes lead back
			set = c.From
		}
		v, has := at(c.Path)
		switch {
		case c.Declared && (c.Path == Unlisted || !shown(set)):
			caught = true // it can't be told
		case c.Declared && text(v, has) != set:
			return false, nil
		case c.Declared || has && text(v, has) == set:
			caught = true
		}
	}
	return caught || others == 0, nil
}

// windowMark: the path is of a mark of a break-glass window.
func windowMark(path string) bool {
	return strings.HasPrefix(path, ".metadata.annotations") &&
		(strings.Contains(path, v1alpha1.AnnotationBreakGlass) || strings.Contains(path, fluxReconcile))
}

// fluxReconcile is the pause that the gate sets with a window on what Flux carries.
const fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"
