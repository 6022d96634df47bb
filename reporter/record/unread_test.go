package record

import (
	"context"
	"errors"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// silent is a store in which some reads are not answered.
type silent struct {
	Store
	gets, lists bool
}

var errSilent = errors.New("too many requests")

func (s *silent) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if s.gets {
		return errSilent
	}
	return s.Store.Get(ctx, key, obj, opts...)
}

func (s *silent) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if s.lists {
		return errSilent
	}
	return s.Store.List(ctx, list, opts...)
}

// A write that looks like a retry of another one, which could not be read, is not
// admitted; and where the policy admits it nevertheless, it is compared in the end.
func TestWhatCannotBeComparedIsNoRetry(t *testing.T) {
	turn := time.Now().Truncate(attemptBucket)
	for name, test := range map[string]struct {
		first, second time.Time
		away          silent
		anyway        bool // it is admitted without a record
		want          int  // records in the end
	}{
		"across the turn, where no record can be listed":          {turn.Add(-time.Second), turn.Add(time.Second), silent{lists: true}, false, 1},
		"across the turn, where no record can be read":            {turn.Add(-time.Second), turn.Add(time.Second), silent{gets: true}, false, 1},
		"in one bucket, where no record can be listed":            {turn.Add(time.Second), turn.Add(2 * time.Second), silent{lists: true}, false, 1},
		"in one bucket, where no record can be read":              {turn.Add(time.Second), turn.Add(2 * time.Second), silent{gets: true}, false, 1},
		"admitted across the turn, where no record can be listed": {turn.Add(-time.Second), turn.Add(time.Second), silent{lists: true}, true, 1},
		"admitted across the turn, where no record can be read":   {turn.Add(-time.Second), turn.Add(time.Second), silent{gets: true}, true, 1},
		"admitted in one bucket, where no record can be listed":   {turn.Add(time.Second), turn.Add(2 * time.Second), silent{lists: true}, true, 1},
		"admitted in one bucket, where no record can be read":     {turn.Add(time.Second), turn.Add(2 * time.Second), silent{gets: true}, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			one, _ := newWriter(t, "gate-1")
			one.Clock = clocktesting.NewFakeClock(test.first)
			two, store := newWriter(t, "gate-2")
			test.away.Store = store
			two.Store, two.Clock = &test.away, clocktesting.NewFakeClock(test.second)
			alice := person(t, "alice")
			_, err := one.Admitted(t.Context(), flagged(alice, "a", "5", "blue", 1))
			must(t, err)
			must(t, one.Flush(t.Context()))
			e := flagged(alice, "a", "6", "blue", 2)
			e.Retry = test.anyway
			if rec, err := two.Admitted(t.Context(), e); !errors.Is(err, errSilent) {
				t.Errorf("on record as %v, error %v", rec, err)
			}
			test.away.gets, test.away.lists = false, false
			if !test.anyway { // whoever was refused comes again
				_, err := two.Admitted(t.Context(), e)
				must(t, err)
			}
			must(t, two.Flush(t.Context()))
			if found := recordsOf(t, alice); len(found) != test.want {
				t.Errorf("%d records, want %d: %+v", len(found), test.want, found)
			}
		})
	}
}
