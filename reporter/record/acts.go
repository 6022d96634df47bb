package record

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apilabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// explainsFor is how long ago an admitted deletion may be and still explain that an
// object is gone whose uid is not known.
const explainsFor = 10 * time.Minute

// maxActs bounds what of one place is asked for, the newest, and maxActPlaces of how
// many places it is known.
const (
	maxActs      = 8
	maxActPlaces = 8192
)

// actsKey is what is asked together.
type actsKey struct {
	namespace, kind, operation string
	changes                    bool // of declared fields, which wait for git; else deletions, creations and additions
}

// act is what is kept of a record while one is looked for: all of them, with their
// values, may be more than there is memory.
type act struct {
	record string
	seen   time.Time
}

// Admission finds the record under which the gate admitted what a drift shows; nil
// says that there is none. The gate writes the record before the write is stored, so
// that who asks after having seen the write does not ask too early.
func (w *Watch) Admission(ctx context.Context, d *Drift) (*v1alpha1.ChangeRecord, error) {
	rec, err := w.admission(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("looking for the admission of what changed %s %s/%s: %w", d.Request.Kind, d.Request.Namespace, d.Request.Name, err)
	}
	return rec, nil
}

func (w *Watch) admission(ctx context.Context, d *Drift) (*v1alpha1.ChangeRecord, error) {
	key := actsKey{
		namespace: d.place().Namespace, kind: d.Request.Kind, operation: d.Request.Operation,
		changes: d.Request.Operation == operationUpdate && d.ofDeclared(),
	}
	found, err := w.acts.get(ctx, key, func(ctx context.Context) (map[Place][]act, error) { return w.admitted(ctx, key) })
	if err != nil {
		return nil, err
	}
	entry := d.entry()
	mine := build("", &entry)
	for _, a := range found[d.place()] {
		rec := &v1alpha1.ChangeRecord{}
		switch err := w.Client.Get(ctx, client.ObjectKey{Name: a.record}, rec); {
		case gone(err):
		case err != nil:
			return nil, err
		case w.explains(rec, d, mine):
			return rec, nil
		}
	}
	return nil, nil
}

// ofDeclared says that a declared field is among the changes: git says what it is to be.
func (d *Drift) ofDeclared() bool {
	return slices.ContainsFunc(d.Changes, func(c Change) bool { return c.HasTo })
}

// admitted lists what the gate let through, by place, the newest first.
func (w *Watch) admitted(ctx context.Context, key actsKey) (map[Place][]act, error) {
	selected := apilabels.NewSelector()
	for _, want := range []struct {
		label  string
		values []string
	}{
		{v1alpha1.LabelOutcome, []string{string(v1alpha1.OutcomeFlagged), string(v1alpha1.OutcomeBreakGlass)}},
		{v1alpha1.LabelKind, []string{LabelValue(key.kind), "Scale"}},
		{v1alpha1.LabelNamespace, []string{LabelValue(key.namespace)}},
		{v1alpha1.LabelUnresolved, []string{Unresolved}},
	} {
		if want.label == v1alpha1.LabelNamespace && key.namespace == "" || want.label == v1alpha1.LabelUnresolved && !key.changes {
			continue
		}
		requirement, err := apilabels.NewRequirement(want.label, selection.In, want.values)
		if err != nil {
			return nil, err
		}
		selected = selected.Add(*requirement)
	}
	found := map[Place][]act{}
	err := pages(ctx, w.Client, client.MatchingLabelsSelector{Selector: selected}, func(rec *v1alpha1.ChangeRecord) {
		if place, ok := PlaceOf(rec); ok && rec.Spec.Request.Operation == key.operation && mayExplain(rec) {
			keepAct(found, place, act{rec.Name, Seen(rec)})
		}
	})
	return found, err
}

// keepAct takes one in, if there is room for it.
func keepAct(found map[Place][]act, place Place, a act) {
	of, known := found[place]
	if !known && len(found) >= maxActPlaces {
		return
	}
	at, _ := slices.BinarySearchFunc(of, a, func(e, a act) int { return a.seen.Compare(e.seen) })
	if of = slices.Insert(of, at, a); len(of) > maxActs {
		of = of[:maxActs]
	}
	found[place] = of
}

// mayExplain tells whether a record can still be what a drift shows.
func mayExplain(rec *v1alpha1.ChangeRecord) bool {
	return rec.Status.Phase != v1alpha1.PhaseNotPersisted && rec.Status.Resolution == nil
}

// explains tells whether a record is of the act that led to the drift.
func (w *Watch) explains(rec *v1alpha1.ChangeRecord, d *Drift, mine *v1alpha1.ChangeRecord) bool {
	r := rec.Spec.Request
	if r.Operation != d.Request.Operation || !mayExplain(rec) {
		return false
	}
	switch r.Operation {
	case operationUpdate:
		return leadsTo(rec, mine)
	case operationDelete:
		if d.Target != nil && d.Target.UID != "" && targetUID(rec) != "" {
			return targetUID(rec) == d.Target.UID && r.Subresource == ""
		}
		return r.Subresource == "" && w.Clock.Since(LastSeen(rec)) < explainsFor
	case operationCreate:
		return r.Subresource == "" && d.Target != nil
	}
	return false
}

// leadsTo tells whether what a record's request set is what a drift found, as far
// as both show it.
func leadsTo(rec, drift *v1alpha1.ChangeRecord) bool {
	for _, c := range rec.Spec.Changes {
		for _, found := range drift.Spec.Changes {
			switch {
			case c.Path == found.Path && shown(c.To) && shown(found.From):
				if c.To == found.From {
					return true
				}
			case c.Path == Unlisted, overlap(c.Path, found.Path):
				return true
			}
		}
	}
	return false
}

// overlap tells that one path is the other, or lies in it.
func overlap(a, b string) bool {
	a, b = strings.TrimSuffix(a, ellipsis), strings.TrimSuffix(b, ellipsis)
	if len(a) < len(b) {
		a, b = b, a
	}
	rest, ok := strings.CutPrefix(a, b)
	return ok && b != "" && startsStep(rest)
}

// shown tells that a value is neither hidden nor cut.
func shown(text string) bool {
	return !strings.Contains(text, redacted) && !strings.HasSuffix(text, ellipsis)
}
