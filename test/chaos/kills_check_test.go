package main

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// noon is when the writes of these tests are made.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// admittedWrite is alice's patch of a ConfigMap, as the audit log has it when the gate flagged it.
func admittedWrite(tweaks ...func(*event)) *event {
	e := &event{
		ID: "audit-1", Stage: "ResponseComplete", Verb: "patch", At: noon,
		RequestURI: "/api/v1/namespaces/chaos/configmaps/settings?fieldManager=w-1",
		User:       user{Username: "alice"},
		ObjectRef:  &objectRef{Resource: "configmaps", Namespace: "chaos", Name: "settings"},
		Annotations: map[string]string{
			"gate.gitlatch.dev/decision": "flag", "gate.gitlatch.dev/record": "cr-1",
		},
	}
	e.ResponseStatus.Code = 200
	for _, tweak := range tweaks {
		tweak(e)
	}
	return e
}

// itsRecord is the record of it.
func itsRecord(tweaks ...func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
	rec := &v1alpha1.ChangeRecord{ObjectMeta: metav1.ObjectMeta{Name: "cr-1"}}
	rec.Spec.Outcome, rec.Spec.Requester.Username = v1alpha1.OutcomeFlagged, "alice"
	rec.Spec.Request = v1alpha1.RecordedRequest{
		Operation: "UPDATE", Version: "v1", Resource: "configmaps", Namespace: "chaos", Name: "settings", FieldManager: "w-1",
	}
	rec.Status.FirstSeen, rec.Status.Phase = metav1.NewMicroTime(noon), v1alpha1.PhaseObserved
	for _, tweak := range tweaks {
		tweak(rec)
	}
	return rec
}

func failedOpen(e *event) {
	e.Annotations = map[string]string{
		"failed-open.mutation.webhook.admission.k8s.io/round_0_index_0":   "gate.gitlatch.dev",
		"failed-open.validating.webhook.admission.k8s.io/round_0_index_0": "final.gitlatch.dev",
	}
}

// warnedWrite has a write be of the namespace in which nothing is denied.
func warnedWrite(e *event) { e.ObjectRef.Namespace = warned }

func warnedRecord(rec *v1alpha1.ChangeRecord) { rec.Spec.Request.Namespace = warned }

// finalAnswered takes one of the two calls back that failed open.
func finalAnswered(e *event) {
	delete(e.Annotations, "failed-open.validating.webhook.admission.k8s.io/round_0_index_0")
}

// byOncall has a write be by whoever may break glass.
func byOncall(e *event) { e.User.Username = "oncall" }

func refusedWrite(e *event) {
	e.ResponseStatus.Code, e.Annotations = 403, map[string]string{"gate.gitlatch.dev/decision": "deny"}
}

func denialRecord(rec *v1alpha1.ChangeRecord) { rec.Spec.Outcome = v1alpha1.OutcomeDenied }

// The harness must be able to fail: a write of which no record tells is found, and so is each other thing that must not
// be.
func TestTheKillsAreHeldAgainstTheRecords(t *testing.T) {
	type record = v1alpha1.ChangeRecord
	tenSecondsBefore := func(r *record) { r.Status.FirstSeen.Time = noon.Add(-10 * time.Second) }
	foundByReview := map[string][]string{"audit-1": nil}
	for name, test := range map[string]struct {
		event   *event
		records []*record
		found   map[string][]string
		want    string // what is wrong, and what is counted, under Ignore
	}{
		"an admitted write and its record":                    {admittedWrite(), []*record{itsRecord()}, nil, ""},
		"an admitted write without a record":                  {admittedWrite(), nil, nil, "unknown"},
		"the record of another write":                         {admittedWrite(), []*record{itsRecord(func(r *record) { r.Spec.Request.FieldManager = "w-2" })}, nil, "unknown"},
		"the record of another person":                        {admittedWrite(), []*record{itsRecord(func(r *record) { r.Spec.Requester.Username = "bob" })}, nil, "unknown"},
		"the record of another time":                          {admittedWrite(), []*record{itsRecord(func(r *record) { r.Status.FirstSeen.Time = noon.Add(-time.Minute) })}, nil, "unknown"},
		"the record that it had when it was tried before":     {admittedWrite(), []*record{itsRecord(tenSecondsBefore)}, nil, ""},
		"a record of that time that the gate does not name":   {admittedWrite(), []*record{itsRecord(tenSecondsBefore, func(r *record) { r.Name = "cr-2" })}, nil, "unknown"},
		"a record that says that it was denied":               {admittedWrite(), []*record{itsRecord(denialRecord)}, nil, "unknown"},
		"a record that says that it was not stored":           {admittedWrite(), []*record{itsRecord(func(r *record) { r.Status.Phase = v1alpha1.PhaseNotPersisted })}, nil, "unknown"},
		"one that the gate flagged, and the review has found": {admittedWrite(warnedWrite), nil, foundByReview, "unknown"},
		"one that failed open, and nobody knows":              {admittedWrite(failedOpen, warnedWrite), nil, nil, "open unknown"},
		"one that failed open, and the review has found":      {admittedWrite(failedOpen, warnedWrite), nil, foundByReview, "open found"},
		"one that failed open, which the review explains":     {admittedWrite(failedOpen, warnedWrite), nil, map[string][]string{"audit-1": {"cr-9"}}, "open unknown"},
		"one that failed open in one call, with its record":   {admittedWrite(failedOpen, finalAnswered, warnedWrite), []*record{itsRecord(warnedRecord)}, nil, "open"},
		"one that failed open in one call, and has none":      {admittedWrite(failedOpen, finalAnswered, warnedWrite), nil, foundByReview, "open unknown"},
		"one under Enforce that failed open":                  {admittedWrite(failedOpen), nil, foundByReview, "open unknown"},
		"one of who may break glass that failed open":         {admittedWrite(failedOpen, byOncall), nil, foundByReview, "open found"},
		"one of who may break glass, and nobody knows":        {admittedWrite(failedOpen, byOncall), nil, nil, "open unknown"},
		"one of who may break glass, which the gate flagged":  {admittedWrite(byOncall), nil, foundByReview, "unknown"},
		"a write with two records":                            {admittedWrite(), []*record{itsRecord(), itsRecord(func(r *record) { r.Name = "cr-2" })}, nil, "doubled"},
		"a write with two records, of which one is no longer": {admittedWrite(), []*record{itsRecord(), itsRecord(func(r *record) { r.Name, r.Status.Phase = "cr-2", v1alpha1.PhaseNotPersisted })}, nil, ""},
		"a denial and its record":                             {admittedWrite(refusedWrite), []*record{itsRecord(denialRecord)}, nil, "denied"},
		"a denial without a record":                           {admittedWrite(refusedWrite), nil, nil, "denied undenied"},
		"a denial whose record is folded":                     {admittedWrite(refusedWrite), []*record{itsRecord(denialRecord, func(r *record) { r.Spec.Folded, r.Spec.Request.Name = true, "" })}, nil, "denied"},
		"a write by a window that had ended": {admittedWrite(), []*record{
			itsRecord(func(r *record) { r.Spec.BreakGlass = &v1alpha1.RecordedWindow{Window: "cr-open"} }),
			itsRecord(func(r *record) {
				r.Name, r.Spec.Request.FieldManager = "cr-open", "w-0"
				r.Status.Window = &v1alpha1.WindowEnd{At: metav1.NewMicroTime(noon.Add(-3 * time.Second))}
			}),
		}, nil, "late"},
	} {
		t.Run(name, func(t *testing.T) {
			b, got := newBook(), &tallied{under: "Ignore"}
			for _, rec := range test.records {
				b.keep(rec)
			}
			b.hold([]*event{test.event}, test.found, got)
			if text := told(got); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

// told is what was counted, in words.
func told(t *tallied) string {
	var words []string
	for _, c := range []struct {
		what string
		n    int
	}{
		{"open", t.failOpens}, {"found", t.found}, {"unknown", len(t.unknown)}, {"denied", t.denied}, {"logged", t.logged},
		{"undenied", len(t.undenied)}, {"doubled", len(t.doubled)}, {"late", len(t.late)},
	} {
		words = append(words, slices.Repeat([]string{c.what}, c.n)...)
	}
	return strings.Join(words, " ")
}

// What Ignore gives away, Fail does not.
func TestUnderFailNothingIsExcused(t *testing.T) {
	b, got := newBook(), &tallied{under: "Fail"}
	b.hold([]*event{admittedWrite(failedOpen, warnedWrite)}, map[string][]string{"audit-1": nil}, got)
	if text := told(got); text != "open unknown" {
		t.Errorf("got %q", text)
	}
}

// A replica that could not record a denial at once tries again: only its death excuses it.
func TestADenialInTheLogAloneIsExcusedByADeath(t *testing.T) {
	const line = `{"time":"2026-03-01T12:00:01Z","level":"ERROR","msg":"out-of-band attempt, not recorded","outcome":"Denied",` +
		`"user":"alice","operation":"UPDATE","resource":"configmaps","namespace":"chaos","name":"settings"}` + "\n"
	for name, test := range map[string]struct {
		log    string
		death  time.Duration // after noon
		denied int           // of the same kind
		want   string
	}{
		"killed right after":              {line, 3 * time.Second, 1, "denied logged"},
		"killed before, and not after":    {line, -time.Second, 1, "denied undenied"},
		"killed long after":               {line, time.Minute, 1, "denied undenied"},
		"two, of which one is in the log": {line, 3 * time.Second, 2, "denied denied logged undenied"},
		"of another time":                 {strings.Replace(line, "12:00", "12:01", 1), 63 * time.Second, 1, "denied undenied"},
		"of another person":               {strings.Replace(line, "alice", "bob", 1), 3 * time.Second, 1, "denied undenied"},
		"in the log as recorded":          {strings.Replace(line, ", not recorded", "", 1), 3 * time.Second, 1, "denied undenied"},
	} {
		t.Run(name, func(t *testing.T) {
			b, got := newBook(), &tallied{under: "Ignore"}
			b.read(test.log, []time.Time{noon.Add(test.death)})
			b.hold(slices.Repeat([]*event{admittedWrite(refusedWrite)}, test.denied), nil, got)
			if text := told(got); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}

// The scenario must not pass when nothing happened.
func TestKillsThatShowNothingBreakTheirPromise(t *testing.T) {
	broken := func(under string, tally tallied) (names []string) {
		c := &chaos{progress: io.Discard}
		tally.under = under
		tally.tell(c)
		for _, f := range c.figures {
			if f.Broken {
				names = append(names, f.Name)
			}
		}
		return names
	}
	want := []string{"kills", "writes of persons", "admitted", "denied", "windows opened", "records"}
	if diff := cmp.Diff(want, broken("", tallied{asked: 1})); diff != "" {
		t.Errorf("nothing (-want +got):\n%s", diff)
	}
	some := tallied{asked: 9, kills: 9, writes: 1, admitted: 1, denied: 1, windows: 1, records: 1, failOpens: 1, found: 1, openCalls: 1}
	if diff := cmp.Diff([]string(nil), broken("Ignore", some)); diff != "" {
		t.Errorf("under Ignore (-want +got):\n%s", diff)
	}
	want = []string{"Fail: calls that failed open, as the API server counts", "Fail: admitted though a webhook did not answer",
		"Fail: of these unheard in both calls, under Warn or by who may break glass, and found by the review"}
	if diff := cmp.Diff(want, broken("Fail", some)); diff != "" {
		t.Errorf("under Fail (-want +got):\n%s", diff)
	}
}
