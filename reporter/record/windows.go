package record

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Window is a break-glass window, as the record that opened it says.
type Window struct {
	Record string // its name
	User   string
	Scope  v1alpha1.WindowScope
	Place  Place // the object that carries the annotation
	UID    types.UID
	Opened time.Time
	Until  time.Time
	// Ended says that its record tells of the end.
	Ended bool
}

// WindowOf is the window that a record opened; ok is false where it opened none
// that is known.
func WindowOf(rec *v1alpha1.ChangeRecord) (w Window, ok bool) {
	bg := rec.Spec.BreakGlass
	if rec.Spec.Outcome != v1alpha1.OutcomeBreakGlass || bg == nil || bg.Window != "" {
		return Window{}, false
	}
	place, named := PlaceOf(rec)
	if bg.Scope == v1alpha1.WindowNamespace && place.Resource != "namespaces" {
		place = Place{Resource: "namespaces", Namespace: place.Namespace, Name: place.Namespace}
	}
	w = Window{
		Record: rec.Name, User: rec.Spec.Requester.Username, Scope: bg.Scope, Place: place,
		UID: targetUID(rec), Opened: Seen(rec), Until: bg.Until.Time, Ended: rec.Status.Window != nil,
	}
	return w, named && (bg.Scope == v1alpha1.WindowObject || bg.Scope == v1alpha1.WindowNamespace)
}

// windowGrace is how long a window whose time is over waits for its record to say so.
// The gate ends it by its own clock, and writes that down within seconds: until then
// somebody may still be at work whose clock is behind ours.
const windowGrace = 5 * time.Second

// OpenAt says that the window is to be taken for open.
func (w *Window) OpenAt(now time.Time) bool { return !w.Ended && now.Before(w.Until.Add(windowGrace)) }

// Covers says that a place lies inside the window.
func (w *Window) Covers(p Place) bool {
	p = p.normal()
	if w.Scope == v1alpha1.WindowNamespace {
		return p.Namespace != "" && p.Namespace == w.Place.Namespace
	}
	return w.Place == p
}

// windowIndex knows windows by the namespace that they lie in. Ended ones are kept
// until they are resolved. Watch.mu guards it.
type windowIndex struct {
	all     map[string]*Window
	byPlace map[string]map[string]*Window // by namespace
}

// put takes a window in, and says whether anything about it is new. One that ended
// stays so: an event may be late.
func (x *windowIndex) put(w Window) (news bool) {
	if known := x.all[w.Record]; known != nil {
		w.Ended = w.Ended || known.Ended
		news = *known != w
		*known = w
		return news
	}
	if x.all == nil {
		x.all, x.byPlace = map[string]*Window{}, map[string]map[string]*Window{}
	}
	set := x.byPlace[w.Place.Namespace]
	if set == nil {
		set = map[string]*Window{}
		x.byPlace[w.Place.Namespace] = set
	}
	x.all[w.Record] = &w
	set[w.Record] = &w
	return true
}

func (x *windowIndex) drop(name string) {
	w := x.all[name]
	if w == nil {
		return
	}
	delete(x.all, name)
	set := x.byPlace[w.Place.Namespace]
	delete(set, name)
	if len(set) == 0 {
		delete(x.byPlace, w.Place.Namespace)
	}
}

// over lists the windows that cover a place, in order of name.
func (x *windowIndex) over(p Place) []Window {
	var out []Window
	for _, w := range x.byPlace[p.normal().Namespace] {
		if w.Covers(p) {
			out = append(out, *w)
		}
	}
	slices.SortFunc(out, func(a, b Window) int { return cmp.Compare(a.Record, b.Record) })
	return out
}
