package webhook

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func TestWhenAnAnnotationIsGone(t *testing.T) {
	bare := func(tweaks ...func(*metav1.PartialObjectMetadata)) *metav1.PartialObjectMetadata {
		o := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{UID: "u-1", CreationTimestamp: metav1.NewTime(noon)}}
		for _, tweak := range tweaks {
			tweak(o)
		}
		return o
	}
	made := func(uid types.UID, at time.Time) func(*metav1.PartialObjectMetadata) {
		return func(o *metav1.PartialObjectMetadata) { o.UID, o.CreationTimestamp = uid, metav1.NewTime(at) }
	}
	marked := func(o *metav1.PartialObjectMetadata) {
		o.Annotations = map[string]string{v1alpha1.AnnotationBreakGlass: ""}
	}
	dying := func(o *metav1.PartialObjectMetadata) { o.DeletionTimestamp = new(metav1.NewTime(noon)) }
	late := noon.Add(10 * time.Minute)
	for _, tt := range []struct {
		name  string
		live  *metav1.PartialObjectMetadata
		born  bool // the window came with the object's creation
		after time.Duration
		want  bool
	}{
		{name: "it lost its annotation", live: bare(), after: storedBy, want: true},
		{name: "it carries the annotation", live: bare(marked), after: storedBy},
		{name: "the write that brings it may be on its way", live: bare(), after: storedBy - time.Second},
		{name: "it was deleted", after: storedBy},
		{name: "it is being deleted", live: bare(dying), after: storedBy},
		{name: "it was deleted and made anew", live: bare(made("u-2", late)), after: time.Hour},
		{name: "it was created with the annotation and lost it", live: bare(made("u-2", noon.Add(time.Second))), born: true, after: storedBy, want: true},
		{name: "it was created with the annotation, deleted and made anew", live: bare(made("u-3", late)), born: true, after: time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := openingRecord()
			rec.Status.FirstSeen = metav1.NewMicroTime(noon)
			rec.Spec.Target = &v1alpha1.Target{UID: "u-1"}
			if tt.born {
				rec.Spec.Request.Operation, rec.Spec.Target = "CREATE", nil
			}
			if got := unmarked(rec, tt.live, noon.Add(tt.after)); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// TestAWindowEndsWhenASyncTakesItsAnnotation: nobody's request was judged to end
// it; the annotation was there, and is not.
func TestAWindowEndsWhenASyncTakesItsAnnotation(t *testing.T) {
	b := newBench(t)
	ns := b.namespace(t, "taken")
	d := b.deployment(t, "taken")
	annotate := func(value string) {
		t.Helper()
		patch := []byte(`{"metadata":{"annotations":{"gitlatch.dev/break-glass":` + value + `}}}`)
		_, err := b.clients.AppsV1().Deployments("taken").Patch(t.Context(), "web", types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.clients.CoreV1().Namespaces().Patch(t.Context(), "taken", types.MergePatchType, patch, metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	annotate(`"INC-42: db failover"`)
	b.watch(t)
	b.write(t, openingRecord(recordNamed("cr-taken"), on(d)))
	b.write(t, openingRecord(recordNamed("cr-taken-ns"), onNamespace, func(rec *v1alpha1.ChangeRecord) {
		rec.Spec.Request.Name = "taken"
		rec.Spec.Target = &v1alpha1.Target{UID: ns.UID, ResourceVersion: ns.ResourceVersion}
	}))
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "taken" })
	eventually(t, "the watch tells of both windows", func() bool { return len(b.Windows(req)) == 2 })
	b.clock.Step(storedBy)
	b.Sweep(t.Context())
	if got := b.Windows(req); len(got) != 2 {
		t.Errorf("ended although the annotations are there: %v", got)
	}

	annotate("null")
	b.clock.Step(bearerPeriod)
	at := metav1.NewMicroTime(b.clock.Now())
	b.Sweep(t.Context())
	b.expectEnd(t, "cr-taken", v1alpha1.WindowEnd{At: at, Reason: v1alpha1.WindowRemoved})
	b.expectEnd(t, "cr-taken-ns", v1alpha1.WindowEnd{At: at, Reason: v1alpha1.WindowRemoved})
	if got := b.Windows(req); got != nil {
		t.Errorf("open without an annotation: %v", got)
	}
}

func TestTheWindowOfADeletedObjectStays(t *testing.T) {
	b := newBench(t)
	b.namespace(t, "again")
	d := b.deployment(t, "again")
	b.watch(t)
	b.write(t, openingRecord(recordNamed("cr-again"), on(d)))
	req := writeToWeb(func(r *policy.Request) { r.Namespace = "again" })
	eventually(t, "the watch tells of the window", func() bool { return len(b.Windows(req)) == 1 })
	if err := b.clients.AppsV1().Deployments("again").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"deleted", "made anew"} {
		b.clock.Step(storedBy)
		b.Sweep(t.Context())
		if got := b.Windows(req); len(got) != 1 {
			t.Errorf("the object is %s: got windows %v, want its one", what, got)
		}
		if what == "deleted" {
			b.deployment(t, "again")
		}
	}
}
