package main

import (
	"slices"
	"strings"
	"testing"
	"time"

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

func refusedWrite(e *event) {
	e.ResponseStatus.Code, e.Annotations = 403, map[string]string{"gate.gitlatch.dev/decision": "deny"}
}

func denialRecord(rec *v1alpha1.ChangeRecord) { rec.Spec.Outcome = v1alpha1.OutcomeDenied }

// The harness must be able to fail: a write of which no record tells is found, and so is each other thing that must not
// be.
func TestTheKillsAreHeldAgainstTheRecords(t *testing.T) {
	type record = v1alpha1.ChangeRecord
	for name, test := range map[string]struct {
		event   *event
		records []*record
		found   map[string][]string
		want    string // what is wrong, and what is counted
	}{
		"an admitted write and its record":                    {admittedWrite(), []*record{itsRecord()}, nil, ""},
		"an admitted write without a record":                  {admittedWrite(), nil, nil, "unknown"},
		"the record of another write":                         {admittedWrite(), []*record{itsRecord(func(r *record) { r.Spec.Request.FieldManager = "w-2" })}, nil, "unknown"},
		"the record of another person":                        {admittedWrite(), []*record{itsRecord(func(r *record) { r.Spec.Requester.Username = "bob" })}, nil, "unknown"},
		"the record of another time":                          {admittedWrite(), []*record{itsRecord(func(r *record) { r.Status.FirstSeen.Time = noon.Add(-time.Minute) })}, nil, "unknown"},
		"a record that says that it was denied":               {admittedWrite(), []*record{itsRecord(denialRecord)}, nil, "unknown"},
		"a record that says that it was not stored":           {admittedWrite(), []*record{itsRecord(func(r *record) { r.Status.Phase = v1alpha1.PhaseNotPersisted })}, nil, "unknown"},
		"one that failed open, and nobody knows":              {admittedWrite(failedOpen), nil, nil, "open unknown"},
		"one that failed open, and the review has found":      {admittedWrite(failedOpen), nil, map[string][]string{"audit-1": nil}, "open found"},
		"one that failed open, which the review explains":     {admittedWrite(failedOpen), nil, map[string][]string{"audit-1": {"cr-9"}}, "open unknown"},
		"one that failed open in one call, with its record":   {admittedWrite(failedOpen), []*record{itsRecord()}, nil, "open"},
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
			b, got := newBook(), &tallied{}
			for _, rec := range test.records {
				b.keep(rec)
			}
			b.hold([]*event{test.event}, test.found, got)
			var wrong []string
			for _, c := range []struct {
				what string
				n    int
			}{
				{"open", got.failOpens}, {"found", got.found}, {"unknown", len(got.unknown)}, {"denied", got.denied},
				{"undenied", len(got.undenied)}, {"doubled", len(got.doubled)}, {"late", len(got.late)},
			} {
				wrong = append(wrong, slices.Repeat([]string{c.what}, c.n)...)
			}
			if text := strings.Join(wrong, " "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
		})
	}
}
