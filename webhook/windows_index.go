package webhook

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// windowIndex holds the windows and the guarded paths that records tell of. The
// records are the authority: everything here is a copy, and the zero value, which
// knows nothing, is where a restart begins.
type windowIndex struct {
	mu      sync.RWMutex
	windows map[string]*indexedWindow                // by name of the opening record
	byUser  map[string]map[string]struct{}           // names of records
	byPlace map[windowTarget]map[string]struct{}     // the same, by the object that carries the annotation
	guards  map[string]guard                         // by name of the record
	guarded map[windowTarget]map[string]*guardedPath // by path
}

// indexedWindow is a window and how it ended; nil: it has not been ended. An ended
// one is kept until its record leaves the watch: an event that was under way when
// it ended must not open it again.
type indexedWindow struct {
	window policy.Window
	end    *v1alpha1.WindowEnd
}

func (k *indexedWindow) openAt(now time.Time) bool { return k.end == nil && openAt(&k.window, now) }

// putWindow takes a record's window in, and says whether it is new here.
func (x *windowIndex) putWindow(rec *v1alpha1.ChangeRecord) (isNew bool) {
	w, ok := windowOf(rec)
	if !ok {
		w = policy.Window{Record: rec.Name} // it covers nothing
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	known, end := x.windows[rec.Name], rec.Status.Window
	isNew = ok && known == nil && end == nil
	if known != nil && end == nil {
		end = known.end
	}
	x.dropWindow(rec.Name)
	if ok || end != nil {
		x.addWindow(w, end)
	}
	return isNew
}

// endWindow ends a window here at once, before the watch tells, and also one of
// which it has not told yet. It returns the end that stands, which is the first: by a
// later one the write that ended it could come again for ever.
func (x *windowIndex) endWindow(name string, end *v1alpha1.WindowEnd) *v1alpha1.WindowEnd {
	x.mu.Lock()
	defer x.mu.Unlock()
	if known := x.windows[name]; known != nil {
		known.end = cmp.Or(known.end, end)
		return known.end
	}
	x.addWindow(policy.Window{Record: name}, end)
	return end
}

// forgetWindow drops a window whose record has left the watch.
func (x *windowIndex) forgetWindow(name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.dropWindow(name)
}

func (x *windowIndex) addWindow(w policy.Window, end *v1alpha1.WindowEnd) {
	if x.windows == nil {
		x.windows = map[string]*indexedWindow{}
		x.byUser = map[string]map[string]struct{}{}
		x.byPlace = map[windowTarget]map[string]struct{}{}
	}
	x.windows[w.Record] = &indexedWindow{window: w, end: end}
	addName(x.byUser, w.User, w.Record)
	addName(x.byPlace, bearer(&w), w.Record)
}

func (x *windowIndex) dropWindow(name string) {
	known := x.windows[name]
	if known == nil {
		return
	}
	delete(x.windows, name)
	removeName(x.byUser, known.window.User, name)
	removeName(x.byPlace, bearer(&known.window), name)
}

// about lists the open windows that the user has over the target, and those that
// anybody opened on this very object: they end when its annotation goes. The
// order is that of the record's names.
func (x *windowIndex) about(user string, t windowTarget, now time.Time) []policy.Window {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if len(x.windows) == 0 {
		return nil // the common case costs nothing
	}
	var out []policy.Window
	for name := range x.byUser[user] {
		if k := x.windows[name]; k.openAt(now) && covers(&k.window, t) {
			out = append(out, k.window)
		}
	}
	for name := range x.byPlace[t] {
		if k := x.windows[name]; k.openAt(now) && k.window.User != user && !generated(t.name) {
			out = append(out, k.window)
		}
	}
	slices.SortFunc(out, func(a, b policy.Window) int { return cmp.Compare(a.Record, b.Record) })
	return out
}

// on lists the open windows whose annotation this object carries, the one that
// ends last first.
func (x *windowIndex) on(t windowTarget, now time.Time) []policy.Window {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []policy.Window
	for name := range x.byPlace[t] {
		if k := x.windows[name]; k.openAt(now) {
			out = append(out, k.window)
		}
	}
	slices.SortFunc(out, func(a, b policy.Window) int {
		return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(a.Record, b.Record))
	})
	return out
}

// endOf is how a window was ended here, which its record may not say yet; nil: it
// was not.
func (x *windowIndex) endOf(name string) *v1alpha1.WindowEnd {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if known := x.windows[name]; known != nil {
		return known.end
	}
	return nil
}

// all lists every window that is known, ended ones included.
func (x *windowIndex) all() []indexedWindow {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]indexedWindow, 0, len(x.windows))
	for _, k := range x.windows {
		out = append(out, *k)
	}
	slices.SortFunc(out, func(a, b indexedWindow) int { return cmp.Compare(a.window.Record, b.window.Record) })
	return out
}

func addName[K comparable](m map[K]map[string]struct{}, key K, name string) {
	if m[key] == nil {
		m[key] = map[string]struct{}{}
	}
	m[key][name] = struct{}{}
}

func removeName[K comparable](m map[K]map[string]struct{}, key K, name string) {
	delete(m[key], name)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}
