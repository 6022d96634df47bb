package webhook

import (
	"fmt"

	"k8s.io/client-go/tools/cache"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Informer tells of ChangeRecords as they come, change and leave the watch;
// controller-runtime's and client-go's informers are such.
type Informer interface {
	AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error)
}

// Watch feeds the grants from two informers, since a label selector knows no
// "or": one over the records with gitlatch.dev/window=open, and one over those
// with gitlatch.dev/unresolved=true. They may be one and the same where its
// selector lets both through. Call it once, before the informers start.
func (g *Grants) Watch(open, unresolved Informer) error {
	synced := make([]func() bool, 0, 2)
	for _, w := range []struct {
		name     string
		informer Informer
		handler  cache.ResourceEventHandler
	}{
		{"open windows", open, recordHandler(g.sawWindow, g.index.forgetWindow)},
		{"unresolved records", unresolved, recordHandler(g.index.putGuard, g.index.forgetGuard)},
	} {
		registration, err := w.informer.AddEventHandler(w.handler)
		if err != nil {
			return fmt.Errorf("watching %s: %w", w.name, err)
		}
		synced = append(synced, registration.HasSynced)
	}
	g.synced.Store(&synced)
	return nil
}

// Synced says that every record which was there at the start has been seen. A
// replica that is not synced knows less than it should: it must not be ready.
func (g *Grants) Synced() bool {
	synced := g.synced.Load()
	if synced == nil {
		return false
	}
	for _, f := range *synced {
		if !f() {
			return false
		}
	}
	return true
}

// sawWindow takes a record from the watch. A record without the label has left
// the watch where the selector is wider than ours.
func (g *Grants) sawWindow(rec *v1alpha1.ChangeRecord) {
	if rec.Labels[v1alpha1.LabelWindow] != record.WindowOpen {
		g.index.forgetWindow(rec.Name)
		return
	}
	g.index.putWindow(rec)
}

func recordHandler(put func(*v1alpha1.ChangeRecord), forget func(string)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if rec, ok := obj.(*v1alpha1.ChangeRecord); ok {
				put(rec)
			}
		},
		UpdateFunc: func(_, obj any) {
			if rec, ok := obj.(*v1alpha1.ChangeRecord); ok {
				put(rec)
			}
		},
		DeleteFunc: func(obj any) {
			// The watch may have missed the deletion and tell it by key alone.
			if name, err := cache.DeletionHandlingMetaNamespaceKeyFunc(obj); err == nil {
				forget(name)
			}
		},
	}
}
