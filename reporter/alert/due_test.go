package alert

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestWhatIsDue(t *testing.T) {
	for name, tc := range map[string]struct {
		rec      *v1alpha1.ChangeRecord
		tweak    func(*v1alpha1.ChangeRecord)
		receiver Receiver
		want     bool
	}{
		"a denial":                           {denied(), nil, Receiver{}, true},
		"one that the receiver was told of":  {denied(), func(r *v1alpha1.ChangeRecord) { r.Status.Notified = []v1alpha1.Notified{{Receiver: "oncall"}} }, Receiver{}, false},
		"one that another was told of":       {denied(), func(r *v1alpha1.ChangeRecord) { r.Status.Notified = []v1alpha1.Notified{{Receiver: "other"}} }, Receiver{}, true},
		"one of before there was a receiver": {denied(), func(r *v1alpha1.ChangeRecord) { r.Status.FirstSeen = metav1.NewMicroTime(noon.Add(-2 * time.Hour)) }, Receiver{}, false},
		"a repetition of one of before": {denied(), func(r *v1alpha1.ChangeRecord) {
			r.Status.FirstSeen, r.Status.LastSeen = metav1.NewMicroTime(noon.Add(-2*time.Hour)), metav1.NewMicroTime(noon)
		}, Receiver{}, false},
		"a drift":                            {denied(), func(r *v1alpha1.ChangeRecord) { r.Spec.Outcome = v1alpha1.OutcomeDrift }, Receiver{}, false},
		"a drift for who wants it":           {denied(), func(r *v1alpha1.ChangeRecord) { r.Spec.Outcome = v1alpha1.OutcomeDrift }, Receiver{Outcomes: []v1alpha1.Outcome{v1alpha1.OutcomeDrift}}, true},
		"a denial for who wants drift":       {denied(), nil, Receiver{Outcomes: []v1alpha1.Outcome{v1alpha1.OutcomeDrift}}, false},
		"a denial in another namespace":      {denied(), nil, Receiver{Namespaces: []string{"blog"}}, false},
		"a denial in one of the namespaces":  {denied(), nil, Receiver{Namespaces: []string{"blog", "shop"}}, true},
		"a denial in no namespace":           {denied(), func(r *v1alpha1.ChangeRecord) { r.Spec.Request.Namespace = "" }, Receiver{Namespaces: []string{"shop"}}, false},
		"a gap, whatever the namespaces":     {gapRecord(noon), nil, Receiver{Namespaces: []string{"shop"}}, true},
		"an open gap of before the receiver": {gapRecord(noon.Add(-48 * time.Hour)), func(r *v1alpha1.ChangeRecord) { r.Status.FirstSeen = metav1.NewMicroTime(noon.Add(-48 * time.Hour)) }, Receiver{}, true},
		"a gap that ended before there was a receiver": {gapRecord(noon), func(r *v1alpha1.ChangeRecord) {
			r.Status.Gap = &v1alpha1.GapEnd{At: metav1.NewMicroTime(noon.Add(-2 * time.Hour))}
		}, Receiver{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			stored(tc.rec)
			if tc.tweak != nil {
				tc.tweak(tc.rec)
			}
			tc.receiver.Name = "oncall"
			tc.receiver.setDefaults()
			if _, got := due(tc.rec, &tc.receiver, noon.Add(-time.Hour)); got != tc.want {
				t.Errorf("due is %t, want %t", got, tc.want)
			}
		})
	}
}

// TestEntriesOfReceiversThatAreNoMoreMakeRoom: the API takes sixteen.
func TestEntriesOfReceiversThatAreNoMoreMakeRoom(t *testing.T) {
	rec := denied()
	for n := range mostNotified {
		rec.Status.Notified = append(rec.Status.Notified, v1alpha1.Notified{Receiver: string(rune('a' + n))})
	}
	if !enter(rec, &item{taken: noon}, "oncall", []string{"b", "oncall"}) {
		t.Error("nothing was entered")
	}
	if diff := cmp.Diff([]string{"b", "oncall"}, entriesOf(rec)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if enter(rec, &item{taken: noon.Add(time.Hour)}, "oncall", nil) {
		t.Error("the same was entered twice")
	}
}

func TestABucketHoldsAMinute(t *testing.T) {
	b := bucket{perMinute: 30}
	at := noon
	if got := b.available(at); got != 30 {
		t.Fatalf("%d at first", got)
	}
	for range 30 {
		b.take()
	}
	if got := b.available(at); got != 0 {
		t.Errorf("%d after 30", got)
	}
	if next := b.next(); next < 2*time.Second || next > 2*time.Second+10*time.Millisecond {
		t.Errorf("the next in %s, want 2s", next)
	}
	if got := b.available(at.Add(b.next())); got != 1 {
		t.Errorf("%d then", got)
	}
	if got := b.available(at.Add(time.Hour)); got != 30 {
		t.Errorf("%d after an hour", got)
	}
}

func TestPausesGrow(t *testing.T) {
	for failures, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 5: 16 * time.Second, 9: 256 * time.Second, 10: longestPause, 1000: longestPause} {
		if got := pauseAfter(failures); got < want*8/10 || got > want*12/10 {
			t.Errorf("after %d failures %s, want %s give or take a fifth", failures, got, want)
		}
	}
}

func TestWhoIsNew(t *testing.T) {
	q := &requesters{}
	seen := func(user string, at time.Time) string {
		rec := denied()
		rec.Spec.Requester.Username, rec.Status.FirstSeen = user, metav1.NewMicroTime(at)
		q.note(rec)
		q.note(rec) // the stream repeats itself
		i, _ := due(rec, &Receiver{Name: "oncall", Outcomes: outcomesByDefault()}, time.Time{})
		return i.person
	}
	alice := seen("alice", noon)
	seen("alice", noon.Add(time.Hour))
	seen("alice", noon.Add(26*time.Hour))
	bob := seen("bob", noon.Add(time.Hour))
	got := []bool{q.first(alice, noon), q.first(alice, noon.Add(time.Hour)), q.first(alice, noon.Add(26*time.Hour)), q.first(bob, noon.Add(time.Hour))}
	if diff := cmp.Diff([]bool{true, false, true, true}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	q.forget(noon.Add(newAfter + 2*time.Hour))
	if len(q.denied) != 1 || len(q.denied[alice]) != 1 {
		t.Errorf("kept %v", q.denied)
	}
}
