package record

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A value is set, taken back and set again by three replicas. What is recorded does not
// hang on their clocks, nor on whether each lived to store a time.
func TestWhoWentOnIsToldByTheVersion(t *testing.T) {
	turned := func(user, from, to, version string, review int) Entry {
		e := flagged(user, "a", version, to, review)
		e.Changes[0].From = from
		return e
	}
	for name, test := range map[string]struct {
		ahead  [3]time.Duration // of the replicas' clocks
		killed int              // the replica that does not store its status
	}{
		"where the second was killed":    {[3]time.Duration{time.Second, 0, 0}, 1},
		"where the third was killed":     {[3]time.Duration{0, time.Second, 0}, 2},
		"where the first was killed":     {[3]time.Duration{0, -time.Second, 0}, 0},
		"where a clock is seconds ahead": {[3]time.Duration{3 * time.Second, 0, 0}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			away(attemptBucket, 5*time.Second)
			alice, now := person(t, "alice"), time.Now()
			for n, e := range []Entry{turned(alice, "red", "blue", "9", 1), turned(alice, "blue", "red", "10", 2), turned(alice, "red", "blue", "11", 3)} {
				w, _ := newWriter(t, "gate-1")
				w.Clock = clocktesting.NewFakeClock(now.Add(test.ahead[n]))
				made, err := w.Admitted(t.Context(), e)
				must(t, err)
				if n != test.killed {
					must(t, w.Flush(t.Context()))
				}
				other, _ := newWriter(t, "gate-2")
				found, err := other.Admitted(t.Context(), final(e))
				must(t, err)
				if found.Name != made.Name {
					t.Errorf("the validating call of attempt %d is on record as %s, the mutating one as %s", n+1, found.Name, made.Name)
				}
			}
			if found := recordsOf(t, alice); len(found) != 3 {
				t.Errorf("%d records, want 3: %+v", len(found), found)
			}
		})
	}
}

// Where versions can't be compared, a time in whole seconds may be any within that one.
func TestInDoubtSomebodyWentOn(t *testing.T) {
	at := func(seconds float64) *v1alpha1.ChangeRecord {
		rec := &v1alpha1.ChangeRecord{Spec: v1alpha1.ChangeRecordSpec{Target: &v1alpha1.Target{ResourceVersion: "opaque"}}}
		began := time.Unix(1e9, int64(seconds*1e9))
		rec.Status.FirstSeen = metav1.NewMicroTime(began)
		if wholeSecond(began) {
			rec.Status.FirstSeen, rec.CreationTimestamp = metav1.MicroTime{}, metav1.NewTime(began)
		}
		return rec
	}
	turn := func(rec *v1alpha1.ChangeRecord, name, version, from, to string) *v1alpha1.ChangeRecord {
		rec.Name, rec.Spec.Changes = name, []v1alpha1.Change{{Path: ".data.color", From: from, To: to}}
		if version != "" {
			rec.Spec.Target.ResourceVersion = version
		}
		return rec
	}
	for name, test := range map[string]struct {
		made, next *v1alpha1.ChangeRecord
		want       bool
	}{
		"later":                               {turn(at(.1), "a", "", "red", "blue"), turn(at(.4), "b", "", "blue", "red"), true},
		"earlier":                             {turn(at(.4), "a", "", "red", "blue"), turn(at(.1), "b", "", "blue", "red"), false},
		"in the same second, not told when":   {turn(at(.4), "a", "", "red", "blue"), turn(at(0), "b", "", "blue", "red"), true},
		"in the second before, not told when": {turn(at(1.4), "a", "", "red", "blue"), turn(at(0), "b", "", "blue", "red"), false},
		"after what is not told when":         {turn(at(0), "a", "", "red", "blue"), turn(at(.4), "b", "", "blue", "red"), true},
		"from a younger version by a clock that is wrong": {turn(at(.4), "a", "9", "red", "blue"), turn(at(.1), "b", "10", "blue", "red"), true},
		"from an older version by a clock that is wrong":  {turn(at(.1), "a", "10", "red", "blue"), turn(at(.4), "b", "9", "blue", "red"), false},
		"to another value": {turn(at(.1), "a", "", "red", "blue"), turn(at(.4), "b", "", "green", "red"), false},
	} {
		if got := overtakes([]v1alpha1.ChangeRecord{*test.made, *test.next}, test.made); got != test.want {
			t.Errorf("%s: somebody went on: %t", name, got)
		}
	}
}

// A time in whole seconds is that of a record's creation: whoever saw the attempt knows
// better, and is believed whichever comes first.
func TestAnExactTimeStandsBeforeThatOfTheCreation(t *testing.T) {
	second := time.Unix(1e9, 0)
	for name, test := range map[string]struct{ stored, seen, want time.Time }{
		"the writer was only slow":  {second, second.Add(700 * time.Millisecond), second.Add(700 * time.Millisecond)},
		"the writer was first":      {second.Add(700 * time.Millisecond), second, second.Add(700 * time.Millisecond)},
		"of two exact ones":         {second.Add(700 * time.Millisecond), second.Add(100 * time.Millisecond), second.Add(100 * time.Millisecond)},
		"of two of the creation":    {second.Add(time.Second), second, second},
		"of two different seconds":  {second, second.Add(1700 * time.Millisecond), second},
		"there was none as yet":     {time.Time{}, second, second},
		"later, and known the best": {second.Add(100 * time.Millisecond), second.Add(700 * time.Millisecond), second.Add(100 * time.Millisecond)},
	} {
		status := v1alpha1.ChangeRecordStatus{FirstSeen: metav1.NewMicroTime(test.stored)}
		share{first: test.seen, last: test.seen}.complete(&status)
		if !status.FirstSeen.Time.Equal(test.want) {
			t.Errorf("%s: first seen %s, want %s", name, status.FirstSeen, test.want)
		}
	}
}
