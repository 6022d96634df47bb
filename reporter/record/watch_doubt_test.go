package record

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// windowRecord stores the record of a window that is open for an hour.
func windowRecord(t *testing.T) *v1alpha1.ChangeRecord {
	t.Helper()
	e := entryOf("Deployment", operationUpdate)
	e.OpensWindow = true
	e.Spec.Outcome = v1alpha1.OutcomeBreakGlass
	e.Spec.Request.Group, e.Spec.Request.Resource = "apps", "deployments"
	e.Spec.Request.Namespace, e.Spec.Request.Name = "prod", person(t, "web")
	e.Spec.BreakGlass = &v1alpha1.RecordedWindow{
		Reason: "INC-42: the database is gone", Scope: v1alpha1.WindowObject, Until: metav1.NewTime(time.Now().Add(time.Hour)),
	}
	rec := build(recordName("window", t.Name()), &e)
	must(t, newClient(t).Create(t.Context(), rec))
	return rec
}

// TestAnOlderListEndsNoWindow: a list that was asked for before the window opened does
// not have it.
func TestAnOlderListEndsNoWindow(t *testing.T) {
	c := newClient(t)
	w := &Watch{Client: c, Clock: clock.RealClock{}}
	f := &feed{watch: w, label: v1alpha1.LabelWindow, value: WindowOpen, put: w.putWindow, gone: w.windowGone, names: w.windowNames, listed: &w.listed[0]}
	rec := windowRecord(t)
	place, _ := PlaceOf(rec)
	must(t, w.Refresh(t.Context()))
	expect := func(what string, want bool) {
		t.Helper()
		if _, open := w.Open(place); open != want {
			t.Errorf("%s: open is %t", what, open)
		}
	}
	must(t, f.Replace(nil, "100"))
	expect("after a list from before", true)
	must(t, w.askAfter(t.Context()))
	expect("after its record was read", true)
	if len(w.doubts) != 0 {
		t.Errorf("still in doubt: %v", w.doubts)
	}
	_, err := patchStatus(t.Context(), c, rec.Name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		rec.Status.Window = &v1alpha1.WindowEnd{At: metav1.NewMicroTime(time.Now()), Reason: v1alpha1.WindowRemoved}
		return true
	})
	must(t, err)
	must(t, f.Delete(rec))
	must(t, w.askAfter(t.Context()))
	expect("after its record told of the end", false)
	w.putWindow(rec)
	expect("after an event from before", false)
}

func TestAWindowWhoseRecordIsDeletedHasEnded(t *testing.T) {
	c := newClient(t)
	w := &Watch{Client: c, Clock: clock.RealClock{}}
	var told []Notice
	defer w.Subscribe(func(n Notice) { told = append(told, n) })()
	rec := windowRecord(t)
	w.putWindow(rec)
	must(t, c.Delete(t.Context(), rec))
	w.windowGone(rec.Name)
	must(t, w.askAfter(t.Context()))
	place, _ := PlaceOf(rec)
	want := []Notice{{Place: place, Window: rec.Name}, {Place: place, Window: rec.Name, Ended: true}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("notices (-want +got):\n%s", diff)
	}
}

// TestAWindowIsOpenUntilItsRecordSaysOtherwiseOrForAWhile: clocks differ.
func TestAWindowIsOpenUntilItsRecordSaysOtherwiseOrForAWhile(t *testing.T) {
	until := time.Unix(1_700_000_000, 0)
	for _, tt := range []struct {
		name  string
		ended bool
		at    time.Duration
		want  bool
	}{
		{"before its time is over", false, -time.Second, true},
		{"just after, by our clock", false, 2 * time.Second, true},
		{"long after", false, windowGrace, false},
		{"just after, and its record says that it ended", true, 2 * time.Second, false},
		{"before, and its record says that it ended", true, -time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := Window{Until: until, Ended: tt.ended}
			if got := w.OpenAt(until.Add(tt.at)); got != tt.want {
				t.Errorf("open is %t", got)
			}
		})
	}
}

func TestOfManyRecordsOfAPlaceTheNewestAreKept(t *testing.T) {
	found := map[Place][]act{}
	began := time.Unix(1_700_000_000, 0)
	for i := range maxActPlaces + 10 {
		keepAct(found, Place{Name: fmt.Sprint(i)}, act{"cr-1", began})
	}
	for i := range 100 {
		keepAct(found, Place{Name: "1"}, act{fmt.Sprint(i), began.Add(time.Duration(i*37%100) * time.Second)})
	}
	var got []time.Duration
	for _, a := range found[Place{Name: "1"}] {
		got = append(got, a.seen.Sub(began)/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{99, 98, 97, 96, 95, 94, 93, 92}, got); diff != "" || len(found) != maxActPlaces {
		t.Errorf("%d places, the newest of one (-want +got):\n%s", len(found), diff)
	}
}

// TestAnAdmissionIsFoundAmongOthers: of another place, of another value, resolved.
func TestAnAdmissionIsFoundAmongOthers(t *testing.T) {
	c := newClient(t)
	w := &Watch{Client: c, Clock: clock.RealClock{}}
	d := driftOf(t)
	d.Request.Namespace = "admission"
	flagged := func(name string, to any, tweaks ...func(*Entry)) string {
		e := entryOf("Deployment", operationUpdate, Change{Path: ".spec.replicas", From: int64(2), To: to, HasFrom: true, HasTo: true, Declared: true})
		e.Unresolved = true
		e.Spec.Outcome, e.Spec.Request = v1alpha1.OutcomeFlagged, d.Request
		for _, tweak := range tweaks {
			tweak(&e)
		}
		rec := build(recordName(t.Name(), name), &e)
		must(t, c.Create(t.Context(), rec))
		return rec.Name
	}
	flagged("another value", int64(7))
	want := flagged("it", int64(5))
	flagged("another place", int64(5), func(e *Entry) { e.Spec.Request.Name = "api" })
	k := &Keeper{Store: c, Clock: clock.RealClock{}}
	must(t, k.Resolve(context.Background(), flagged("resolved", int64(5)), reverted()))
	got, err := w.Admission(t.Context(), &d)
	must(t, err)
	if got == nil || got.Name != want {
		t.Errorf("found %v, want %s", client.ObjectKeyFromObject(got), want)
	}
}
