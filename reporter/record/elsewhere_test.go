package record

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A retry that comes to another replica just after the turn of the bucket of time
// that names are made of is still the same attempt; the same much later is not.
func TestARetryAcrossTheTurnOfTheBucketIsOneRecord(t *testing.T) {
	for name, test := range map[string]struct {
		before, after time.Duration // the turn
		want          int
	}{
		"at once":       {100 * time.Millisecond, 200 * time.Millisecond, 1},
		"seconds after": {time.Second, 3 * time.Second, 1},
		"much later":    {6 * time.Second, 4 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			turn := time.Now().Truncate(attemptBucket)
			one, _ := newWriter(t, "gate-1")
			one.Clock = clocktesting.NewFakeClock(turn.Add(-test.before))
			two, _ := newWriter(t, "gate-2")
			two.Clock = clocktesting.NewFakeClock(turn.Add(test.after))
			alice := person(t, "alice")
			_, err := one.Admitted(t.Context(), flagged(alice, "a", "5", "blue", 1))
			must(t, err)
			must(t, one.Flush(t.Context()))
			_, err = two.Admitted(t.Context(), flagged(alice, "a", "6", "blue", 2))
			must(t, err)
			must(t, two.Flush(t.Context()))
			if found := recordsOf(t, alice); len(found) != test.want {
				t.Errorf("%d records, want %d: %+v", len(found), test.want, found)
			}
		})
	}
}

// A replica that is killed right after it created a record has not counted it. Who
// finds the record does: the retry or the validating call, on another replica.
func TestTheRecordOfAKilledReplicaIsCounted(t *testing.T) {
	again := flagged("", "a", "6", "blue", 2)
	for name, second := range map[string]Entry{"by the retry": again, "by the validating call": final(flagged("", "a", "5", "blue", 1))} {
		t.Run(name, func(t *testing.T) {
			away(attemptBucket, 3*time.Second)
			alice := person(t, "alice")
			killed, _ := newWriter(t, "gate-1")
			_, err := killed.Admitted(t.Context(), flagged(alice, "a", "5", "blue", 1))
			must(t, err)
			two, _ := newWriter(t, "gate-2")
			second.Spec.Requester.Username = alice
			_, err = two.Admitted(t.Context(), second)
			must(t, err)
			must(t, two.Flush(t.Context()))
			wantCounted(t, alice, "gate-2")
			must(t, killed.Flush(t.Context())) // it was not killed, only slow
			wantCounted(t, alice, "gate-2")
		})
	}
}

// A window that was ended at once, on another replica, is not the one that the same
// request opens again; and what is done in the next window is an attempt of its own.
func TestTheNextWindowHasRecordsOfItsOwn(t *testing.T) {
	for name, replica := range map[string]string{"on the same replica": "gate-1", "on another replica": "gate-2"} {
		t.Run(name, func(t *testing.T) {
			away(attemptBucket, 5*time.Second)
			one, _ := newWriter(t, "gate-1")
			next := one
			if replica != one.Replica {
				next, _ = newWriter(t, replica)
			}
			e := flagged(person(t, "oncall"), "a", "5", "blue", 1)
			e.Spec.Outcome, e.OpensWindow = v1alpha1.OutcomeBreakGlass, true
			e.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: "INC-42: db failover", Scope: v1alpha1.WindowObject, Until: metav1.Now()}
			first, err := one.Admitted(t.Context(), e)
			must(t, err)
			_, err = patchStatus(t.Context(), one.Store, first.Name, nil, func(rec *v1alpha1.ChangeRecord) bool {
				rec.Status.Window = &v1alpha1.WindowEnd{At: metav1.NowMicro(), Reason: v1alpha1.WindowRemoved}
				return true
			})
			must(t, err)
			second, err := next.Admitted(t.Context(), e)
			must(t, err)
			if second.Name == first.Name {
				t.Error("the second window is that of the first record, which has ended")
			}
			used := map[string]bool{}
			for _, window := range []string{first.Name, second.Name} {
				e := flagged(e.Spec.Requester.Username, "b", "5", "blue", 2)
				e.Spec.Outcome, e.Spec.BreakGlass = v1alpha1.OutcomeBreakGlass, &v1alpha1.RecordedWindow{Window: window, Scope: v1alpha1.WindowObject, Until: metav1.Now()}
				rec, err := next.Admitted(t.Context(), e)
				must(t, err)
				used[rec.Name] = true
			}
			if len(used) != 2 {
				t.Errorf("the same in two windows is on record as %v", used)
			}
		})
	}
}

func wantCounted(t *testing.T, user, replica string) {
	t.Helper()
	found := recordsOf(t, user)
	if len(found) != 1 {
		t.Fatalf("%d records, want one", len(found))
	}
	s := found[0].Status
	if s.Count != 1 || len(s.Counts) != 1 || s.Counts[0].Replica != replica || s.FirstSeen.IsZero() || s.LastSeen.IsZero() || s.Phase != v1alpha1.PhaseAdmitted {
		t.Errorf("status %+v, want it counted once, by %s", s, replica)
	}
}

// Where nobody comes again, the follower of any replica that starts counts it.
func TestTheFollowerCountsWhatNobodyCounted(t *testing.T) {
	for name, e := range map[string]Entry{
		"an update": flagged("", "gone", "5", "blue", 1), "a connect": connect(""),
	} {
		t.Run(name, func(t *testing.T) {
			e.Spec.Requester.Username = person(t, "alice")
			killed, _ := newWriter(t, "gate-1")
			rec, err := killed.Admitted(t.Context(), e)
			must(t, err)
			f := newFollower(t)
			f.init()
			_, err = f.look(t.Context(), look{name: rec.Name})
			must(t, err)
			s := get(t, rec.Name).Status
			if s.Count != 1 || s.FirstSeen.IsZero() || s.LastSeen.IsZero() || s.Phase != v1alpha1.PhaseAdmitted {
				t.Errorf("status %+v", s)
			}
			must(t, killed.Flush(t.Context())) // it was not killed, only slow
			if s := get(t, rec.Name).Status; s.Count != 1 || len(s.Counts) != 1 {
				t.Errorf("status %+v after the writer's own count", s)
			}
		})
	}
}

func connect(user string) Entry {
	e := entryOf("PodExecOptions", operationConnect)
	e.Spec.Requester.Username, e.Spec.Request.Resource, e.Spec.Request.Subresource = user, "pods", "exec"
	return e
}

// The two calls of a CONNECT are one, also where they come to two replicas, and at
// the turn of the bucket that repeats are counted in.
func TestAConnectOnTwoReplicasIsCountedOnce(t *testing.T) {
	for name, turn := range map[string]time.Duration{"in one bucket": time.Minute, "at the turn of two": -100 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			began := time.Now().Truncate(coalesceBucket).Add(turn)
			one, _ := newWriter(t, "gate-1")
			one.Clock = clocktesting.NewFakeClock(began)
			two, _ := newWriter(t, "gate-2")
			two.Clock = clocktesting.NewFakeClock(began.Add(200 * time.Millisecond))
			alice := person(t, "alice")
			for range 3 {
				_, err := one.Admitted(t.Context(), connect(alice))
				must(t, err)
				_, err = two.Admitted(t.Context(), final(connect(alice)))
				must(t, err)
			}
			must(t, one.Flush(t.Context()))
			must(t, two.Flush(t.Context()))
			if found := recordsOf(t, alice); len(found) != 1 || found[0].Status.Count != 3 {
				t.Errorf("records: %+v", found)
			}
		})
	}
}
