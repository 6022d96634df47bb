package record

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

func TestAHundredConcurrentDenialsMakeOneRecord(t *testing.T) {
	away(coalesceBucket, 20*time.Second)
	w, store := newWriter(t, "gate-1")
	alice := person(t, "alice")
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			if _, err := w.Denied(t.Context(), denial(alice, "web")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := store.made.Load() + store.existed.Load(); got != 1 {
		t.Errorf("%d creates were sent, want 1", got)
	}
	must(t, w.Flush(t.Context()))
	found := recordsOf(t, alice)
	if len(found) != 1 || found[0].Status.Count != 100 || found[0].Status.Phase != v1alpha1.PhaseDenied {
		t.Errorf("records: %+v", found)
	}
}

func TestReplicasCountSideBySide(t *testing.T) {
	away(coalesceBucket, 20*time.Second)
	one, _ := newWriter(t, "gate-1")
	two, _ := newWriter(t, "gate-2")
	alice := person(t, "alice")
	var names [2]string
	for i := range 5 {
		for n, w := range []*Writer{one, two} {
			name, err := w.Denied(t.Context(), denial(alice, "web"))
			must(t, err)
			names[n] = name
			if n == 0 || i > 2 {
				must(t, w.Flush(t.Context()))
			}
		}
	}
	if names[0] != names[1] {
		t.Errorf("two names: %v", names)
	}
	again, _ := newWriter(t, "gate-1") // restarted
	_, err := again.Denied(t.Context(), denial(alice, "web"))
	must(t, err)
	must(t, again.Flush(t.Context()))
	must(t, again.Flush(t.Context()))
	status := get(t, names[0]).Status
	want := []v1alpha1.ReplicaCount{{Replica: "gate-1", Count: 6}, {Replica: "gate-2", Count: 5}}
	if diff := cmp.Diff(want, status.Counts); diff != "" || status.Count != 11 {
		t.Errorf("count %d (-want +got):\n%s", status.Count, diff)
	}
}

// A replica that is killed after it created a record, and before it said when, leaves one that another counts on: that one
// knows only of its own attempts, and the record is older.
func TestARecordWhoseWriterEndedIsAsOldAsItIs(t *testing.T) {
	away(coalesceBucket, 30*time.Second)
	one, _ := newWriter(t, "gate-1")
	two, _ := newWriter(t, "gate-2")
	two.Clock = clocktesting.NewFakeClock(time.Now().Add(10 * time.Second))
	alice := person(t, "alice")
	name, err := one.Denied(t.Context(), denial(alice, "web"))
	must(t, err)
	_, err = two.Denied(t.Context(), denial(alice, "web"))
	must(t, err)
	must(t, two.Flush(t.Context()))
	rec := get(t, name)
	if made := rec.CreationTimestamp.Time; !rec.Status.FirstSeen.Time.Equal(made) || !rec.Status.LastSeen.Time.After(made) {
		t.Errorf("made at %s, first seen %s, last seen %s", made, rec.Status.FirstSeen, rec.Status.LastSeen)
	}
	// Where its writer only was slow, it knows better.
	must(t, one.Flush(t.Context()))
	if seen := get(t, name).Status.FirstSeen.Time; wholeSecond(seen) || seen.Sub(rec.CreationTimestamp.Time).Abs() > 2*time.Second {
		t.Errorf("first seen %s, made at %s", seen, rec.CreationTimestamp)
	}
}

func TestAFloodIsFoldedAndEveryRequesterKept(t *testing.T) {
	away(coalesceBucket, time.Minute)
	w, store := newWriter(t, "gate-1")
	w.init()
	alice := person(t, "alice")
	var all sync.WaitGroup
	work := make(chan Entry)
	for range 20 {
		all.Go(func() {
			for e := range work {
				if _, err := w.Denied(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	began := time.Now()
	for n := range 9000 {
		work <- denial(alice, fmt.Sprintf("web-%d", n))
	}
	for n := range 1000 {
		work <- denial(person(t, fmt.Sprintf("user-%d", n%500)), fmt.Sprintf("web-%d", n))
	}
	close(work)
	all.Wait()
	took := time.Since(began)
	must(t, w.Flush(t.Context()))
	t.Logf("10,000 denials in %s, %d records", took, store.made.Load())
	if made := store.made.Load(); made > 1200 {
		t.Errorf("%d records", made)
	}
	var counted int64
	for _, rec := range recordsOf(t, alice) {
		counted += rec.Status.Count
		if rec.Spec.Folded && (len(rec.Status.Sample) != maxSamples || rec.Spec.Request.Name != "*") {
			t.Errorf("folded record: %+v", rec)
		}
		if got := size(rec); got > 8<<10 {
			t.Errorf("record %s has %d bytes", rec.Name, got)
		}
	}
	if counted != 9000 {
		t.Errorf("%d of alice's 9000 denials are counted", counted)
	}
	everything, err := List(t.Context(), newClient(t), Filter{Outcome: v1alpha1.OutcomeDenied})
	must(t, err)
	kept := map[string]int64{}
	for _, rec := range everything {
		kept[rec.Spec.Requester.Username] += rec.Status.Count
	}
	for n := range 500 {
		if user := person(t, fmt.Sprintf("user-%d", n)); kept[user] != 2 {
			t.Errorf("%s has %d denials on record, want 2", user, kept[user])
		}
	}
	if len(w.slots) > 1200 {
		t.Errorf("%d slots in memory", len(w.slots))
	}
}

func TestShutdownStoresTheLastCounts(t *testing.T) {
	away(coalesceBucket, 20*time.Second)
	w, _ := newWriter(t, "gate-1")
	w.Options.FlushEvery = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	alice := person(t, "alice")
	var name string
	for range 7 {
		var err error
		name, err = w.Denied(t.Context(), denial(alice, "web"))
		must(t, err)
	}
	eventually(t, "the first status", 5*time.Second, func() bool { return get(t, name).Status.Phase == v1alpha1.PhaseDenied })
	for range 3 {
		_, err := w.Denied(t.Context(), denial(alice, "web"))
		must(t, err)
	}
	stop()
	must(t, <-ended)
	if got := get(t, name).Status.Count; got != 10 {
		t.Errorf("count %d, want 10", got)
	}
}

func TestWhatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	away(coalesceBucket, time.Minute)
	w, _ := newWriter(t, "gate-1")
	w.Options.WriteTimeout = time.Second
	alice := person(t, "alice")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	defer func() { stop(); <-ended }()
	shared.StopServer(cluster.APIServer)
	name, err := w.Denied(t.Context(), denial(alice, "web"))
	if err == nil {
		t.Error("no error although there is no API server")
	}
	began := time.Now()
	if _, err := w.Denied(t.Context(), denial(alice, "web")); err == nil || time.Since(began) > 100*time.Millisecond {
		t.Errorf("a repeat took %s, error %v", time.Since(began), err)
	}
	if _, err := w.Admitted(t.Context(), flagged(alice, "web", "5", "blue", 1)); err == nil {
		t.Error("an admitted write is recorded although there is no API server")
	}
	kept := flagged(alice, "api", "5", "blue", 2)
	kept.Retry = true
	if _, err := w.Admitted(t.Context(), kept); err == nil {
		t.Error("an admitted write is recorded although there is no API server")
	}
	must(t, shared.StartServer(t.Context(), cluster.APIServer))
	eventually(t, "the records", 30*time.Second, func() bool { return len(recordsOf(t, alice)) == 2 })
	eventually(t, "the count", 10*time.Second, func() bool { return get(t, name).Status.Count == 2 })
	if _, err := w.Denied(t.Context(), denial(alice, "web")); err != nil {
		t.Errorf("a repeat after the recovery: %v", err)
	}
}
