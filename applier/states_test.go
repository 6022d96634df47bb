package applier

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

func withCondition(kind string, status metav1.ConditionStatus) func(*v1alpha1.GitSync) {
	return func(s *v1alpha1.GitSync) {
		s.Status.Conditions = append(s.Status.Conditions, metav1.Condition{Type: kind, Status: status, ObservedGeneration: 1})
	}
}

func TestASyncIsCountedInOneState(t *testing.T) {
	for _, test := range []struct {
		name string
		with []func(*v1alpha1.GitSync)
		want string
	}{
		{"one that nobody has looked at is on its way", nil, stateWorking},
		{"one that is unknown is on its way", []func(*v1alpha1.GitSync){withCondition(v1alpha1.ConditionReady, metav1.ConditionUnknown)}, stateWorking},
		{"ready", []func(*v1alpha1.GitSync){withCondition(v1alpha1.ConditionReady, metav1.ConditionTrue)}, stateReady},
		{"ready for an older spec is not ready", []func(*v1alpha1.GitSync){
			withCondition(v1alpha1.ConditionReady, metav1.ConditionTrue), func(s *v1alpha1.GitSync) { s.Generation = 2 },
		}, stateWorking},
		{"not ready, and tried again", []func(*v1alpha1.GitSync){withCondition(v1alpha1.ConditionReady, metav1.ConditionFalse)}, stateFailing},
		{"stalled", []func(*v1alpha1.GitSync){
			withCondition(v1alpha1.ConditionReady, metav1.ConditionFalse), withCondition(v1alpha1.ConditionStalled, metav1.ConditionTrue),
		}, stateStalled},
		{"suspended, whatever it was", []func(*v1alpha1.GitSync){
			withCondition(v1alpha1.ConditionReady, metav1.ConditionTrue), func(s *v1alpha1.GitSync) { s.Spec.Suspend = true },
		}, stateSuspended},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &v1alpha1.GitSync{}
			s.Generation = 1
			for _, f := range test.with {
				f(s)
			}
			if got := stateOf(s); got != test.want {
				t.Errorf("it is %s, not %s", got, test.want)
			}
		})
	}
}

func TestHowSoonASyncIsLookedAtAgain(t *testing.T) {
	r := &run{sync: &v1alpha1.GitSync{}, state: &state{healthy: true}}
	r.sync.Spec.Interval = &metav1.Duration{Duration: time.Hour}
	within := func(name string, got, least, most time.Duration) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: after %s, not between %s and %s", name, got, least, most)
		}
	}
	within("all is well", r.next(nil), time.Hour, time.Hour+3*time.Minute)
	within("stalled: the remote is still asked", r.next(stalled("X", errors.New("x"))), time.Hour, time.Hour+3*time.Minute)
	within("a failure that says when", r.next(&failure{retry: 5 * time.Second}), 5*time.Second, 5*time.Second)
	var waits []time.Duration
	for range 9 {
		waits = append(waits, r.next(failing("X", errors.New("x"))))
	}
	want := []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60}
	for i := range want {
		want[i] *= time.Second
	}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Error(diff)
	}
	if r.next(nil); r.next(failing("X", errors.New("x"))) != time.Second {
		t.Error("a success does not end the backoff")
	}
	r.stale = make([]live.Ref, 1)
	within("something that can't be pruned yet", r.next(nil), staleRetry, staleRetry)
}

func TestAMessageFitsACondition(t *testing.T) {
	long := make([]byte, 3*maxMessage)
	for i := range long {
		long[i] = 'x'
	}
	got := oneLine("a\n b\t" + string(long) + "é")
	if len(got) > maxMessage || got[:6] != "a; b x" {
		t.Errorf("%d bytes: %q", len(got), got[:20])
	}
}
