package record

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func driftOf(t *testing.T, tweaks ...func(*Drift)) Drift {
	d := Drift{
		Sync: "gitlatch-system/prod", Reason: v1alpha1.ReasonDrift, Wrote: time.Unix(1_700_000_000, 0),
		Request: v1alpha1.RecordedRequest{
			Operation: operationUpdate, Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment",
			Namespace: "prod", Name: person(t, "web"), FieldManager: "kubectl-edit",
		},
		Target:  &v1alpha1.Target{UID: "u-1"},
		Changes: []Change{{Path: ".spec.replicas", From: int64(5), To: int64(2), HasFrom: true, HasTo: true, Declared: true}},
		Message: "pulled back to 3f2c1ab",
	}
	for _, tweak := range tweaks {
		tweak(&d)
	}
	return d
}

func TestOneDriftIsOneRecord(t *testing.T) {
	now := driftOf(t)
	same := driftOf(t, func(d *Drift) { d.Message = "pulled back to another" })
	if a, b := now.record(hiding{}).Name, same.record(hiding{}).Name; a != b {
		t.Errorf("the same drift is %s and %s", a, b)
	}
	for what, other := range map[string]Drift{
		"another value":  driftOf(t, func(d *Drift) { d.Changes[0].From = int64(6) }),
		"another time":   driftOf(t, func(d *Drift) { d.Wrote = d.Wrote.Add(time.Second) }),
		"another object": driftOf(t, func(d *Drift) { d.Target.UID = types.UID("u-2") }),
		"another sync":   driftOf(t, func(d *Drift) { d.Sync = "gitlatch-system/other" }),
	} {
		if now.record(hiding{}).Name == other.record(hiding{}).Name {
			t.Errorf("%s is the same record", what)
		}
	}
}

func TestARecordIsResolvedOnceAndLeavesThoseThatWait(t *testing.T) {
	k := &Keeper{Store: newClient(t), Clock: clock.RealClock{}}
	d := driftOf(t)
	name, err := k.Drifted(t.Context(), d)
	must(t, err)
	again, err := k.Drifted(t.Context(), d)
	must(t, err)
	if again != name {
		t.Errorf("recorded twice: %s, %s", name, again)
	}
	must(t, k.Standing(t.Context(), name))
	if rec := get(t, name); rec.Status.Phase != v1alpha1.PhaseObserved || rec.Status.Count != 1 {
		t.Errorf("status: %+v", rec.Status)
	}
	at := metav1.NewTime(time.Now().Truncate(time.Second))
	for _, step := range []struct{ set, want v1alpha1.ResolutionState }{
		{v1alpha1.ResolutionAccepted, v1alpha1.ResolutionAccepted},
		{v1alpha1.ResolutionCommitted, v1alpha1.ResolutionCommitted},
		{v1alpha1.ResolutionAccepted, v1alpha1.ResolutionCommitted},
		{v1alpha1.ResolutionReverted, v1alpha1.ResolutionReverted},
		{v1alpha1.ResolutionCommitted, v1alpha1.ResolutionReverted},
	} {
		must(t, k.Resolve(t.Context(), name, v1alpha1.Resolution{State: step.set, Commit: "3f2c1ab", At: at}))
		rec := get(t, name)
		want := &v1alpha1.Resolution{State: step.want, Commit: "3f2c1ab", At: rec.Status.Resolution.At}
		if diff := cmp.Diff(want, rec.Status.Resolution); diff != "" || rec.Status.Phase != v1alpha1.PhaseResolved || rec.Labels[v1alpha1.LabelUnresolved] != "" {
			t.Errorf("phase %s, labels %v, resolution (-want +got):\n%s", rec.Status.Phase, rec.Labels, diff)
		}
	}
	must(t, k.Resolve(t.Context(), "cr-never", v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, At: at}))
}

// TestAnAnswerIsNeverOlderThanItsQuestion: whoever asks while a call is under way gets
// the answer of the next, and many share it.
func TestAnAnswerIsNeverOlderThanItsQuestion(t *testing.T) {
	var j joint[string, int64]
	var calls atomic.Int64
	begun, release := make(chan struct{}, 8), make(chan struct{})
	ask := func(context.Context) (int64, error) {
		n := calls.Add(1)
		begun <- struct{}{}
		<-release
		return n, nil
	}
	var first int64
	var group sync.WaitGroup
	group.Go(func() { first, _ = j.get(t.Context(), "a", ask) })
	<-begun
	late := make([]int64, 5)
	for i := range late {
		group.Go(func() { late[i], _ = j.get(t.Context(), "a", ask) })
	}
	time.Sleep(50 * time.Millisecond)
	close(release)
	group.Wait()
	if diff := cmp.Diff([]int64{2, 2, 2, 2, 2}, late); first != 1 || diff != "" {
		t.Errorf("first %d, late (-want +got):\n%s", first, diff)
	}
}

func TestWindowsCover(t *testing.T) {
	object := Window{Scope: v1alpha1.WindowObject, Place: Place{"apps", "deployments", "prod", "web"}}
	namespace := Window{Scope: v1alpha1.WindowNamespace, Place: Place{Resource: "namespaces", Name: "prod"}.normal()}
	for _, tt := range []struct {
		name           string
		place          Place
		object, spaces bool
	}{
		{"the object", Place{"apps", "deployments", "prod", "web"}, true, true},
		{"another of its namespace", Place{"apps", "deployments", "prod", "api"}, false, true},
		{"the namespace", Place{Resource: "namespaces", Name: "prod"}, false, true},
		{"one of that name elsewhere", Place{"apps", "deployments", "test", "web"}, false, false},
		{"one of no namespace", Place{"rbac.authorization.k8s.io", "clusterroles", "", "web"}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := [2]bool{object.Covers(tt.place), namespace.Covers(tt.place)}; got != [2]bool{tt.object, tt.spaces} {
				t.Errorf("got %v", got)
			}
		})
	}
}
