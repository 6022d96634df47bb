package record

import (
	"context"
	"errors"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// deaf is a store whose first creation is lost.
type deaf struct {
	Store
	heard bool
}

func (d *deaf) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	if !d.heard {
		d.heard = true
		return errors.New("nobody answers")
	}
	return d.Store.Create(ctx, obj, opts...)
}

// An admitted write whose record could not be written here, and which another
// replica has recorded by the retry, is counted once.
func TestWhatAnotherReplicaRecordedMeanwhileIsCountedOnce(t *testing.T) {
	needCluster(t)
	away(attemptBucket, 3*time.Second)
	one, store := newWriter(t, "gate-1")
	one.Store = &deaf{Store: store}
	two, _ := newWriter(t, "gate-2")
	alice := person(t, "alice")
	e := flagged(alice, "a", "5", "blue", 1)
	e.Retry = true
	if _, err := one.Admitted(t.Context(), e); err == nil {
		t.Fatal("the lost record counts as written")
	}
	rec, err := two.Admitted(t.Context(), flagged(alice, "a", "6", "blue", 2))
	must(t, err)
	must(t, two.Flush(t.Context()))
	must(t, one.Flush(t.Context()))
	if found := recordsOf(t, alice); len(found) != 1 || found[0].Name != rec.Name || found[0].Status.Count != 1 {
		t.Errorf("want the one record %s with count 1, got %+v", rec.Name, found)
	}
}

// Tampering has no requester: what was done and under which name tells one act
// from another.
func TestTamperingIsToldApart(t *testing.T) {
	tampered := func(manager, what string) *Entry {
		e := &Entry{Spec: v1alpha1.ChangeRecordSpec{Outcome: v1alpha1.OutcomeTampered, Message: what}}
		e.Spec.Request.FieldManager = manager
		return e
	}
	first := tampered("kubectl-edit", "narrowed").denialKey()
	if first != tampered("kubectl-edit", "narrowed").denialKey() {
		t.Error("the same again is another record")
	}
	for _, other := range []*Entry{tampered("helm", "narrowed"), tampered("kubectl-edit", "switched off: INC-42")} {
		if first == other.denialKey() {
			t.Errorf("%q by %s is counted with what another did", other.Spec.Message, other.Spec.Request.FieldManager)
		}
	}
}
