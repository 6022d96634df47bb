package replicas

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// bucketLeft waits until a count that is begun now stays in one record: repeats are
// counted together for five minutes by the clock.
func bucketLeft(t *testing.T, margin time.Duration) {
	t.Helper()
	const size = 5 * time.Minute
	if left := size - time.Duration(time.Now().UnixNano()%int64(size)); left < margin {
		t.Logf("waiting %s for the next five minutes", left)
		time.Sleep(left)
	}
}

// The same attempt at different replicas is one record with the sum of all, through
// the end of a replica that is told to, and the return of one that was killed.
func TestCountsAreSummed(t *testing.T) {
	all(t)
	defer all(t)
	bucketLeft(t, 20*time.Second)
	ns := here.NewNamespace(t, "{}")
	cm := declared(t, ns)
	nina := visitor(t, here.Named("nina"), "devs")
	want := map[string]int64{}
	try := func(i, times int) {
		only(t, i)
		for range times {
			denied(t, nina.Delete(t.Context(), cm.DeepCopy()), "a deletion by hand")
		}
		want[here.Gate.Pod(i)] += int64(times)
	}
	count := func() {
		t.Helper()
		world.Eventually(t, "the counts", 20*time.Second, func(context.Context) error {
			rec, got, sum := one(t, "the denial", world.InNamespace(ns)), map[string]int64{}, int64(0)
			for _, c := range rec.Status.Counts {
				got[c.Replica] += c.Count
				sum += c.Count
			}
			if diff := cmp.Diff(want, got); diff != "" || rec.Status.Count != sum {
				return fmt.Errorf("count %d, of each (-want +got):\n%s", rec.Status.Count, diff)
			}
			return nil
		})
	}
	try(0, 3)
	try(1, 2)
	try(2, 4)
	here.Gate.Terminate(2) // it says what it has counted
	count()
	here.Gate.Kill(1) // all that it has counted is said
	world.Must(t, here.Gate.Start(t.Context(), 1))
	world.Must(t, here.Gate.Start(t.Context(), 2))
	try(1, 3)
	try(2, 1)
	try(0, 1)
	count()
}

// An exec whose two calls come to two replicas is one exec.
func TestAnExecIsCountedOnce(t *testing.T) {
	all(t)
	defer all(t)
	bucketLeft(t, 20*time.Second)
	ns := here.NewNamespace(t, "{gate: warn}")
	here.Declare(t, fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: still, namespace: %s}\nspec: {containers: [{name: web, image: registry.example/web:1}]}\n", ns))
	exec := func(user string) {
		t.Helper()
		if got := here.Kubectl(t, user, "-n", ns, "exec", "still", "--", "sh"); strings.Contains(got.Err, "gitlatch.dev\" denied") {
			t.Errorf("the exec was not admitted: %s", got.Err)
		}
	}
	h := &hook{name: "zz-exec", group: "", resource: "pods/exec", operation: "CONNECT", namespace: ns}
	h.register(t, func(context.Context) error { exec("bob"); return nil })
	for range 3 {
		only(t, 0)
		h.afterwards(func(*admissionv1.AdmissionRequest) { here.Gate.Only(1) })
		exec("carol")
	}
	calls := connects(t, ns, "carol")
	world.Eventually(t, "the count", 20*time.Second, func(context.Context) error {
		rec := one(t, "the exec", func(r *v1alpha1.ChangeRecord) bool {
			return world.InNamespace(ns)(r) && r.Spec.Requester.Username == "carol"
		})
		if rec.Status.Count != calls {
			return fmt.Errorf("%d execs are counted %d: %v", calls, rec.Status.Count, rec.Status.Counts)
		}
		return nil
	})
}

// Whoever sets a value, changes it and sets it again has made three attempts, also
// where each came to another replica.
func TestTheSameAgainElsewhereIsAnotherAttempt(t *testing.T) {
	all(t)
	defer all(t)
	ns := here.NewNamespace(t, "{gate: warn}")
	cm := declared(t, ns)
	alice := visitor(t, here.Named("alice"), "devs")
	for i, color := range []string{"red", "green", "red"} {
		only(t, i)
		world.Must(t, alice.Patch(t.Context(), cm.DeepCopy(), patchOf(`{"data":{"color":%q}}`, color)))
	}
	var got []string
	for _, r := range here.Records(t, world.InNamespace(ns)) {
		got = append(got, r.Spec.Changes[0].From+" to "+r.Spec.Changes[0].To)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{`"blue" to "red"`, `"green" to "red"`, `"red" to "green"`}, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
