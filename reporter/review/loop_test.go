package review

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// rule gives a verdict as the gate would have signed it.
func rule(t *testing.T, name string, v v1alpha1.ReviewVerdict) {
	t.Helper()
	_, err := record.ChangeStatus(t.Context(), newClient(t), name, func(rec *v1alpha1.ChangeRecord) bool {
		verdict(v)(rec)
		return true
	})
	must(t, err)
}

func TestAReviewedRecordEnds(t *testing.T) {
	const approved, rejected = v1alpha1.ReviewApproved, v1alpha1.ReviewRejected
	store(t, "cr-before", verdict(approved)) // while no reporter ran
	store(t, "cr-waits")
	store(t, "cr-rejected", verdict(rejected))
	store(t, "cr-declared", verdict(approved), guarded)
	store(t, "cr-denied", outcome(v1alpha1.OutcomeDenied), phase(v1alpha1.PhaseDenied))
	m, stop := start(t, clocktesting.NewFakeClock(two()))

	become(t, "cr-before", v1alpha1.PhaseClosed, settled(v1alpha1.ResolutionAccepted, ""))
	rule(t, "cr-denied", rejected)
	become(t, "cr-denied", v1alpha1.PhaseClosed, nil)
	for _, name := range []string{"cr-waits", "cr-rejected", "cr-declared"} {
		stays(t, name, v1alpha1.PhaseObserved, nil)
	}
	rule(t, "cr-waits", approved)
	become(t, "cr-waits", v1alpha1.PhaseClosed, settled(v1alpha1.ResolutionAccepted, ""))

	// The applier says how what git declares ended.
	_, err := record.ChangeStatus(t.Context(), newClient(t), "cr-declared", func(rec *v1alpha1.ChangeRecord) bool {
		rec.Status.Resolution, rec.Status.Phase = settled(v1alpha1.ResolutionReverted, "3f2c1ab"), v1alpha1.PhaseResolved
		return true
	})
	must(t, err)
	become(t, "cr-declared", v1alpha1.PhaseClosed, settled(v1alpha1.ResolutionReverted, "3f2c1ab"))

	// A verdict that overrules another opens what that had ended, and ends what it had not.
	rule(t, "cr-waits", rejected)
	become(t, "cr-waits", v1alpha1.PhaseObserved, nil)
	rule(t, "cr-rejected", approved)
	become(t, "cr-rejected", v1alpha1.PhaseClosed, settled(v1alpha1.ResolutionAccepted, ""))

	version := read(t, "cr-before").ResourceVersion
	stop()
	if got := testutil.ToFloat64(m.failures); got != 0 {
		t.Errorf("%v writes failed", got)
	}
	_, stop = start(t, clocktesting.NewFakeClock(two())) // the next leader finds nothing to do
	rule(t, "cr-waits", approved)
	become(t, "cr-waits", v1alpha1.PhaseClosed, settled(v1alpha1.ResolutionAccepted, ""))
	if got := read(t, "cr-before").ResourceVersion; got != version {
		t.Errorf("a record that is closed was written again: %s, then %s", version, got)
	}
	stop()
}

// A window that is open stays open, and the applier has the first word once it is over.
func TestAWindowIsOver(t *testing.T) {
	clock := clocktesting.NewFakeClock(two())
	store(t, "cr-window", within("", 10*time.Minute), verdict(v1alpha1.ReviewApproved))
	store(t, "cr-done", within("cr-window", 10*time.Minute), verdict(v1alpha1.ReviewApproved))
	store(t, "cr-other", verdict(v1alpha1.ReviewApproved))
	_, stop := start(t, clock)
	become(t, "cr-other", v1alpha1.PhaseClosed, settled(v1alpha1.ResolutionAccepted, ""))
	for _, name := range []string{"cr-window", "cr-done"} {
		stays(t, name, v1alpha1.PhaseObserved, nil)
	}

	for clock.Since(two()) < 10*time.Minute+grace {
		clock.Step(time.Minute)
	}
	rule(t, "cr-other", v1alpha1.ReviewRejected) // something else happens meanwhile
	become(t, "cr-other", v1alpha1.PhaseObserved, nil)
	for _, name := range []string{"cr-window", "cr-done"} {
		stays(t, name, v1alpha1.PhaseObserved, nil)
	}
	over := func(name string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); read(t, name).Status.Phase != v1alpha1.PhaseClosed; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s is never closed", name)
			}
			clock.Step(10 * time.Second)
		}
		if got := read(t, name).Status.Resolution; got == nil || got.State != v1alpha1.ResolutionAccepted || got.At.Sub(two()) < 10*time.Minute+grace+settling {
			t.Errorf("%s ended as %+v", name, got)
		}
	}
	over("cr-window")
	over("cr-done")
	stop()
}

// What was created by hand and is in git since is committed; what was deleted by hand
// and applied again is reverted.
func TestGitHasItMeanwhile(t *testing.T) {
	c := newClient(t)
	object := func(name string, labels map[string]string) {
		o := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: "prod", Name: name, Labels: labels,
			Annotations: map[string]string{v1alpha1.AnnotationCommit: `3f2c1ab "raise web"`},
		}}
		must(t, c.Create(t.Context(), o))
		t.Cleanup(func() { must(t, c.Delete(context.Background(), o)) })
	}
	object("declared", map[string]string{v1alpha1.LabelSync: "gitlatch-system.prod"})
	object("by-hand", nil)
	is := func(name string) tweak {
		return func(rec *v1alpha1.ChangeRecord) { rec.Spec.Request.Name = name }
	}
	approved := verdict(v1alpha1.ReviewApproved)
	creates, deletes := asks("CREATE", "configmaps", "", "ConfigMap"), asks("DELETE", "configmaps", "", "ConfigMap")
	for _, test := range []struct {
		name  string
		when  []tweak
		state v1alpha1.ResolutionState
		hash  string
	}{
		{"cr-created", []tweak{creates, is("declared"), approved}, v1alpha1.ResolutionCommitted, "3f2c1ab"},
		{"cr-created-still", []tweak{creates, is("by-hand"), approved}, v1alpha1.ResolutionAccepted, ""},
		{"cr-created-gone", []tweak{creates, is("gone"), approved}, v1alpha1.ResolutionAccepted, ""},
		{"cr-deleted", []tweak{deletes, is("declared"), approved}, v1alpha1.ResolutionReverted, "3f2c1ab"},
		{"cr-deleted-gone", []tweak{deletes, is("gone"), approved}, v1alpha1.ResolutionAccepted, ""},
		{"cr-deleted-kind", []tweak{asks("DELETE", "widgets", "", "Widget"), is("gone"), approved}, v1alpha1.ResolutionAccepted, ""},
		{"cr-changed", []tweak{is("declared"), approved}, v1alpha1.ResolutionAccepted, ""},
	} {
		store(t, test.name, test.when...)
		defer become(t, test.name, v1alpha1.PhaseClosed, settled(test.state, test.hash))
	}
	start(t, clocktesting.NewFakeClock(two()))
}

// The gate counts on the same status while records end: nothing of either is lost.
func TestNothingIsLostInAConflict(t *testing.T) {
	const records, counts = 10, 20
	for i := range records {
		store(t, fmt.Sprintf("cr-busy-%d", i), outcome(v1alpha1.OutcomeDenied), phase(v1alpha1.PhaseDenied), verdict(v1alpha1.ReviewApproved))
	}
	var group sync.WaitGroup
	for i := range records {
		group.Go(func() {
			for n := range counts {
				_, err := record.ChangeStatus(context.Background(), newClient(t), fmt.Sprintf("cr-busy-%d", i), func(rec *v1alpha1.ChangeRecord) bool {
					rec.Status.Count = int64(n + 1)
					return true
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	start(t, clocktesting.NewFakeClock(two()))
	group.Wait()
	for i := range records {
		name := fmt.Sprintf("cr-busy-%d", i)
		become(t, name, v1alpha1.PhaseClosed, nil)
		if got := read(t, name).Status.Count; got != counts {
			t.Errorf("%s counts %d, want %d", name, got, counts)
		}
	}
}
