package record

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// overtaken tells that somebody went on from what the recorded attempt made, as
// [attempts.overtake] does for what this replica has seen: it is over, and the same
// again is another one.
func (w *Writer) overtaken(ctx context.Context, there *v1alpha1.ChangeRecord, e *Entry) (bool, error) {
	others, err := w.younger(ctx, e.act())
	if err != nil {
		return false, err
	}
	return overtakes(others, there), nil
}

// overtakes tells it of the records of one act. In doubt somebody did: better one
// record too many.
func overtakes(others []v1alpha1.ChangeRecord, there *v1alpha1.ChangeRecord) bool {
	return slices.ContainsFunc(others, func(u v1alpha1.ChangeRecord) bool {
		return u.Name != there.Name && goesOn(&u, there) && !precedes(&u, there)
	})
}

// sameBase tells that e would change the very version of the object that the record's
// attempt would: nobody has gone on from that one, as far as e can be stored at all.
func sameBase(there *v1alpha1.ChangeRecord, e *Entry) bool {
	return version(there) != "" && version(there) == e.version()
}

// precedes tells that a record's attempt began before another, for certain. Whoever
// goes on from what another made begins from a younger version of the object. Times
// are asked only where versions can't be compared, as some aggregated API server's
// can't: until its first status is stored, a record bears a time in whole seconds, and
// the clocks of two replicas differ.
func precedes(a, b *v1alpha1.ChangeRecord) bool {
	if order, err := resourceversion.CompareResourceVersion(version(a), version(b)); err == nil {
		return order <= 0
	}
	began := Seen(a)
	if wholeSecond(began) {
		began = began.Add(time.Second)
	}
	return began.Before(Seen(b))
}

// wholeSecond tells the time of a record's creation from one that a writer has seen:
// it was some time within that second.
func wholeSecond(t time.Time) bool { return t.Nanosecond() == 0 }

// tellsMore tells that a time is nearer to when an attempt was first seen than the
// known one: it is earlier, or says when within the second that is all that is known.
func tellsMore(t, known time.Time) bool {
	if t.Unix() == known.Unix() && wholeSecond(t) != wholeSecond(known) {
		return wholeSecond(known)
	}
	return t.Before(known)
}

// goesOn tells that a record's attempt changed the very value that another made.
func goesOn(rec, from *v1alpha1.ChangeRecord) bool {
	for _, made := range from.Spec.Changes {
		if ownMark(made.Path) || !shown(made.To) {
			continue
		}
		for _, c := range rec.Spec.Changes {
			if c.Path == made.Path && c.From == made.To && c.To != made.To {
				return true
			}
		}
	}
	return false
}
