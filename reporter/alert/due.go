package alert

import (
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// item is what a courier remembers of a record that is to be told: not the record.
type item struct {
	name    string
	ends    bool // it was told of; now of its end
	at      time.Time
	outcome v1alpha1.Outcome
	user    string
	target  string
	person  string // the requester's hash
	current bool   // it goes on, so it does not get old

	saidEnd   bool      // what was sent tells of the gap's end
	notBefore time.Time // it was refused, and is tried again then
	refused   int
	taken     time.Time // the receiver took it; what is missing is to write that down
}

// key tells a record's end from its beginning.
func (i *item) key() string {
	if i.ends {
		return i.name + "/end"
	}
	return i.name
}

// wanted says whether a receiver is told of records such as this.
func (r *Receiver) wanted(rec *v1alpha1.ChangeRecord) bool {
	if !slices.Contains(r.Outcomes, rec.Spec.Outcome) {
		return false
	}
	namespace := rec.Spec.Request.Namespace
	if len(r.Namespaces) == 0 || slices.Contains(r.Namespaces, namespace) {
		return true
	}
	switch rec.Spec.Outcome {
	case v1alpha1.OutcomeBypass, v1alpha1.OutcomeTampered:
		return namespace == "" // it may concern every namespace
	}
	return false
}

// due says what a receiver is still to be told of a record, if anything: that there is
// one, or that the gap which it was told of has ended.
func due(rec *v1alpha1.ChangeRecord, r *Receiver, since time.Time) (i item, ok bool) {
	told, end := notified(rec, r.Name), rec.Status.Gap
	ends := told != nil && end != nil && told.EndAt == nil && rec.Spec.Gap != nil
	if told != nil && !ends || !r.wanted(rec) {
		return item{}, false
	}
	i = item{name: rec.Name, ends: ends, at: record.Seen(rec), outcome: rec.Spec.Outcome,
		user: cut(userOf(rec), 100), target: cut(targetOf(rec), 150), person: record.UserHash(rec.Spec.Requester.Username)}
	switch {
	case end != nil: // as old as its end, however long it was
		i.at = end.At.Time
	case openGap(rec):
		i.current = true
	}
	return i, ends || i.current || !i.at.Before(since)
}

// openGap tells a gap that has not ended.
func openGap(rec *v1alpha1.ChangeRecord) bool {
	return rec.Spec.Gap != nil && rec.Status.Gap == nil
}

func notified(rec *v1alpha1.ChangeRecord, receiver string) *v1alpha1.Notified {
	at := slices.IndexFunc(rec.Status.Notified, func(n v1alpha1.Notified) bool { return n.Receiver == receiver })
	if at < 0 {
		return nil
	}
	return &rec.Status.Notified[at]
}
