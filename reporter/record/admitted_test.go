package record

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// flagged is a flagged update of a ConfigMap's color.
func flagged(user, target, version, color string, review int) Entry {
	e := entryOf("ConfigMap", operationUpdate, changed(".data.color", "red", color))
	e.Spec.Requester.Username = user
	e.Spec.Request.Name, e.Spec.Request.UID = target, uid(review)
	e.Spec.Target = &v1alpha1.Target{UID: "u", ResourceVersion: version}
	e.Unresolved = true
	return e
}

func final(e Entry, more ...Change) Entry {
	e.Final = true
	e.Spec.Request.UID += "-final"
	e.Changes = append(append([]Change{}, e.Changes...), more...)
	return e
}

func TestOneAttemptIsOneRecord(t *testing.T) {
	stamp := changed(`.metadata.annotations["gitlatch.dev/break-glass-by"]`, nil, "alice")
	injected := changed(".metadata.labels.injected", nil, "true")
	secret := func(version, value string, review int) Entry {
		e := flagged("", "s", version, "", review)
		e.Spec.Request.Resource, e.Spec.Request.Kind = "secrets", "Secret"
		e.Changes = []Change{changed(".data.p", "old", value)}
		return e
	}
	deleted := func(object string, review int) Entry {
		e := entryOf("ConfigMap", operationDelete, changed(".data.color", "red", nil))
		e.Spec.Request.UID, e.Spec.Target = uid(review), &v1alpha1.Target{UID: types.UID(object), ResourceVersion: object}
		return e
	}
	turned := func(from, to, version string, review int) Entry {
		e := flagged("", "a", version, to, review)
		e.Changes[0].From = from
		return e
	}
	ruled := func(e Entry, reason v1alpha1.Reason) Entry {
		e.Spec.Reason = reason
		return e
	}
	by := func(manager string, e Entry) Entry {
		e.Spec.Request.FieldManager = manager
		return e
	}
	type call struct {
		replica int
		entry   Entry
	}
	for name, test := range map[string]struct {
		calls []call
		want  int
	}{
		"both calls of a request":                                      {[]call{{0, flagged("", "a", "5", "blue", 1)}, {0, final(flagged("", "a", "5", "blue", 1), stamp, injected)}}, 1},
		"both calls of a request, on two replicas":                     {[]call{{0, flagged("", "a", "5", "blue", 1)}, {1, final(flagged("", "a", "5", "blue", 1), stamp, injected)}}, 1},
		"retries after conflicts":                                      {[]call{{0, flagged("", "a", "5", "blue", 1)}, {0, flagged("", "a", "6", "blue", 2)}, {0, final(flagged("", "a", "6", "blue", 2))}}, 1},
		"retries after conflicts, on two replicas":                     {[]call{{0, flagged("", "a", "5", "blue", 1)}, {1, flagged("", "a", "6", "blue", 2)}, {0, final(flagged("", "a", "6", "blue", 2), stamp)}}, 1},
		"retries of a Secret":                                          {[]call{{0, secret("5", "x", 1)}, {0, secret("6", "x", 2)}, {1, final(secret("5", "x", 1))}}, 1},
		"two values of a Secret on one version":                        {[]call{{0, secret("5", "x", 1)}, {0, secret("5", "y", 2)}, {1, secret("5", "z", 3)}}, 3},
		"the same by another manager":                                  {[]call{{0, by("one", flagged("", "a", "5", "blue", 1))}, {0, by("two", flagged("", "a", "6", "blue", 2))}, {0, final(by("two", flagged("", "a", "6", "blue", 2)))}}, 2},
		"the same by another manager, on two replicas":                 {[]call{{0, by("one", flagged("", "a", "5", "blue", 1))}, {1, by("two", flagged("", "a", "6", "blue", 2))}, {0, final(by("two", flagged("", "a", "6", "blue", 2)))}}, 2},
		"two values at once are two attempts":                          {[]call{{0, flagged("", "a", "5", "blue", 1)}, {0, flagged("", "a", "5", "green", 2)}, {1, flagged("", "a", "5", "black", 3)}}, 3},
		"a validating call whose mutating call was lost":               {[]call{{0, final(flagged("", "a", "5", "blue", 1))}, {1, final(flagged("", "b", "5", "blue", 1))}}, 2},
		"two objects of one name are deleted":                          {[]call{{0, deleted("1", 1)}, {0, final(deleted("1", 1))}, {0, deleted("2", 2)}, {0, final(deleted("2", 2))}}, 2},
		"two objects of one name are deleted, on two replicas":         {[]call{{0, deleted("1", 1)}, {1, final(deleted("2", 2))}}, 2},
		"a value is set, taken back and set again":                     {[]call{{0, turned("red", "blue", "5", 1)}, {0, turned("blue", "red", "6", 2)}, {0, turned("red", "blue", "7", 3)}, {0, final(turned("red", "blue", "7", 3))}}, 3},
		"a value is set, taken back and set again, on two replicas":    {[]call{{0, turned("red", "blue", "5", 1)}, {1, turned("blue", "red", "6", 2)}, {1, turned("red", "blue", "7", 3)}, {0, final(turned("red", "blue", "7", 3))}}, 3},
		"set, taken back and set again where a call failed open":       {[]call{{0, turned("red", "blue", "5", 1)}, {1, turned("blue", "red", "6", 2)}, {1, final(turned("red", "blue", "7", 3))}}, 3},
		"a value that was taken back, and a retry on two replicas":     {[]call{{0, turned("blue", "red", "4", 1)}, {0, turned("red", "blue", "5", 2)}, {1, turned("red", "blue", "6", 3)}}, 2},
		"retries of two values in turn, on two replicas":               {[]call{{0, turned("red", "blue", "5", 1)}, {1, turned("red", "green", "5", 2)}, {1, turned("red", "blue", "6", 3)}, {0, turned("red", "green", "6", 4)}}, 2},
		"retries of two values in turn":                                {[]call{{0, turned("red", "blue", "5", 1)}, {0, turned("red", "green", "5", 2)}, {0, turned("red", "blue", "6", 3)}, {0, turned("red", "green", "6", 4)}}, 2},
		"a validating call that decides otherwise":                     {[]call{{0, ruled(flagged("", "a", "5", "blue", 1), "Operation")}, {0, ruled(final(flagged("", "a", "5", "blue", 1), injected), "OutOfBand")}}, 2},
		"a validating call that decides otherwise, on another replica": {[]call{{0, ruled(flagged("", "a", "5", "blue", 1), "Operation")}, {1, ruled(final(flagged("", "a", "5", "blue", 1)), "OutOfBand")}}, 2},
		"a validating call after another's attempt":                    {[]call{{0, flagged("", "a", "5", "blue", 1)}, {1, final(flagged("", "a", "5", "green", 2))}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			away(attemptBucket, 3*time.Second)
			one, _ := newWriter(t, "gate-1")
			two, _ := newWriter(t, "gate-2")
			alice := person(t, "alice")
			for _, call := range test.calls {
				call.entry.Spec.Requester.Username = alice
				rec, err := []*Writer{one, two}[call.replica].Admitted(t.Context(), call.entry)
				must(t, err)
				must(t, one.Flush(t.Context()))
				must(t, two.Flush(t.Context()))
				get(t, rec.Name)
			}
			found := recordsOf(t, alice)
			if len(found) != test.want {
				t.Errorf("%d records, want %d", len(found), test.want)
			}
			for _, rec := range found {
				if rec.Status.Count != 1 || rec.Status.Phase != v1alpha1.PhaseAdmitted || rec.Status.FirstSeen.IsZero() {
					t.Errorf("status: %+v", rec.Status)
				}
			}
		})
	}
}

func TestTheSameAgainIsAnotherRecordOnceTheFirstIsDecided(t *testing.T) {
	away(attemptBucket, 3*time.Second)
	alice := person(t, "alice")
	one, _ := newWriter(t, "gate-1")
	first, err := one.Admitted(t.Context(), flagged(alice, "a", "5", "blue", 1))
	must(t, err)
	_, err = patchStatus(t.Context(), one.Store, first.Name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		rec.Status.Phase = v1alpha1.PhaseObserved
		return true
	})
	must(t, err)
	two, _ := newWriter(t, "gate-2")
	second, err := two.Admitted(t.Context(), flagged(alice, "a", "9", "blue", 2))
	must(t, err)
	if first.Name == second.Name {
		t.Error("both are record " + first.Name)
	}
}

func TestTheWindowIsThatOfTheFirstCall(t *testing.T) {
	away(attemptBucket, 3*time.Second)
	w, _ := newWriter(t, "gate-1")
	e := flagged(person(t, "oncall"), "a", "5", "blue", 1)
	e.Spec.Outcome, e.OpensWindow = v1alpha1.OutcomeBreakGlass, true
	e.Spec.BreakGlass = &v1alpha1.RecordedWindow{Reason: "INC-42: db failover", Scope: v1alpha1.WindowObject}
	e.Spec.BreakGlass.Until.Time = began
	first, err := w.Admitted(t.Context(), e)
	must(t, err)
	e.Spec.BreakGlass = e.Spec.BreakGlass.DeepCopy()
	e.Spec.BreakGlass.Until.Time = began.Add(time.Second)
	second, err := w.Admitted(t.Context(), e)
	must(t, err)
	if second.Name != first.Name || !second.Spec.BreakGlass.Until.Time.Equal(began) {
		t.Errorf("second: %s until %s", second.Name, second.Spec.BreakGlass.Until)
	}
}

func TestGeneratedNamesAreCompletedAndStayApart(t *testing.T) {
	for name, finalReplica := range map[string]int{"on one replica": 0, "on two replicas": 1} {
		t.Run(name, func(t *testing.T) {
			alice := person(t, "alice")
			one, _ := newWriter(t, "gate-1")
			two, _ := newWriter(t, "gate-2")
			writers := []*Writer{one, two}
			for n := range 3 {
				e := entryOf("ConfigMap", operationCreate, changed(".data.color", nil, "blue"))
				e.Spec.Requester.Username, e.GenerateName = alice, "web-"
				e.Spec.Request.Name, e.Spec.Request.UID = "web-*", uid(n)
				_, err := one.Admitted(t.Context(), e)
				must(t, err)
				must(t, one.Flush(t.Context()))
				e = final(e)
				e.Spec.Request.Name = fmt.Sprintf("web-%d", n)
				_, err = writers[finalReplica].Admitted(t.Context(), e)
				must(t, err)
				must(t, one.Flush(t.Context()))
			}
			names := map[string]bool{}
			for _, rec := range recordsOf(t, alice) {
				names[rec.Spec.Request.Name+" "+rec.Status.Name] = true
			}
			for n := range 3 {
				if !names[fmt.Sprintf("web-* web-%d", n)] || len(names) != 3 {
					t.Errorf("names: %v", names)
				}
			}
		})
	}
}

func TestConnectsAreCounted(t *testing.T) {
	away(coalesceBucket, 20*time.Second)
	w, store := newWriter(t, "gate-1")
	alice := person(t, "alice")
	e := entryOf("PodExecOptions", operationConnect)
	e.Spec.Requester.Username, e.Spec.Request.Resource, e.Spec.Request.Subresource = alice, "pods", "exec"
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for _, e := range []Entry{e, final(e)} {
				if _, err := w.Admitted(t.Context(), e); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	must(t, w.Flush(t.Context()))
	found := recordsOf(t, alice)
	if len(found) != 1 || found[0].Status.Count != 50 || found[0].Status.Phase != v1alpha1.PhaseAdmitted || store.made.Load() != 1 {
		t.Errorf("%d creates, records: %+v", store.made.Load(), found)
	}
}
