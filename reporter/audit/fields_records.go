package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// agreeing is how far apart the time of a record and that of the write may be: the
// record is written before the answer, the entry when the object is stored, in seconds.
const agreeing = 5 * time.Second

// mostRecords bounds the memory of an index: about 40 MiB.
const mostRecords = 200_000

// known is what an index keeps of a record.
type known struct {
	name, manager, operation string
	subresource              string
	reason                   v1alpha1.Reason
	uid                      types.UID
	first, last              time.Time
	// after: the witness came upon it afterwards, so that the write was before last.
	after bool
}

// recordIndex holds the records that may explain a finding, by what they are about.
type recordIndex map[record.Place][]known

// explaining are the outcomes of what went through, and is known of. A denial explains
// nothing: it did not go through.
func explaining() []v1alpha1.Outcome {
	return []v1alpha1.Outcome{
		v1alpha1.OutcomeFlagged, v1alpha1.OutcomeBreakGlass, v1alpha1.OutcomeDrift, v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered,
	}
}

// readRecords reads the records of the time that is asked about.
func (s *survey) readRecords(ctx context.Context) error {
	s.records = recordIndex{}
	if s.Reader == nil {
		return nil
	}
	since, n := s.since(), 0
	for _, outcome := range explaining() {
		err := record.Each(ctx, s.Reader, record.Filter{Outcome: outcome, Since: since}, func(rec *v1alpha1.ChangeRecord) {
			if place, ok := record.PlaceOf(rec); ok && record.PhaseOf(rec) != v1alpha1.PhaseNotPersisted && n < mostRecords {
				s.records[place] = append(s.records[place], knownOf(rec))
				n++
			}
		})
		if err != nil {
			return fmt.Errorf("reading what records explain: %w", err)
		}
	}
	if n == mostRecords {
		return fmt.Errorf("reading what records explain: there are more than %d since %s: ask about a shorter time", mostRecords, since.Format(time.RFC3339))
	}
	return nil
}

// since is the earliest time that matters.
func (s *survey) since() time.Time {
	var oldest time.Time
	for i, p := range s.Policies {
		if i == 0 || p.Created.Before(oldest) {
			oldest = p.Created
		}
	}
	if s.From.After(oldest) {
		oldest = s.From
	}
	if oldest.IsZero() {
		return oldest
	}
	return oldest.Add(-agreeing)
}

func knownOf(rec *v1alpha1.ChangeRecord) known {
	r := &rec.Spec.Request
	k := known{
		name: rec.Name, manager: strings.Clone(r.FieldManager), operation: r.Operation, subresource: r.Subresource,
		reason: rec.Spec.Reason, first: record.Seen(rec), last: record.LastSeen(rec),
		after: rec.Spec.Evidence != v1alpha1.EvidenceAdmission,
	}
	if rec.Spec.Target != nil {
		k.uid = rec.Spec.Target.UID
	}
	return k
}

// explain finds the records whose target, time and, where the client named one, field
// manager agree with a finding.
func (s *survey) explain(f *Finding) {
	r := &f.Request
	place := record.Place{Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name}
	for _, k := range s.records[place] {
		if k.explains(f) {
			f.Records = append(f.Records, k.name)
		}
	}
	if r.Operation == string(policy.Delete) && r.Namespace != "" { // what was in it went with its namespace
		for _, k := range s.records[record.Place{Resource: "namespaces", Namespace: r.Namespace, Name: r.Namespace}] {
			if k.operation == string(policy.Delete) {
				f.Records = append(f.Records, k.name)
			}
		}
	}
	slices.Sort(f.Records)
	f.Records = slices.Compact(f.Records)
}

func (k *known) explains(f *Finding) bool {
	if k.uid != "" && f.Target != nil && f.Target.UID != "" && k.uid != f.Target.UID {
		return false
	}
	switch {
	case f.Request.Operation == string(policy.Delete):
		return k.operation == string(policy.Delete)
	case k.operation == string(policy.Delete):
		return false
	case f.Reason == v1alpha1.ReasonErased && f.At.IsZero():
		return k.reason == v1alpha1.ReasonErased || k.reason == v1alpha1.ReasonForged
	case k.subresource != f.Request.Subresource && !k.after:
		return false
	case k.manager != "" && k.manager != f.Request.FieldManager:
		return false
	}
	if f.At.IsZero() { // no more is known
		return true
	}
	notAfter := !f.At.After(k.last.Add(agreeing))
	if k.after && k.manager != "" {
		// What the manager had written by then is what was come upon: an entry has one
		// time, of its last write.
		return notAfter
	}
	return notAfter && !f.At.Before(k.first.Add(-agreeing))
}
