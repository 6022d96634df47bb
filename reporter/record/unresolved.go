package record

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Open is a record whose target may still differ from git, without its values.
type Open struct {
	Record  string // its name
	Outcome v1alpha1.Outcome
	Place   Place
	Seen    time.Time
	Window  string // in which the write was admitted; its own name where it opened that
	// Stored says that the write was not stopped after it was admitted, as far as is
	// known.
	Stored bool
	// Paths are those that changed.
	Paths []string
}

// OpenOf is what is kept of a record; ok is false where no single object is known.
func OpenOf(rec *v1alpha1.ChangeRecord) (o Open, ok bool) {
	place, ok := PlaceOf(rec)
	o = Open{
		Record: rec.Name, Outcome: rec.Spec.Outcome, Place: place, Seen: Seen(rec),
		Stored: rec.Status.Phase != v1alpha1.PhaseNotPersisted,
	}
	if bg := rec.Spec.BreakGlass; bg != nil {
		o.Window = cmp.Or(bg.Window, rec.Name)
	}
	for _, c := range rec.Spec.Changes {
		if c.Declared {
			o.Paths = append(o.Paths, c.Path)
		}
	}
	return o, ok && rec.Status.Resolution == nil
}

// openIndex knows unresolved records by place. Watch.mu guards it.
type openIndex struct {
	all     map[string]Open
	byPlace map[Place]map[string]struct{}
}

// put takes a record in, and says whether it is new.
func (x *openIndex) put(o Open) (isNew bool) {
	_, known := x.all[o.Record]
	x.drop(o.Record)
	if x.all == nil {
		x.all, x.byPlace = map[string]Open{}, map[Place]map[string]struct{}{}
	}
	x.all[o.Record] = o
	if x.byPlace[o.Place] == nil {
		x.byPlace[o.Place] = map[string]struct{}{}
	}
	x.byPlace[o.Place][o.Record] = struct{}{}
	return !known
}

func (x *openIndex) drop(name string) {
	o, known := x.all[name]
	if !known {
		return
	}
	delete(x.all, name)
	delete(x.byPlace[o.Place], name)
	if len(x.byPlace[o.Place]) == 0 {
		delete(x.byPlace, o.Place)
	}
}

// of lists the records of a place, oldest first.
func (x *openIndex) of(p Place) []Open {
	var out []Open
	for _, name := range slices.Sorted(maps.Keys(x.byPlace[p.normal()])) {
		out = append(out, x.all[name])
	}
	slices.SortStableFunc(out, func(a, b Open) int { return a.Seen.Compare(b.Seen) })
	return out
}
