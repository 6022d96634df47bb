package retention

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// TestByAge: what is old is archived and then deleted; what waits or guards stays.
func TestByAge(t *testing.T) {
	r := newRig(t, Options{MaxAge: 90 * day, CloseAfter: 7 * day})
	r.seed(t, "cr-emergency", seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseResolved, 99*day, opened(-98*day, nil)))
	r.seed(t, "cr-flag", seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved, 95*day))
	r.seed(t, "cr-guard", seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved, 95*day, labelled(v1alpha1.LabelUnresolved, record.Unresolved)))
	r.seed(t, "cr-old", seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed, 91*day))
	r.seed(t, "cr-week", seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 8*day))
	r.seed(t, "cr-young", seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, time.Hour))
	got := r.pass(t)
	want := &Result{Listed: true, Stored: 4, Kept: map[Kept]int{KeptUnreviewed: 1, KeptGuard: 1}, Archived: 2, Closed: 1, DeletedByAge: 2, Head: got.Head}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cr-emergency", "cr-guard", "cr-week", "cr-young"}, r.left(t)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cr-flag", "cr-old"}, r.kept(t)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
	week := &v1alpha1.ChangeRecord{}
	must(t, r.client.Get(t.Context(), client.ObjectKey{Name: "cr-week"}, week))
	if week.Status.Phase != v1alpha1.PhaseClosed || week.Status.Count != 1 {
		t.Errorf("the denial of last week is %+v", week.Status)
	}
	again := r.pass(t)
	want = &Result{Listed: true, Stored: 4, Kept: map[Kept]int{KeptUnreviewed: 1, KeptGuard: 1}, Head: got.Head}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("a second pass (-want +got):\n%s", diff)
	}
}

// TestByNumber: the oldest above the limit go, closed ones first, and what may not go
// is told of.
func TestByNumber(t *testing.T) {
	r := newRig(t, Options{MaxRecords: 4})
	r.seed(t, "cr-emergency", seen(v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseResolved, 50*day))
	r.seed(t, "cr-open", seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied, 40*day))
	r.seed(t, "cr-flag", seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved, 45*day))
	for n := range 4 {
		r.seed(t, fmt.Sprintf("cr-closed-%d", n), seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed, time.Duration(30-n)*day))
	}
	got := r.pass(t)
	want := &Result{Listed: true, Stored: 4, Kept: map[Kept]int{KeptUnreviewed: 1}, Archived: 3, DeletedByNumber: 3, Head: got.Head}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cr-closed-3", "cr-emergency", "cr-flag", "cr-open"}, r.left(t)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	r.Options.MaxRecords = 1
	for n := range 2 {
		r.seed(t, fmt.Sprintf("cr-new-%d", n), seen(v1alpha1.OutcomeDrift, v1alpha1.PhaseObserved, 2*time.Hour))
	}
	got = r.pass(t)
	want = &Result{Listed: true, Stored: 3, Over: 2, Kept: map[Kept]int{KeptUnreviewed: 1}, Archived: 3, DeletedByNumber: 3, Head: got.Head}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cr-emergency", "cr-new-0", "cr-new-1"}, r.left(t)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cr-closed-0", "cr-closed-1", "cr-closed-2", "cr-closed-3", "cr-open", "cr-flag"}, r.kept(t)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
	r.tell(t.Context(), got, nil, 0)
	if over := r.figures(t)["gitlatch_records_over_limit"]; over != 2 {
		t.Errorf("gitlatch_records_over_limit = %v", over)
	}
}

// before does something before each batch is handed on.
type before struct {
	Sink
	do func()
}

func (b *before) Append(ctx context.Context, known archive.Head, at time.Time, records []*v1alpha1.ChangeRecord) (archive.Appended, error) {
	b.do()
	return b.Sink.Append(ctx, known, at, records)
}

// TestAReviewMeanwhile: a record that somebody reviews while it is archived stays, and
// is archived with the review.
func TestAReviewMeanwhile(t *testing.T) {
	r := newRig(t, Options{MaxAge: 90 * day})
	r.seed(t, "cr-flag", seen(v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved, 95*day))
	r.Sink = &before{r.Sink, func() {
		rec := &v1alpha1.ChangeRecord{}
		must(t, r.client.Get(t.Context(), client.ObjectKey{Name: "cr-flag"}, rec))
		if rec.Status.Review == nil {
			old := rec.DeepCopy()
			rec.Status.Review = &v1alpha1.Review{Verdict: v1alpha1.ReviewRejected, Reviewer: "carol", At: metav1.NewTime(r.now)}
			must(t, r.client.Status().Patch(t.Context(), rec, client.MergeFrom(old)))
		}
	}}
	got := r.pass(t)
	want := &Result{Listed: true, Stored: 1, Kept: map[Kept]int{}, Archived: 1, Changed: 1, Head: got.Head}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := r.pass(t); got.Archived != 0 || got.Stored != 1 {
		t.Errorf("the day after a review is not waited for: %+v", got)
	}
	r.clock.Step(25 * time.Hour)
	r.pass(t)
	if left := r.left(t); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if diff := cmp.Diff([]string{"cr-flag", "cr-flag"}, r.kept(t)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
}

// refusing stands for an archive that takes nothing.
type refusing struct {
	Sink
	err error
}

func (f *refusing) Append(ctx context.Context, known archive.Head, at time.Time, records []*v1alpha1.ChangeRecord) (archive.Appended, error) {
	if f.err != nil {
		return archive.Appended{}, f.err
	}
	return f.Sink.Append(ctx, known, at, records)
}

// TestAnArchiveThatTakesNothing: nothing is deleted, what waits is counted, and all is
// done once it takes again.
func TestAnArchiveThatTakesNothing(t *testing.T) {
	r := newRig(t, Options{MaxAge: 95 * day, MaxRecords: 10})
	r.seedMany(t, 130, 95*day+65*time.Second) // 66 are too old, and 54 are too many
	sink := &refusing{r.Sink, errors.New("no space left on device")}
	r.Sink = sink
	got, err := r.Pass(t.Context())
	if err == nil || err.Error() != "archiving records: no space left on device" {
		t.Errorf("Pass() = %v", err)
	}
	want := &Result{Listed: true, Stored: 130, Pending: 120, Kept: map[Kept]int{}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.tell(t.Context(), got, err, time.Minute)
	if diff := cmp.Diff(map[string]float64{
		"gitlatch_archive_failures_total": 1, "gitlatch_archive_pending": 120, "gitlatch_records_stored": 130,
	}, r.figures(t)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if left := r.left(t); len(left) != 130 {
		t.Errorf("%d are left", len(left))
	}
	sink.err = nil
	got = r.pass(t)
	want = &Result{Listed: true, Stored: 10, Kept: map[Kept]int{}, Archived: 120, DeletedByAge: 66, DeletedByNumber: 54, Head: got.Head}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.tell(t.Context(), got, nil, 0)
	if diff := cmp.Diff(map[string]float64{
		"gitlatch_archive_failures_total": 1, "gitlatch_records_stored": 10, "gitlatch_records_archived_total": 120,
		"gitlatch_records_deleted_total age": 66, "gitlatch_records_deleted_total number": 54, "gitlatch_archive_head_seq": 121,
	}, r.figures(t)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if kept := r.kept(t); len(kept) != 120 {
		t.Errorf("%d are archived", len(kept))
	}
}

// forgetful is a cluster that can't be told the head.
type forgetful struct {
	Heads
	err error
}

func (f *forgetful) Save(ctx context.Context, head archive.Head) error {
	if f.err != nil {
		return f.err
	}
	return f.Heads.Save(ctx, head)
}

// TestAHeadThatCantBeNoted: what is archived is not deleted before, nor archived twice.
func TestAHeadThatCantBeNoted(t *testing.T) {
	r := newRig(t, Options{MaxAge: 90 * day})
	r.seedMany(t, 3, 95*day)
	heads := &forgetful{r.Heads, errors.New("the server is gone")}
	r.Heads = heads
	for range 2 {
		if got, err := r.Pass(t.Context()); err == nil || err.Error() != "archiving records: the server is gone" || got.DeletedByAge != 0 {
			t.Errorf("Pass() = %+v, %v", got, err)
		}
	}
	heads.err = nil
	if got := r.pass(t); got.DeletedByAge != 3 || got.Archived != 0 || got.Stored != 0 {
		t.Errorf("Pass() = %+v", got)
	}
	if diff := cmp.Diff([]string{"cr-00000", "cr-00001", "cr-00002"}, r.kept(t)); diff != "" {
		t.Errorf("archived (-want +got):\n%s", diff)
	}
}

// TestTheLoopGoesOn: it passes at once, tries again after a failure, and ends.
func TestTheLoopGoesOn(t *testing.T) {
	r := newRig(t, Options{MaxAge: 90 * day, Every: time.Hour})
	r.seedMany(t, 3, 95*day)
	sink := &refusing{r.Sink, errors.New("no space left on device")}
	r.Sink = sink
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Start(ctx) }()
	until := func(what string, asked func() bool) {
		t.Helper()
		must(t, wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
			return asked(), nil
		}))
		t.Log(what)
	}
	until("it failed and waits", func() bool { return r.figures(t)["gitlatch_archive_failures_total"] == 1 && r.clock.HasWaiters() })
	sink.err = nil
	r.clock.Step(2 * retryFirst)
	until("all is deleted", func() bool { return r.figures(t)["gitlatch_records_deleted_total age"] == 3 && r.clock.HasWaiters() })
	cancel()
	must(t, <-ended)
	if names := r.kept(t); !slices.Equal(names, []string{"cr-00000", "cr-00001", "cr-00002"}) {
		t.Errorf("archived: %v", names)
	}
}
