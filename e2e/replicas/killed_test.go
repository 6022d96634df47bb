package replicas

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// wantOnce wants the one record of a change, counted once and with a whole status,
// whichever replica lived to write it.
func wantOnce(t *testing.T, ns, path, to string) {
	t.Helper()
	world.Eventually(t, "the record to be counted", 60*time.Second, func(context.Context) error {
		found := here.Records(t, changes(ns, path, to))
		if len(found) != 1 {
			return fmt.Errorf("%d records: %s", len(found), summary(found))
		}
		s := found[0].Status
		if s.Count != 1 || s.FirstSeen.IsZero() || s.LastSeen.IsZero() || s.Phase == "" || s.Phase == v1alpha1.PhaseNotPersisted {
			return fmt.Errorf("its status is %+v", s)
		}
		return nil
	})
}

func changes(ns, path, to string) func(*v1alpha1.ChangeRecord) bool {
	return func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Request.Namespace == ns && slices.ContainsFunc(r.Spec.Changes, func(c v1alpha1.Change) bool { return c.Path == path && c.To == to })
	}
}

// A replica that is killed after its mutating call was answered leaves a record,
// which the validating call on another one finds; the write is admitted once.
func TestAReplicaIsKilledBetweenTheTwoCalls(t *testing.T) {
	all(t)
	defer all(t)
	ns := here.NewNamespace(t, "{gate: warn}")
	cm := declared(t, ns)
	alice := visitor(t, "alice-between", "devs")
	h := &hook{name: "zz-between", group: "", resource: "configmaps", operation: "UPDATE", namespace: ns}
	h.register(t, func(ctx context.Context) error {
		return alice.Patch(ctx, cm.DeepCopy(), patchOf(`{"data":{"probe":"%s"}}`, here.Named("p")))
	})
	only(t, 0)
	h.afterwards(func(*admissionv1.AdmissionRequest) {
		here.Gate.Kill(0)
		here.Gate.Only(1)
	})
	world.Must(t, alice.Patch(t.Context(), cm.DeepCopy(), patchOf(`{"data":{"color":"red"}}`)))
	wantOnce(t, ns, ".data.color", `"red"`)
}

// A replica that is killed when its record is stored and nothing is answered yet has
// admitted nothing. The client asks again, another replica answers, and that is the
// same attempt.
func TestAReplicaIsKilledBetweenTheRecordAndTheAnswer(t *testing.T) {
	all(t)
	defer all(t)
	ns := here.NewNamespace(t, "{gate: warn}")
	cm := declared(t, ns)
	alice, admin := visitor(t, "alice-answer", "devs"), here.Client(t, "admin")
	h := &hook{name: "aa-records", group: "gitlatch.dev", resource: "changerecords", operation: "CREATE"}
	h.register(t, func(ctx context.Context) error {
		return alice.Patch(ctx, cm.DeepCopy(), patchOf(`{"data":{"probe":"%s"}}`, here.Named("p")))
	})
	only(t, 0)
	h.afterwards(func(r *admissionv1.AdmissionRequest) {
		// It will not hear that its record is stored.
		if err := syscall.Kill(here.Gate.PID(0), syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
		go func() {
			_ = waitStored(admin, r.Name)
			here.Gate.Kill(0)
		}()
	})
	err := alice.Patch(t.Context(), cm.DeepCopy(), patchOf(`{"data":{"color":"red"}}`))
	if !unanswered(err) {
		t.Fatalf("want an error of the gate, got %v", err)
	}
	only(t, 1)
	world.Must(t, alice.Patch(t.Context(), cm.DeepCopy(), patchOf(`{"data":{"color":"red"}}`)))
	wantOnce(t, ns, ".data.color", `"red"`)
}

func waitStored(c client.Client, name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // the API server gives the gate three
	defer cancel()
	for {
		err := c.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.ChangeRecord{})
		if err == nil || !apierrors.IsNotFound(err) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Whatever replica is killed, at whatever moment, under load: who asks again gets an
// answer, and every write has its one record.
func TestReplicasAreKilledUnderLoad(t *testing.T) {
	defer all(t)
	for _, seed := range []uint64{1, 2, rand.Uint64()} { // the last one has not been seen before
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			b := fight(t, "Fail", rand.New(rand.NewPCG(seed, 0)))
			wantRecords(t, b.warned, b.enforced, b.admitted, b.refused)
		})
	}
}

// wantRecords wants one record for each change that was stored, and one at least of
// each kind of denial.
func wantRecords(t *testing.T, warned, enforced string, admitted, refused map[string]int) {
	t.Helper()
	got := map[string]int{}
	for _, r := range here.Records(t, world.InNamespace(warned)) {
		for _, c := range r.Spec.Changes {
			if admitted[c.Path] > 0 { // the others' clients gave up after conflicts
				got[c.Path]++
			}
		}
	}
	if diff := cmp.Diff(admitted, got); diff != "" {
		t.Errorf("records of what was admitted (-want +got):\n%s", diff)
	}
	said := map[string]int{}
	for _, r := range here.Records(t, world.InNamespace(enforced)) {
		if r.Spec.Outcome == v1alpha1.OutcomeDenied {
			said[r.Spec.Requester.Username+" "+r.Spec.Request.Name] = 1
		}
	}
	if !maps.Equal(refused, said) {
		t.Errorf("denials (-want +got):\n%s", cmp.Diff(refused, said))
	}
	world.Eventually(t, "every record of an admitted write to be counted once", 60*time.Second, func(context.Context) error {
		var wrong []v1alpha1.ChangeRecord
		for _, r := range here.Records(t, world.InNamespace(warned)) {
			if r.Status.Count != 1 {
				wrong = append(wrong, r)
			}
		}
		if len(wrong) > 0 {
			return errors.New(summary(wrong))
		}
		return nil
	})
}
