package audit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Known are the records by which requests in a log were known of. The log says who made
// each, so a record explains it only where it says the same: what is merely indicated,
// as a drift that was come upon, leaves the question who it was open.
type Known struct {
	answers map[record.Place][]*answer
	named   map[string]*answer
	n       int
}

// answer is what is kept of a record.
type answer struct {
	name, user, operation, subresource string
	manager                            string
	uid                                types.UID // of the request
	bypass                             bool
	admission                          bool // it says what the gate saw of the request
	claimed                            bool // by the request of which the gate says in the log that this is its record
	first, last                        time.Time
}

// ReadKnown reads the records since a time; the zero value is all of them.
func ReadKnown(ctx context.Context, reader client.Reader, since time.Time) (*Known, error) {
	k := newKnown()
	if !since.IsZero() {
		since = since.Add(-agreeing)
	}
	for _, outcome := range explaining() {
		if err := record.Each(ctx, reader, record.Filter{Outcome: outcome, Since: since}, k.add); err != nil {
			return nil, fmt.Errorf("reading what records explain: %w", err)
		}
	}
	if k.n >= mostRecords {
		return nil, fmt.Errorf("reading what records explain: there are more than %d: ask about a shorter time", mostRecords)
	}
	return k, nil
}

func newKnown() *Known {
	return &Known{answers: map[record.Place][]*answer{}, named: map[string]*answer{}}
}

func (k *Known) add(rec *v1alpha1.ChangeRecord) {
	r := &rec.Spec.Request
	place, ok := record.PlaceOf(rec)
	if !ok || rec.Spec.Confidence != v1alpha1.ConfidenceProven || record.PhaseOf(rec) == v1alpha1.PhaseNotPersisted || k.n >= mostRecords {
		return
	}
	k.n++
	a := &answer{
		name: rec.Name, user: strings.Clone(rec.Spec.Requester.Username), operation: r.Operation, subresource: r.Subresource, uid: r.UID,
		manager: strings.Clone(r.FieldManager), admission: rec.Spec.Evidence == v1alpha1.EvidenceAdmission,
		bypass: rec.Spec.Evidence == v1alpha1.EvidenceAuditLog, first: record.Seen(rec), last: record.LastSeen(rec),
	}
	k.answers[place], k.named[a.name] = append(k.answers[place], a), a
}

// claim notes the record that the gate named in its answer to a request: it is of that
// one, and explains no other that was made at about the same time. A record of
// connections counts several.
func (k *Known) claim(name string) {
	if k == nil || name == "" {
		return
	}
	if a := k.named[name]; a != nil && a.operation != string(policy.Connect) {
		a.claimed = true
	}
}

// explain adds the records that account for a finding. named is the one that the gate
// named in the log.
func (k *Known) explain(f *Finding, named string) {
	if named != "" {
		f.Records = append(f.Records, named)
	}
	if k == nil {
		return
	}
	r := &f.Request
	for _, a := range k.answers[(record.Place{Group: r.Group, Resource: r.Resource, Namespace: r.Namespace, Name: r.Name})] {
		if a.explains(f) {
			f.Records = append(f.Records, a.name)
		}
	}
	slices.Sort(f.Records)
	f.Records = slices.Compact(f.Records)
}

func (a *answer) explains(f *Finding) bool {
	r := &f.Request
	if a.bypass { // the same request in the same log
		return a.uid == r.UID
	}
	if a.claimed || a.admission && a.manager != r.FieldManager {
		return false
	}
	// What an impersonator did is known to the gate under the name that they took.
	return f.Reason != v1alpha1.ReasonImpersonation &&
		a.user == f.Requester.Username && a.operation == r.Operation && a.subresource == r.Subresource &&
		!f.At.Before(a.first.Add(-agreeing)) && !f.At.After(a.last.Add(agreeing))
}
