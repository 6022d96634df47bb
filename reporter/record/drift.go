package record

import (
	"context"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Drift is something that was not as git declares it.
type Drift struct {
	// Sync that declares it, as namespace/name.
	Sync   string
	Reason v1alpha1.Reason
	// Request is what was done, as far as is known: its operation is that which led
	// away from git.
	Request v1alpha1.RecordedRequest
	// Target is the object as it was found. Its resourceVersion tells what was found
	// from the same found again; left out, only what is resolved in between does. Left
	// out as a whole: it is gone.
	Target *v1alpha1.Target
	// Wrote is when the manager of the request wrote, by the API server's clock. The
	// zero value: not known.
	Wrote time.Time
	// Changes lead from what was found to what git declares.
	Changes []Change
	Omitted int
	// Admission is the record of the gate that let it through. Left out: there is
	// none, and nothing but managedFields tells who it was.
	Admission *v1alpha1.ChangeRecord
	Message   string
	// Once says that the same can't come again: a record of it that is there already is
	// of this one, though it be resolved.
	Once bool
}

func (d *Drift) place() Place {
	r := &d.Request
	return Place{Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}.normal()
}

// entry is what is recorded: proven by the gate, or indicated by a name that the
// client chose. It waits for its resolution under a label, by which the next process
// finds it; the gate guards nothing for it, since what drifted was never declared.
func (d *Drift) entry() Entry {
	e := Entry{Changes: d.Changes, Omitted: d.Omitted, Unresolved: true}
	e.Spec = v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeDrift, Reason: d.Reason, Request: d.Request, Target: d.Target,
		Evidence: v1alpha1.EvidenceWatch, Confidence: v1alpha1.ConfidenceIndicated, Message: d.Message,
	}
	if by := d.Admission; by != nil {
		e.Spec.Confidence = v1alpha1.ConfidenceProven
		e.Spec.Class, e.Spec.Policy = by.Spec.Class, by.Spec.Policy
		by.Spec.Requester.DeepCopyInto(&e.Spec.Requester)
		e.Spec.Request.UID, e.Spec.Request.Subresource = by.Spec.Request.UID, by.Spec.Request.Subresource
		if by.Spec.Request.FieldManager != "" {
			e.Spec.Request.FieldManager = by.Spec.Request.FieldManager
		}
		e.Spec.Message += "; the write was admitted as record " + by.Name
	}
	return e
}

// record is the drift as it is stored. Its name is the same whoever finds the same
// drift, also after a crash: it is made of what was found, and of nothing that goes
// on changing. Values go in as the record shows them, so that none can be guessed.
func (d *Drift) record(h hiding) *v1alpha1.ChangeRecord {
	e := d.entry()
	h.hide(&e)
	rec := build("", &e)
	r := &d.Request
	parts := []string{
		"drift", d.Sync, string(d.Reason), r.Operation, r.Group, r.Resource, r.Namespace, r.Name,
		string(e.targetUID()), e.version(), r.FieldManager, strconv.FormatInt(d.Wrote.Unix(), 10), d.admittedAs(),
	}
	for _, c := range rec.Spec.Changes {
		parts = append(parts, c.Path, c.From, c.To)
	}
	rec.Name = recordName(parts...)
	rec.Labels[labelAttempt] = d.act()
	return rec
}

// admittedAs tells one admitted request from the next.
func (d *Drift) admittedAs() string {
	if d.Admission == nil {
		return ""
	}
	return string(d.Admission.Spec.Request.UID)
}

// act finds the records of one kind of drift of one object.
func (d *Drift) act() string {
	r := &d.Request
	return digest("drift", d.Sync, string(d.Reason), r.Operation, r.Group, r.Resource, r.Namespace, r.Name)
}

// Standing writes down that a drift is stored and nobody pulls it back.
func (k *Keeper) Standing(ctx context.Context, name string) error {
	_, err := patchStatus(ctx, k.Store, name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		before := rec.Status.DeepCopy()
		k.seen(rec)
		if rec.Status.Phase == "" {
			rec.Status.Phase = v1alpha1.PhaseObserved
		}
		return !sameStatus(before, &rec.Status)
	})
	return err
}

// Again counts another time that the same was found.
func (k *Keeper) Again(ctx context.Context, name string) error {
	_, err := patchStatus(ctx, k.Store, name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		rec.Status.Count = max(rec.Status.Count, 1) + 1
		rec.Status.LastSeen = metav1.NewMicroTime(k.Clock.Now())
		return true
	})
	return err
}

// seen completes a status that was never written.
func (k *Keeper) seen(rec *v1alpha1.ChangeRecord) {
	s := &rec.Status
	s.Count = max(s.Count, 1)
	if s.FirstSeen.IsZero() {
		s.FirstSeen = metav1.NewMicroTime(k.Clock.Now())
		if !rec.CreationTimestamp.IsZero() && rec.CreationTimestamp.Time.Before(k.Clock.Now()) {
			s.FirstSeen = metav1.NewMicroTime(rec.CreationTimestamp.Time)
		}
	}
	if s.LastSeen.IsZero() {
		s.LastSeen = s.FirstSeen
	}
}
