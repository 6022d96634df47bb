package webhook

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestWhatIsLeftOfAWindow(t *testing.T) {
	// A write of the window: on the object with uid u-1 at this generation.
	write := func(operation string, generation int64, changes ...v1alpha1.Change) v1alpha1.ChangeRecord {
		rec := openingRecord()
		rec.Spec.Request.Operation = operation
		if operation != "CREATE" {
			rec.Spec.Target = &v1alpha1.Target{UID: "u-1", Generation: generation}
		}
		rec.Spec.Changes = changes
		return *rec
	}
	scale := func(from, to string) v1alpha1.ChangeRecord {
		rec := write("UPDATE", 0, v1alpha1.Change{Path: ".spec.replicas", From: from, To: to})
		rec.Spec.Request.Subresource = "scale"
		return rec
	}
	change := func(from, to string) v1alpha1.Change {
		return v1alpha1.Change{Path: ".spec.replicas", From: from, To: to}
	}
	mark := v1alpha1.Change{Path: ".metadata.annotations.gitlatch.dev/break-glass", To: `"INC-42: db failover"`}
	is := func(uid types.UID, generation int64) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: generation}}
	}
	const (
		differs = "the window has closed and apps/Deployment prod/web still differs from what it was before: revert it or commit it"
		equal   = "the window has closed and what it covered is as it was before"
		unknown = "the window has closed and it could not be told whether apps/Deployment prod/web still differs from what it was before: compare it with git"
	)
	for _, tt := range []struct {
		name    string
		records []v1alpha1.ChangeRecord
		live    *metav1.PartialObjectMetadata
		err     error
		want    string
	}{
		{name: "nothing but the annotation was written", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark)}, live: is("u-1", 5), want: equal},
		{name: "a change stays", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), write("UPDATE", 5, change("2", "4"))}, live: is("u-1", 6), want: differs},
		{name: "a change was put back", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), write("UPDATE", 5, change("2", "4")), write("UPDATE", 6, change("4", "2"))}, live: is("u-1", 7), want: equal},
		{name: "a change through scale stays", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), scale("2", "4")}, live: is("u-1", 6), want: differs},
		{name: "scaled there and back", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), scale("2", "4"), scale("4", "2")}, live: is("u-1", 7), want: equal},
		{name: "somebody else wrote it since", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark, change("2", "4"))}, live: is("u-1", 8), want: unknown},
		{name: "a hidden value changed", records: []v1alpha1.ChangeRecord{write("UPDATE", 0, change("*** (before)", "*** (after)"))}, live: is("u-1", 0), want: differs},
		{name: "a hidden value changed twice", records: []v1alpha1.ChangeRecord{write("UPDATE", 0, change("*** (before)", "*** (after)")), write("UPDATE", 0, change("*** (before)", "*** (after)"))}, live: is("u-1", 0), want: unknown},
		{name: "changes were cut from the record", live: is("u-1", 5), want: unknown, records: []v1alpha1.ChangeRecord{func() v1alpha1.ChangeRecord {
			rec := write("UPDATE", 5, mark)
			rec.Spec.ChangesOmitted = 3
			return rec
		}()}},
		{name: "it was deleted", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), write("DELETE", 5)},
			want: "the window has closed and apps/Deployment prod/web (deleted) still differs from what it was before: revert it or commit it"},
		{name: "it was deleted and made anew", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), write("DELETE", 5), write("CREATE", 0)}, live: is("u-2", 1),
			want: "the window has closed and apps/Deployment prod/web (deleted and created again) still differs from what it was before: revert it or commit it"},
		{name: "it was created", records: []v1alpha1.ChangeRecord{write("CREATE", 0)}, live: is("u-1", 1),
			want: "the window has closed and apps/Deployment prod/web (created) still differs from what it was before: revert it or commit it"},
		{name: "it was created and deleted", records: []v1alpha1.ChangeRecord{write("CREATE", 0), write("DELETE", 1)}, want: equal},
		{name: "it can't be read", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark)}, err: errors.New("forbidden"), want: unknown},
		{name: "its uid was not shown", live: is("u-1", 5), want: unknown, records: []v1alpha1.ChangeRecord{func() v1alpha1.ChangeRecord {
			rec := write("UPDATE", 5, mark)
			rec.Spec.Target = nil
			return rec
		}()}},
		{name: "an exec leaves nothing to compare", records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), func() v1alpha1.ChangeRecord {
			rec := write("CONNECT", 0)
			rec.Spec.Request.Resource, rec.Spec.Request.Subresource, rec.Spec.Request.Name = "pods", "exec", "web-1"
			return rec
		}()}, live: is("u-1", 5), want: equal},
		{name: "a write that was not stored does not count", live: is("u-1", 5), want: equal, records: []v1alpha1.ChangeRecord{write("UPDATE", 5, mark), func() v1alpha1.ChangeRecord {
			rec := write("UPDATE", 5, change("2", "4"))
			rec.Status.Phase = v1alpha1.PhaseNotPersisted
			return rec
		}()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.records {
				tt.records[i].Status.FirstSeen = metav1.NewMicroTime(noon.Add(time.Duration(i) * time.Second))
			}
			s := closingSummary{window: "cr-open"}
			for _, h := range historiesOf(tt.records) {
				s.add(&h, tt.live, tt.err)
			}
			differing, message := s.result()
			if diff := cmp.Diff(tt.want, message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
			want := map[string]*bool{equal: new(bool), unknown: nil}
			if w, listed := want[tt.want]; listed {
				if diff := cmp.Diff(w, differing); diff != "" {
					t.Errorf("differs (-want +got):\n%s", diff)
				}
			} else if differing == nil || !*differing {
				t.Errorf("differs: got %v, want true", differing)
			}
		})
	}
}

func TestTheMarksThatKeepFluxAwayAreNamed(t *testing.T) {
	const (
		equal = "the window has closed and what it covered is as it was before"
		hint  = "; take the marks away with `kubectl gitlatch break-glass deployments.apps/web -n prod --end`, or Flux goes on leaving it alone"
	)
	scaled := func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Changes = []v1alpha1.Change{{Path: ".spec.replicas", From: "2", To: "4"}}
	}
	for _, tt := range []struct {
		name    string
		tweak   func(*metav1.PartialObjectMetadata)
		records []v1alpha1.ChangeRecord
		want    string
	}{
		{name: "it differs, and Flux would not bring a commit", records: []v1alpha1.ChangeRecord{*openingRecord(scaled)},
			want: "the window has closed and apps/Deployment prod/web still differs from what it was before: revert it or commit it" + hint},
		{name: "it is as before, and Flux still leaves it alone", want: equal + hint},
		{name: "a namespace", records: []v1alpha1.ChangeRecord{*openingRecord(onNamespace)},
			want: equal + "; take the marks away with `kubectl gitlatch break-glass namespaces/prod --end`, or Flux goes on leaving it alone"},
		{name: "the marks are gone", want: equal, tweak: func(o *metav1.PartialObjectMetadata) { o.Annotations = nil }},
		{name: "the marks are those of another window", want: equal, tweak: func(o *metav1.PartialObjectMetadata) {
			o.Annotations[v1alpha1.AnnotationBreakGlassRecord] = "cr-other"
		}},
		{name: "Flux was not told to leave it alone", want: equal, tweak: func(o *metav1.PartialObjectMetadata) { delete(o.Annotations, fluxReconcile) }},
		{name: "Flux does not carry it", want: equal, tweak: func(o *metav1.PartialObjectMetadata) { o.Labels = nil }},
		{name: "it came with a HelmRelease, which does not heed the mark", want: equal, tweak: func(o *metav1.PartialObjectMetadata) {
			o.Labels = map[string]string{"helm.toolkit.fluxcd.io/name": "web"}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
				UID:         "u-1",
				Labels:      map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps"},
				Annotations: map[string]string{v1alpha1.AnnotationBreakGlassRecord: "cr-open", fluxReconcile: "disabled"},
			}}
			if tt.tweak != nil {
				tt.tweak(live)
			}
			if tt.records == nil {
				tt.records = []v1alpha1.ChangeRecord{*openingRecord()}
			}
			tt.records[0].Spec.Target = &v1alpha1.Target{UID: "u-1"}
			s := closingSummary{window: "cr-open"}
			for _, h := range historiesOf(tt.records) {
				s.add(&h, live, nil)
			}
			_, message := s.result()
			if diff := cmp.Diff(tt.want, message); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAWindowOverManyTargetsNamesThree(t *testing.T) {
	s := closingSummary{differing: []string{"Service prod/a", "Service prod/b", "Service prod/c", "Service prod/d"}, untold: []string{"Service prod/e"}}
	_, message := s.result()
	want := "the window has closed and Service prod/a, Service prod/b, Service prod/c and 1 more still differ from what they were before: revert it or commit it"
	if diff := cmp.Diff(want, message); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}
