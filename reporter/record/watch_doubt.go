package record

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// windowGone is told of a window that an event or a list has no more. A list may be
// older than what [Watch.Refresh] found since, and an event does not say why; so the
// record is asked: an end that is believed too early undoes an emergency.
func (w *Watch) windowGone(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if window := w.windows.all[name]; window == nil || window.Ended {
		return
	}
	if w.doubts == nil {
		w.doubts = map[string]bool{}
	}
	w.doubts[name] = true
}

// askAfter reads the records of the windows that are in doubt. What can't be read now
// stays in doubt.
func (w *Watch) askAfter(ctx context.Context) error {
	w.mu.Lock()
	names := slices.Sorted(maps.Keys(w.doubts))
	w.mu.Unlock()
	for _, name := range names {
		limited, cancel := context.WithTimeout(ctx, askTimeout)
		rec := &v1alpha1.ChangeRecord{}
		err := w.Client.Get(limited, client.ObjectKey{Name: name}, rec)
		cancel()
		switch {
		case gone(err):
			w.windowDeleted(name)
		case err != nil:
			return fmt.Errorf("reading record %s: %w", name, err)
		default:
			w.putWindow(rec)
		}
		w.mu.Lock()
		delete(w.doubts, name)
		w.mu.Unlock()
	}
	return nil
}

// windowDeleted: there is no record any more that says that the window is open.
func (w *Watch) windowDeleted(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	window := w.windows.all[name]
	if window == nil {
		return
	}
	window.Ended = true
	if !w.over[name] {
		w.ended(window)
	}
}
