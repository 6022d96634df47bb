package record

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Over lists the windows that cover a place, those that have ended and are not
// resolved included.
func (w *Watch) Over(p Place) []Window {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.windows.over(p)
}

// Ended lists the windows that have ended and are not resolved.
func (w *Watch) Ended() []Window {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Window
	now := w.Clock.Now()
	for _, name := range slices.Sorted(maps.Keys(w.windows.all)) {
		if window := w.windows.all[name]; !window.OpenAt(now) {
			out = append(out, *window)
		}
	}
	return out
}

// Open says whether an open window covers a place, as far as is known here.
func (w *Watch) Open(p Place) (Window, bool) {
	now := w.Clock.Now()
	for _, window := range w.Over(p) {
		if window.OpenAt(now) {
			return window, true
		}
	}
	return Window{}, false
}

// Refresh asks the API server which windows are open, past the watch. What is
// written inside a window is written after its record, so whoever has seen such a
// write knows the window after this. Calls at the same time share one answer.
func (w *Watch) Refresh(ctx context.Context) error {
	_, err := w.fresh.get(ctx, struct{}{}, func(ctx context.Context) (none struct{}, err error) {
		return none, pages(ctx, w.Client, client.MatchingLabels{v1alpha1.LabelWindow: WindowOpen}, w.putWindow)
	})
	if err != nil {
		return fmt.Errorf("asking for the open break-glass windows: %w", err)
	}
	return nil
}

// Unresolved lists the records that wait for a place to match git again, oldest
// first. Those of an open window are among them.
func (w *Watch) Unresolved(p Place) []Open {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open.of(p)
}

// Within finds the records of the writes that a window admitted, and keeps them as
// unresolved until [Watch.Forget].
func (w *Watch) Within(ctx context.Context, window *Window) error {
	err := pages(ctx, w.Client, client.MatchingLabels{
		v1alpha1.LabelOutcome: string(v1alpha1.OutcomeBreakGlass), v1alpha1.LabelUser: UserHash(window.User),
	}, func(rec *v1alpha1.ChangeRecord) {
		o, ok := OpenOf(rec)
		if !ok || o.Window != window.Record || !leavesTrace(rec.Spec.Request) {
			return
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.open.put(o)
	})
	if err != nil {
		return fmt.Errorf("listing the writes inside the window of record %s: %w", window.Record, err)
	}
	return nil
}

// Forget drops what is known of a record that is resolved.
func (w *Watch) Forget(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open.drop(name)
	if w.over[name] { // an open one goes on, whatever its record says
		w.windows.drop(name)
		delete(w.over, name)
	}
}

func (w *Watch) putWindow(rec *v1alpha1.ChangeRecord) {
	window, ok := WindowOf(rec)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.windows.all[rec.Name] != nil; known || rec.Status.Resolution == nil || window.OpenAt(w.Clock.Now()) {
		w.putWindowOf(window)
	}
}

// putWindowOf takes a window in and tells of it. w.mu is held.
func (w *Watch) putWindowOf(window Window) {
	news := w.windows.put(window)
	known := w.windows.all[window.Record]
	switch {
	case !known.OpenAt(w.Clock.Now()) && !w.over[window.Record]:
		w.ended(known)
	case news && known.OpenAt(w.Clock.Now()):
		w.tell(known.notice(false))
	}
}

func (w *Watch) windowNames() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.windows.all))
}

func (w *Watch) putOpen(rec *v1alpha1.ChangeRecord) {
	o, ok := OpenOf(rec)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !ok {
		w.open.drop(rec.Name)
		return
	}
	if w.open.put(o) {
		w.tell(Notice{Place: o.Place})
	}
}

// openGone: what lost the label is resolved, save a write in a window, which never
// had it where git declared none of its fields.
func (w *Watch) openGone(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open.all[name].Window == "" {
		w.open.drop(name)
	}
}

func (w *Watch) openNames() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.open.all))
}
