package record

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Bypass is a write around git that a witness told of afterwards.
type Bypass struct {
	Evidence   v1alpha1.Evidence // AuditLog or ManagedFields
	Confidence v1alpha1.Confidence
	Reason     v1alpha1.Reason
	Policy     string
	Requester  v1alpha1.Requester
	Origin     *v1alpha1.Origin
	// Request is what was done; its UID is the audit event's.
	Request v1alpha1.RecordedRequest
	Target  *v1alpha1.Target
	// At is when it was done. The zero value: not known.
	At time.Time
	// Paths of what was written, without values; Omitted counts those left out.
	Paths   []string
	Omitted int
	// Declared says that git declares what was written: the record waits until the
	// target matches git again.
	Declared bool
	Message  string
}

// Bypasses writes the records of bypasses. Its fields are set before the first use; its
// methods may be called from many goroutines.
type Bypasses struct {
	Store   Store
	Metrics *Metrics           // nil: nothing is counted
	Clock   clock.PassiveClock // nil: the real one
	Options Options
}

// Tampers says that a write to such an object is one to what Gitlatch registers in the
// API server, about which admission is never asked.
func Tampers(group, resource, name string) bool {
	if group != "admissionregistration.k8s.io" || name != "gitlatch" && !strings.HasPrefix(name, "gitlatch-") {
		return false
	}
	switch resource {
	case "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "validatingadmissionpolicies",
		"validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings":
		return true
	}
	return false
}

// outcome: what was done to the gate itself is called so.
func (b *Bypass) outcome() v1alpha1.Outcome {
	if Tampers(b.Request.Group, b.Request.Resource, b.Request.Name) {
		return v1alpha1.OutcomeTampered
	}
	return v1alpha1.OutcomeBypass
}

// name is the same whoever finds the same, and however often: an audit event has an id,
// and managedFields a manager, an object and a time.
func (b *Bypass) name() string {
	r := &b.Request
	parts := []string{"bypass", string(b.Evidence), r.Operation, r.Group, r.Resource, r.Subresource, r.Namespace, r.Name}
	if b.Evidence == v1alpha1.EvidenceAuditLog && r.UID != "" {
		return recordName(append(parts, string(r.UID))...)
	}
	if b.Target != nil {
		parts = append(parts, string(b.Target.UID))
	}
	return recordName(append(parts, string(b.Reason), b.Requester.Username, r.FieldManager, strconv.FormatInt(b.At.UnixMicro(), 10))...)
}

// record is the bypass as it is stored.
func (b *Bypass) record() *v1alpha1.ChangeRecord {
	e := Entry{Omitted: b.Omitted, Unresolved: b.Declared}
	for _, path := range b.Paths {
		e.Changes = append(e.Changes, Change{Path: path})
	}
	e.Spec = v1alpha1.ChangeRecordSpec{
		Outcome: b.outcome(), Class: v1alpha1.ClassOutOfBand, Reason: b.Reason, Policy: b.Policy,
		Requester: b.Requester, Request: b.Request, Target: b.Target, Origin: originOf(b.Origin),
		Evidence: b.Evidence, Confidence: b.Confidence, Message: b.Message,
	}
	return build(b.name(), &e)
}

// Limits of the schema.
const (
	maxSourceIPs = 8
	maxAgent     = 256
)

// originOf cuts what a client can choose.
func originOf(o *v1alpha1.Origin) *v1alpha1.Origin {
	if o == nil {
		return nil
	}
	out := &v1alpha1.Origin{UserAgent: cut(o.UserAgent, maxAgent), Impersonator: cut(o.Impersonator, maxUser)}
	// The nearest come last, and are the ones that nobody could make up.
	for _, ip := range o.SourceIPs[max(0, len(o.SourceIPs)-maxSourceIPs):] {
		out.SourceIPs = append(out.SourceIPs, cut(ip, maxWord))
	}
	return out
}

// Record writes the record of a bypass. One that is there already is as good: isNew says
// whether this call made it.
func (b *Bypasses) Record(ctx context.Context, bypass Bypass) (name string, isNew bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*b.Options.withDefaults().WriteTimeout)
	defer cancel()
	rec := bypass.record()
	began := b.now()
	isNew, err = b.create(ctx, rec, bypass.At.IsZero())
	b.Metrics.wrote(b.now().Sub(began))
	outcome := rec.Spec.Outcome
	switch {
	case err != nil:
		b.Metrics.record(outcome, resultFailed)
		return rec.Name, false, fmt.Errorf("recording the bypass of %s %s/%s: %w", rec.Spec.Request.Kind, rec.Spec.Request.Namespace, rec.Spec.Request.Name, err)
	case isNew:
		b.Metrics.record(outcome, resultWritten)
	default:
		b.Metrics.record(outcome, resultCoalesced)
	}
	_, err = patchStatus(ctx, b.Store, rec.Name, nil, func(rec *v1alpha1.ChangeRecord) bool {
		return b.observed(&rec.Status, bypass.At)
	})
	return rec.Name, isNew, err
}

// Try asks the API server whether the record of a bypass may be written. It is a dry run:
// nothing is left behind.
func (b *Bypasses) Try(ctx context.Context, bypass Bypass) error {
	err := b.Store.Create(ctx, bypass.record(), owner, client.DryRunAll)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("asking to record a bypass: %w", err)
	}
	return nil
}

// create creates a record. again says that the same may come again under the same name,
// for want of a time: where the earlier one is resolved it gets another, made of the
// earlier one's uid.
func (b *Bypasses) create(ctx context.Context, rec *v1alpha1.ChangeRecord, again bool) (isNew bool, err error) {
	for range maxAgain {
		err := b.Store.Create(ctx, rec.DeepCopy(), owner)
		if !apierrors.IsAlreadyExists(err) {
			return err == nil, err
		}
		if !again {
			return false, nil
		}
		there := &v1alpha1.ChangeRecord{}
		switch err := b.Store.Get(ctx, client.ObjectKey{Name: rec.Name}, there); {
		case gone(err):
			continue
		case err != nil:
			return false, err
		case there.Status.Resolution == nil && there.Status.Phase != v1alpha1.PhaseClosed:
			return false, nil
		}
		rec.Name = recordName(rec.Name, string(there.UID))
	}
	return false, fmt.Errorf("looking for a name: all of %d are taken", maxAgain)
}

// observed completes the status of a new record.
func (b *Bypasses) observed(s *v1alpha1.ChangeRecordStatus, at time.Time) bool {
	if s.Phase != "" {
		return false
	}
	if at.IsZero() {
		at = b.now()
	}
	s.Phase, s.Count = v1alpha1.PhaseObserved, 1
	s.FirstSeen = metav1.NewMicroTime(at)
	s.LastSeen = s.FirstSeen
	return true
}

func (b *Bypasses) now() time.Time {
	if b.Clock == nil {
		return time.Now()
	}
	return b.Clock.Now()
}
