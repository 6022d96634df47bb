package main

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// deed is who did what to what, as both the audit log and a record tell it.
type deed struct{ user, operation, group, resource, subresource, namespace, name string }

func (d deed) String() string {
	return fmt.Sprintf("%s %s %s/%s %s/%s", d.user, d.operation, d.resource, d.subresource, d.namespace, d.name)
}

func deedOf(e *event) deed {
	r := e.ObjectRef
	operation := map[string]string{"create": "CREATE", "delete": "DELETE", "deletecollection": "DELETE"}[e.Verb]
	switch {
	case r.Subresource == "exec":
		operation = "CONNECT"
	case operation == "":
		operation = "UPDATE"
	}
	return deed{e.user().Username, operation, r.APIGroup, r.Resource, r.Subresource, r.Namespace, r.Name}.normal()
}

func deedIn(rec *v1alpha1.ChangeRecord) deed {
	r := &rec.Spec.Request
	return deed{rec.Spec.Requester.Username, r.Operation, r.Group, r.Resource, r.Subresource, r.Namespace, record.TargetName(rec)}.normal()
}

// normal: one of the two says that a Namespace lies in itself.
func (d deed) normal() deed {
	if d.resource == "namespaces" {
		d.namespace = ""
	}
	return d
}

// manager is the name under which the client wrote: in this scenario each write has one of its own, and keeps it when
// it is tried again.
func (e *event) manager() string {
	u, err := url.Parse(e.RequestURI)
	if err != nil {
		return ""
	}
	return u.Query().Get("fieldManager")
}

// book is what is on record, to be looked up.
type book struct {
	admitted, denied map[deed][]*v1alpha1.ChangeRecord
	folded           map[string][]*v1alpha1.ChangeRecord // by user
	named            map[string]*v1alpha1.ChangeRecord
	windows          int               // that were opened
	logged           map[deed][]unkept // denials that stand in the log as not recorded
}

func newBook() *book {
	return &book{
		admitted: map[deed][]*v1alpha1.ChangeRecord{}, denied: map[deed][]*v1alpha1.ChangeRecord{},
		folded: map[string][]*v1alpha1.ChangeRecord{}, named: map[string]*v1alpha1.ChangeRecord{}, logged: map[deed][]unkept{},
	}
}

func (b *book) keep(rec *v1alpha1.ChangeRecord) {
	rec = rec.DeepCopy()
	b.named[rec.Name] = rec
	if _, opened := record.WindowOf(rec); opened {
		b.windows++
	}
	switch d := deedIn(rec); {
	case rec.Spec.Outcome == v1alpha1.OutcomeFlagged || rec.Spec.Outcome == v1alpha1.OutcomeBreakGlass:
		b.admitted[d] = append(b.admitted[d], rec)
	case rec.Spec.Outcome == v1alpha1.OutcomeDenied && rec.Spec.Folded:
		b.folded[d.user] = append(b.folded[d.user], rec)
	case rec.Spec.Outcome == v1alpha1.OutcomeDenied:
		b.denied[d] = append(b.denied[d], rec)
	}
}

// slack is how far apart the clocks of a record and of the audit log may be: a record without a status has but its
// creation, in whole seconds, and the API server may ask long after it was asked.
const slack = 4 * time.Second

// tells says that a record is of an admitted write.
func tells(rec *v1alpha1.ChangeRecord, e *event) bool {
	if rec.Spec.Request.Operation == string(policy.Connect) {
		return inBucket(rec, e.At)
	}
	apart := slack
	if rec.Name == e.gate().record {
		apart = writeTimeout // a person who got no answer tries again, and that is the same attempt
	}
	// What was created and deleted again within half a minute looks as if it had never been stored.
	stored := record.PhaseOf(rec) != v1alpha1.PhaseNotPersisted || rec.Spec.Request.Operation == string(policy.Create)
	return rec.Spec.Request.FieldManager == e.manager() && stored &&
		record.Seen(rec).After(e.At.Add(-apart)) && record.Seen(rec).Before(e.At.Add(slack))
}

// inBucket says that a record which counts repeats counts what was asked at this time.
func inBucket(rec *v1alpha1.ChangeRecord, at time.Time) bool {
	const counted = 5 * time.Minute
	seen := record.Seen(rec)
	return at.After(seen.Add(-slack)) && at.Before(seen.Truncate(counted).Add(counted+slack))
}

// excused says that a write without a record is what failurePolicy Ignore gives away, and no more: neither webhook was
// there to be asked, and nothing else says no, since the policy only warns, or since whoever wrote may break glass: the
// backstop asks for the right, and opens no windows.
func (t *tallied) excused(e *event, said said) bool {
	return t.under == "Ignore" && said.unheard() && (e.underWarn() || e.user().Username == "oncall")
}

// hold compares the API server's word with the records, and with the review: found are its findings by audit id, with
// the records by which it explains them.
func (b *book) hold(events []*event, found map[string][]string, t *tallied) {
	t.records, t.windows = len(b.named), b.windows
	for _, e := range events {
		t.writes++
		said, d := e.gate(), deedOf(e)
		tell := func(rec *v1alpha1.ChangeRecord) bool { return tells(rec, e) }
		counts := func(rec *v1alpha1.ChangeRecord) bool { return inBucket(rec, e.At) }
		switch {
		case e.stored() && said.class == string(v1alpha1.ClassUnchanged):
			// What changes nothing is not stored, and no act.
		case e.stored() || d.operation == string(policy.Connect) && said.decision == policy.Flag.String():
			t.admitted++
			if len(said.failed) > 0 {
				t.failOpens++
			}
			explained, isFound := found[e.ID]
			switch {
			case slices.ContainsFunc(b.admitted[d], tell):
			case isFound && len(explained) == 0 && t.excused(e, said):
				t.found++
			default:
				t.unknown = append(t.unknown, fmt.Sprintf("%s, by %s: the gate said %+v; found: %t, explained by %v", e, e.manager(), said, isFound, explained))
			}
		case e.ResponseStatus.Code == 403 && said.decision == policy.Deny.String():
			t.denied++
			switch {
			case slices.ContainsFunc(b.denied[d], counts) || slices.ContainsFunc(b.folded[d.user], counts):
			case b.isLogged(d, e.At):
				t.logged++
			default:
				t.undenied = append(t.undenied, e.String())
			}
		}
	}
	t.doubled, t.late = b.doubled(), b.late()
}

// doubled are the writes of which two records say that they were admitted and stored.
func (b *book) doubled() (twice []string) {
	for d, all := range b.admitted {
		by := map[string][]string{}
		for _, rec := range all {
			if d.operation != string(policy.Connect) && record.PhaseOf(rec) != v1alpha1.PhaseNotPersisted {
				by[triedAs(rec)] = append(by[triedAs(rec)], fmt.Sprintf("%s %s (%s %s, version %s, %v, %s)",
					rec.Name, record.Seen(rec).Format(time.StampMilli), rec.Spec.Outcome, rec.Spec.Reason, versionOf(rec), rec.Spec.Changes, record.PhaseOf(rec)))
			}
		}
		for manager, names := range by {
			if len(names) > 1 {
				twice = append(twice, fmt.Sprintf("%s, by %s: %v", d, manager, names))
			}
		}
	}
	slices.Sort(twice)
	return twice
}

// triedAs is what the records of one attempt have in common. A creation that is tried again has another uid, and is
// another attempt: so is one of the same name after a deletion, which nothing else tells from it.
func triedAs(rec *v1alpha1.ChangeRecord) string {
	manager := rec.Spec.Request.FieldManager
	if rec.Spec.Request.Operation != string(policy.Create) {
		return manager
	}
	for _, c := range rec.Spec.Changes {
		if c.Path == ".metadata.uid" {
			return manager + " " + c.To
		}
	}
	return manager
}

func versionOf(rec *v1alpha1.ChangeRecord) string {
	if rec.Spec.Target == nil {
		return "none"
	}
	return rec.Spec.Target.ResourceVersion
}

// late are the writes that were first seen when the window by which they were admitted had ended, and had had time to
// be judged.
func (b *book) late() (after []string) {
	for d, all := range b.admitted {
		for _, rec := range all {
			if rec.Spec.BreakGlass == nil || rec.Spec.BreakGlass.Window == "" || rec.Status.FirstSeen.IsZero() {
				continue
			}
			w := b.named[rec.Spec.BreakGlass.Window]
			if w != nil && w.Status.Window != nil && rec.Status.FirstSeen.After(w.Status.Window.At.Add(time.Second)) {
				after = append(after, fmt.Sprintf("%s: record %s of %s, by the window of %s, which ended at %s", d, rec.Name,
					rec.Status.FirstSeen.Format(time.StampMilli), w.Name, w.Status.Window.At.Format(time.StampMilli)))
			}
		}
	}
	slices.Sort(after)
	return after
}
