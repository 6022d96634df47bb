package record

import (
	"context"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
	// Target is the object as it was found, without its resourceVersion where others
	// may have moved that on. Left out: it is gone.
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
	// Unresolved says that nobody is about to pull it back.
	Unresolved bool
}

func (d *Drift) place() Place {
	r := &d.Request
	return Place{Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}.normal()
}

// entry is what is recorded: proven by the gate, or indicated by a name that the
// client chose.
func (d *Drift) entry() Entry {
	e := Entry{Changes: d.Changes, Omitted: d.Omitted, Unresolved: d.Unresolved}
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
func (d *Drift) record() *v1alpha1.ChangeRecord {
	e := d.entry()
	rec := build("", &e)
	r := &d.Request
	parts := []string{
		"drift", d.Sync, string(d.Reason), r.Operation, r.Group, r.Resource, r.Namespace, r.Name,
		string(e.targetUID()), r.FieldManager, strconv.FormatInt(d.Wrote.Unix(), 10),
	}
	for _, c := range rec.Spec.Changes {
		parts = append(parts, c.Path, c.From, c.To)
	}
	rec.Name = recordName(parts...)
	rec.Labels[labelAttempt] = d.act()
	return rec
}

// act finds the records of one kind of drift of one object.
func (d *Drift) act() string {
	r := &d.Request
	return digest("drift", d.Sync, string(d.Reason), r.Operation, r.Group, r.Resource, r.Namespace, r.Name)
}

// Drifted writes the record of a drift, within the write timeout. One that is there
// already is as good: a crash between the record and the correction leaves no
// second one. On an error the record is kept and tried again in the background; its
// name is that which it will have.
func (k *Keeper) Drifted(ctx context.Context, d Drift) (name string, err error) {
	rec := d.record()
	if d.Request.Operation == operationDelete && (d.Target == nil || d.Target.UID == "") {
		// What was deleted while nobody watched has no uid to tell one from the next.
		if earlier := k.unfinished(ctx, &d); earlier != "" {
			return earlier, nil
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.options().WriteTimeout)
	defer cancel()
	began := k.Clock.Now()
	err = k.Store.Create(ctx, rec.DeepCopy(), owner)
	k.Metrics.wrote(k.Clock.Since(began))
	switch {
	case err == nil:
		k.Metrics.record(v1alpha1.OutcomeDrift, resultWritten)
		return rec.Name, nil
	case apierrors.IsAlreadyExists(err):
		k.Metrics.record(v1alpha1.OutcomeDrift, resultCoalesced)
		return rec.Name, nil
	}
	k.Metrics.record(v1alpha1.OutcomeDrift, resultFailed)
	k.postpone(rec, err)
	return rec.Name, fmt.Errorf("recording the drift of %s %s/%s: %w", d.Request.Kind, d.Request.Namespace, d.Request.Name, err)
}

// unfinished finds the record of the same drift that an earlier process left.
func (k *Keeper) unfinished(ctx context.Context, d *Drift) string {
	var list v1alpha1.ChangeRecordList
	if err := k.Store.List(ctx, &list, client.MatchingLabels{labelAttempt: d.act()}); err != nil {
		return ""
	}
	for i := range list.Items {
		if list.Items[i].Status.Resolution == nil {
			return list.Items[i].Name
		}
	}
	return ""
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
