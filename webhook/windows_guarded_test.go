package webhook

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

func TestGuardedPathsAreThoseOfUnresolvedAdmittedRecords(t *testing.T) {
	changedPaths := func(paths ...string) func(*v1alpha1.ChangeRecord) {
		return func(rec *v1alpha1.ChangeRecord) {
			for _, p := range paths {
				rec.Spec.Changes = append(rec.Spec.Changes, v1alpha1.Change{Path: p, Declared: true})
			}
		}
	}
	outcome := func(o v1alpha1.Outcome) func(*v1alpha1.ChangeRecord) {
		return func(rec *v1alpha1.ChangeRecord) { rec.Spec.Outcome = o }
	}
	g := &Grants{Clock: clocktesting.NewFakePassiveClock(noon)}
	watch := recordHandler(g.index.putGuard, g.index.forgetGuard)
	for _, rec := range []*v1alpha1.ChangeRecord{
		openingRecord(recordNamed("cr-1"), changedPaths(".spec.replicas", ".spec.paused")),
		openingRecord(recordNamed("cr-2"), outcome(v1alpha1.OutcomeFlagged), changedPaths(".spec.replicas"),
			func(rec *v1alpha1.ChangeRecord) { rec.Spec.Request.Subresource = "scale" }),
		openingRecord(recordNamed("cr-3"), outcome(v1alpha1.OutcomeDenied), changedPaths(".spec.denied")),
		openingRecord(recordNamed("cr-11"), outcome(v1alpha1.OutcomeDrift), changedPaths(".spec.drifted")),
		openingRecord(recordNamed("cr-4"), changedPaths(".spec.resolved"), func(rec *v1alpha1.ChangeRecord) { delete(rec.Labels, v1alpha1.LabelUnresolved) }),
		openingRecord(recordNamed("cr-5"), changedPaths(".spec.lost"), func(rec *v1alpha1.ChangeRecord) { rec.Status.Phase = v1alpha1.PhaseNotPersisted }),
		openingRecord(recordNamed("cr-6"), changedPaths(".spec.other"), func(rec *v1alpha1.ChangeRecord) { rec.Spec.Request.Name = "db" }),
		openingRecord(recordNamed("cr-8"), func(rec *v1alpha1.ChangeRecord) {
			rec.Spec.Changes = []v1alpha1.Change{{Path: ".spec.undeclared"}, {Path: ".spec.replicas", Declared: true}}
		}),
		openingRecord(recordNamed("cr-9"), changedPaths(".spec.deleted"), func(rec *v1alpha1.ChangeRecord) { rec.Spec.Request.Operation = "DELETE" }),
		openingRecord(recordNamed("cr-10"), changedPaths(`.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]`, ".metadata.finalizers",
			`.metadata.ownerReferences[uid="u"]`)),
		openingRecord(recordNamed("cr-7"), outcome(v1alpha1.OutcomeFlagged), changedPaths(".spec.suspend")),
	} {
		kept, err := GuardOnly(rec) // as the cache does
		if err != nil {
			t.Fatal(err)
		}
		watch.OnAdd(kept, false)
	}
	scale := writeToWeb(byUser("alice"), func(r *policy.Request) { r.Subresource = "scale" })
	if diff := cmp.Diff([]string{".spec.paused", ".spec.replicas", ".spec.suspend"}, g.Guarded(scale)); diff != "" {
		t.Errorf("guarded (-want +got):\n%s", diff)
	}
	watch.OnDelete(openingRecord(recordNamed("cr-7")))
	watch.OnUpdate(nil, openingRecord(recordNamed("cr-1"), changedPaths(".spec.paused")))
	if diff := cmp.Diff([]string{".spec.paused", ".spec.replicas"}, g.Guarded(writeToWeb())); diff != "" {
		t.Errorf("guarded after the watch went on (-want +got):\n%s", diff)
	}
	if got := g.Guarded(writeToWeb(onService)); got != nil {
		t.Errorf("guarded of another kind: %v", got)
	}
}

// TestTheCacheOfGuardsKeepsNoValues: it holds a record for every flagged write
// that git has not answered yet.
func TestTheCacheOfGuardsKeepsNoValues(t *testing.T) {
	rec := openingRecord(recordNamed("cr-1"), func(rec *v1alpha1.ChangeRecord) {
		rec.ResourceVersion, rec.Spec.Message, rec.Spec.Requester.Groups = "7", "changed through git only", []string{"devs"}
		rec.Spec.Changes = []v1alpha1.Change{{Path: ".spec.replicas", From: "2", To: "4", Declared: true}, {Path: ".spec.paused", To: "true"}}
		rec.Status.Phase, rec.Status.Name = v1alpha1.PhaseObserved, "web-7f3k9"
	})
	got, err := GuardOnly(rec)
	if err != nil {
		t.Fatal(err)
	}
	r := rec.Spec.Request
	want := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{
			Name: "cr-1", UID: rec.UID, ResourceVersion: "7", Labels: map[string]string{v1alpha1.LabelUnresolved: record.Unresolved},
		},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: v1alpha1.OutcomeBreakGlass,
			Request: v1alpha1.RecordedRequest{Operation: r.Operation, Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name},
			Changes: []v1alpha1.Change{{Path: ".spec.replicas", Declared: true}},
		},
		Status: v1alpha1.ChangeRecordStatus{Phase: v1alpha1.PhaseObserved, Name: "web-7f3k9"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// TestWhatIsCutGuardsAll: which declared path it was can't be told any more.
func TestWhatIsCutGuardsAll(t *testing.T) {
	g := &Grants{Clock: clocktesting.NewFakePassiveClock(noon)}
	g.index.putGuard(openingRecord(func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Changes = []v1alpha1.Change{{Path: ".spec.very.lo…", Declared: true}, {Path: record.Unlisted, Declared: true}, {Path: ".spec.other…"}}
	}))
	if diff := cmp.Diff([]string{record.Unlisted}, g.Guarded(writeToWeb())); diff != "" {
		t.Errorf("guarded (-want +got):\n%s", diff)
	}
}

// TestManyGuardsOfOnePathAreOne: a path is kept once, however many records guard it,
// and until the last of them is gone.
func TestManyGuardsOfOnePathAreOne(t *testing.T) {
	const records = 5000
	var x windowIndex
	name := func(i int) string { return fmt.Sprintf("cr-%d", i) }
	for i := range records {
		x.putGuard(openingRecord(recordNamed(name(i)), func(rec *v1alpha1.ChangeRecord) {
			rec.Spec.Changes = []v1alpha1.Change{{Path: ".spec.replicas", Declared: true}}
		}))
	}
	target := requestTarget(writeToWeb())
	if got := x.guarded[target]; len(got) != 1 || got[".spec.replicas"].records != records {
		t.Errorf("%d paths are kept, want 1 with %d records", len(got), records)
	}
	if got := testing.AllocsPerRun(10, func() { x.paths(target) }); got > 5 {
		t.Errorf("asking what is guarded takes %v allocations", got)
	}
	for i := range records - 1 {
		x.forgetGuard(name(i))
	}
	if diff := cmp.Diff([]string{".spec.replicas"}, x.paths(target)); diff != "" {
		t.Errorf("guarded by the last (-want +got):\n%s", diff)
	}
	x.forgetGuard(name(records - 1))
	if len(x.guards) != 0 || len(x.guarded) != 0 {
		t.Errorf("left in the index: %v %v", x.guards, x.guarded)
	}
}
