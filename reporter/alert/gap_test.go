package alert

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// endGap writes the end of a gap, as the heartbeat does.
func endGap(t *testing.T, c client.Client, name string, at time.Time) *v1alpha1.ChangeRecord {
	t.Helper()
	rec := get(t, c, name)
	before := client.MergeFrom(rec.DeepCopy())
	rec.Status.Gap = &v1alpha1.GapEnd{At: metav1.NewMicroTime(at)}
	must(t, c.Status().Patch(t.Context(), rec, before))
	return rec
}

func alertsOf(t *testing.T, g got) []postableAlert {
	t.Helper()
	var alerts []postableAlert
	must(t, json.Unmarshal([]byte(g.body), &alerts))
	return alerts
}

// TestAGapIsToldUntilItEnds: Alertmanager hears of it each minute, and then that it is
// over.
func TestAGapIsToldUntilItEnds(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "central", Type: Alertmanager, URL: p.URL}, time.Now().Add(-time.Hour))
	rec := create(t, c, name(t, "a"), time.Now(), gapRecord(time.Now().Add(-20*time.Second)))
	courier.changed(rec)
	courier.pass(t, 5*time.Minute+time.Second)
	received := p.received()
	if len(received) != 6 { // at once, and each minute
		t.Fatalf("told %d times in five minutes, want 6", len(received))
	}
	last := alertsOf(t, received[5])[0]
	if last.EndsAt.Before(courier.clock.Now().Add(2*resendGap)) || last.Labels["record"] != rec.Name {
		t.Errorf("the last ends at %s: one lost request would end it", last.EndsAt)
	}

	// A process that starts anew goes on.
	next := newTold(t, c, Receiver{Name: "central", Type: Alertmanager, URL: p.URL}, time.Now().Add(-time.Hour))
	next.changed(get(t, c, rec.Name))
	next.pass(t, time.Second)
	if again := len(p.received()); again != 7 {
		t.Errorf("after a restart told %d times, want once more", again-6)
	}

	end := time.Now().Add(-time.Second).Truncate(time.Microsecond)
	next.changed(endGap(t, c, rec.Name, end))
	next.pass(t, 10*time.Minute)
	received = p.received()
	if len(received) != 8 {
		t.Fatalf("told %d times, want once of the end", len(received)-7)
	}
	over := alertsOf(t, received[7])[0]
	if !over.EndsAt.Equal(end) || cmp.Diff(over.Labels, last.Labels) != "" {
		t.Errorf("the end is at %s, want %s; labels %v, and were %v", over.EndsAt, end, over.Labels, last.Labels)
	}
	told := get(t, c, rec.Name).Status.Notified
	if len(told) != 1 || told[0].EndAt == nil {
		t.Errorf("status.notified = %+v", told)
	}
}

// TestTheEndOfAGapIsNewsOfItsOwn, with an id of its own, once.
func TestTheEndOfAGapIsNewsOfItsOwn(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "oncall", Type: CloudEvents, URL: p.URL}, time.Now().Add(-time.Hour))
	rec := create(t, c, name(t, "a"), time.Now(), gapRecord(time.Now().Add(-time.Minute)))
	courier.changed(rec)
	courier.pass(t, time.Second)
	// The gate was seen shut before the notification went out, and that is written later.
	courier.changed(endGap(t, c, rec.Name, time.Now().Add(-10*time.Second)))
	courier.pass(t, time.Minute)
	courier.changed(get(t, c, rec.Name))
	courier.pass(t, time.Minute)
	if diff := cmp.Diff([]string{string(rec.UID), string(rec.UID) + "/end"}, p.ids()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// TestAGapThatIsOverBeforeAnybodyWasTold is told once, and stands for a while: an alert
// that has ended is never announced.
func TestAGapThatIsOverBeforeAnybodyWasTold(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "central", Type: Alertmanager, URL: p.URL}, time.Now().Add(-time.Hour))
	rec := create(t, c, name(t, "a"), time.Now().Add(-30*time.Minute), gapRecord(time.Now().Add(-30*time.Minute)))
	courier.changed(endGap(t, c, rec.Name, time.Now().Add(-10*time.Minute)))
	courier.pass(t, 10*time.Minute)
	received := p.received()
	if len(received) != 1 {
		t.Fatalf("told %d times, want 1", len(received))
	}
	if alert := alertsOf(t, received[0])[0]; !alert.EndsAt.After(time.Now().Add(50 * time.Minute)) {
		t.Errorf("the alert ends at %s", alert.EndsAt)
	}
	courier.changed(get(t, c, rec.Name))
	courier.pass(t, 10*time.Minute)
	if again := len(p.received()); again != 1 {
		t.Errorf("told %d times", again)
	}
}

// TestAnOlderLookTakesNothingBack: all records are read again while the stream goes on,
// and a page may be older than what the stream told.
func TestAnOlderLookTakesNothingBack(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	courier := newTold(t, c, Receiver{Name: "oncall", Type: CloudEvents, URL: p.URL}, time.Now().Add(-time.Hour))
	rec := create(t, c, name(t, "a"), time.Now(), gapRecord(time.Now().Add(-time.Minute)))
	courier.changed(rec)
	courier.pass(t, time.Second)
	open := get(t, c, rec.Name)
	courier.changed(endGap(t, c, rec.Name, time.Now().Add(-10*time.Second)))
	courier.offer(open)
	courier.pass(t, time.Minute)
	if diff := cmp.Diff([]string{string(rec.UID), string(rec.UID) + "/end"}, p.ids()); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
