package heartbeat

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// TestGapsAreReviewedTogether: one survey over the time of all that wait, once the last has been over for a moment.
func TestGapsAreReviewedTogether(t *testing.T) {
	ended := func(name string, since, end int) v1alpha1.ChangeRecord {
		r := v1alpha1.ChangeRecord{ObjectMeta: metav1.ObjectMeta{Name: name}}
		r.Spec.Gap = &v1alpha1.Gap{Since: metav1.NewMicroTime(second(since))}
		r.Status.Gap = &v1alpha1.GapEnd{At: metav1.NewMicroTime(second(end))}
		return r
	}
	for name, tc := range map[string]struct {
		waiting []v1alpha1.ChangeRecord
		now     int
		want    string
		wait    time.Duration
	}{
		"none":                        {nil, 0, "[]", reviewRarest},
		"one":                         {[]v1alpha1.ChangeRecord{ended("a", 0, 10)}, 15, "[a] 0-10", reviewRarest},
		"one that has just ended":     {[]v1alpha1.ChangeRecord{ended("a", 0, 10)}, 12, "[]", 3 * time.Second},
		"many":                        {[]v1alpha1.ChangeRecord{ended("a", 0, 50), ended("b", 20, 30), ended("c", 40, 45)}, 60, "[a b c] 0-50", reviewRarest},
		"one waits for the next":      {[]v1alpha1.ChangeRecord{ended("a", 0, 10), ended("b", 20, 30)}, 31, "[]", 4 * time.Second},
		"and not for ever":            {[]v1alpha1.ChangeRecord{ended("a", 0, 10), ended("b", 120, 130)}, 131, "[a] 0-10", 0},
		"one that is not over is not": {[]v1alpha1.ChangeRecord{{Spec: v1alpha1.ChangeRecordSpec{Gap: &v1alpha1.Gap{}}}}, 0, "[]", reviewRarest},
	} {
		t.Run(name, func(t *testing.T) {
			d, wait := dueOf(tc.waiting, second(tc.now))
			got := fmt.Sprint(d.names())
			if len(d.gaps) > 0 {
				got += fmt.Sprintf(" %.0f-%.0f", d.from.Sub(noon).Seconds(), d.until.Sub(noon).Seconds())
			}
			if got != tc.want || wait != tc.wait {
				t.Errorf("%s in %s, want %s in %s", got, wait, tc.want, tc.wait)
			}
		})
	}
}

// TestAGateThatFlaps makes some gaps, and then one that ends where the calm began.
func TestAGateThatFlaps(t *testing.T) {
	w := watchman{blind: blind}
	w.see(good(0))
	for at := 10; at < 200; at += 10 {
		w.see(bad(at, CauseNoAnswer))
		w.see(good(at + 2))
	}
	if got := len(w.unwritten); got != flaps || w.open == nil {
		t.Fatalf("%d gaps ended, and %v is open", got, w.open)
	}
	since := w.open.since()
	for at := 200; w.open != nil && at < 1000; at += 2 {
		w.see(good(at))
	}
	last := w.unwritten[len(w.unwritten)-1]
	if diff := cmp.Diff([]time.Time{since, second(192)}, []time.Time{last.since(), last.end}); diff != "" {
		t.Errorf("the last gap (-want +got):\n%s", diff)
	}
	w.see(good(320))
	w.see(bad(900, CauseNoAnswer))
	if _, ended := w.see(good(902)); ended == nil {
		t.Error("a gate that flapped once is taken for one that still does")
	}
}

// TestAFloodOfChangesIsPaced while a gap is open; the change that opens one is not.
func TestAFloodOfChangesIsPaced(t *testing.T) {
	h := &Heart{}
	for range 2 {
		if h.paced(noon) {
			t.Error("a change is passed over while the gate is shut")
		}
	}
	h.watchman.open = &gap{}
	beats := 0
	for i := range 100 {
		if !h.paced(noon.Add(time.Duration(i) * 100 * time.Millisecond)) {
			beats++
		}
	}
	if beats != 9 {
		t.Errorf("%d beats in ten seconds after one", beats)
	}
}

func TestPoliciesBeforeAGap(t *testing.T) {
	a, b := &policy.Policy{Name: "a"}, &policy.Policy{Name: "b"}
	var p past
	p.keep("one", []*policy.Policy{a})
	p.keep("two", []*policy.Policy{a, b})
	if got := p.of([]string{"one", "two", "three"}); len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("got %v", got)
	}
	p.forget("two")
	if got := p.of([]string{"two"}); got != nil {
		t.Errorf("a gap that was reviewed has %v", got)
	}
}
