package record

import (
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// The window of an attempt is known once another replica's record of it was found; the
// same request asks meanwhile. The race detector watches.
func TestARepeatMayAskWhileTheWindowIsLookedFor(t *testing.T) {
	away(attemptBucket, 5*time.Second)
	e := flagged(person(t, "oncall"), "a", "5", "blue", 1)
	e.Spec.Outcome, e.OpensWindow = v1alpha1.OutcomeBreakGlass, true
	e.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: "INC-42: db failover", Scope: v1alpha1.WindowObject, Until: metav1.Now()}
	one, _ := newWriter(t, "gate-1")
	first, err := one.Admitted(t.Context(), e)
	must(t, err)
	two, _ := newWriter(t, "gate-2")
	var all sync.WaitGroup
	stop := time.Now().Add(200 * time.Millisecond)
	for range 4 {
		all.Go(func() {
			for time.Now().Before(stop) {
				rec, err := two.Admitted(t.Context(), e)
				if err != nil || rec.Name != first.Name || rec.Spec.BreakGlass == nil {
					t.Errorf("record %v, error %v", rec, err)
					return
				}
			}
		})
	}
	all.Wait()
}
