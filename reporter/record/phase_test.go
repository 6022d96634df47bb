package record

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

var began = time.Date(2026, 3, 1, 14, 0, 0, 500e6, time.UTC)

func admittedRecord(operation string, changes ...v1alpha1.Change) *v1alpha1.ChangeRecord {
	rec := &v1alpha1.ChangeRecord{}
	rec.Spec.Request = v1alpha1.RecordedRequest{Operation: operation, Version: "v1", Resource: "configmaps", Namespace: "prod", Name: "web"}
	rec.Spec.Target = &v1alpha1.Target{UID: "u1", ResourceVersion: "5"}
	rec.Spec.Changes = changes
	rec.Status.FirstSeen = metav1.NewMicroTime(began)
	return rec
}

func metaOf(uid types.UID, version string, created time.Time, entries ...metav1.ManagedFieldsEntry) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Name: "web", UID: uid, ResourceVersion: version, CreationTimestamp: metav1.NewTime(created), ManagedFields: entries,
	}}
}

func entryBy(manager string, at time.Time, fields string) metav1.ManagedFieldsEntry {
	when := metav1.NewTime(at.Truncate(time.Second))
	return metav1.ManagedFieldsEntry{Manager: manager, Time: &when, FieldsV1: metav1.NewFieldsV1(fields)}
}

func TestDecidePhase(t *testing.T) {
	raised := v1alpha1.Change{Path: ".spec.replicas", From: "2", To: "4"}
	image := v1alpha1.Change{Path: `.spec.template.spec.containers[name="web"].image`, From: `"a"`, To: `"b"`}
	removed := v1alpha1.Change{Path: ".data.color", From: `"red"`}
	dotted := v1alpha1.Change{Path: `.metadata.annotations["example.com/team"]`, To: `"shop"`}
	undotted := v1alpha1.Change{Path: dotted.Path, From: `"shop"`}
	annotated := `{"f:metadata":{"f:annotations":{"f:example.com/team":{}}}}`
	old := began.Add(-time.Hour)
	deleting := metaOf("u1", "6", old)
	deleting.DeletionTimestamp = &metav1.Time{Time: began}
	generated := admittedRecord(operationCreate)
	generated.Spec.Request.Name = "web-*"
	managed := admittedRecord(operationUpdate)
	managed.Spec.Request.FieldManager = "kubectl-edit"
	const (
		observed     = v1alpha1.PhaseObserved
		notPersisted = v1alpha1.PhaseNotPersisted
		unconfirmed  = v1alpha1.PhaseUnconfirmed
	)
	for name, test := range map[string]struct {
		rec         *v1alpha1.ChangeRecord
		object      *metav1.PartialObjectMetadata
		late        bool
		first, last v1alpha1.Phase
	}{
		"a created object that exists is observed at once":         {rec: admittedRecord(operationCreate), object: metaOf("n", "9", began.Truncate(time.Second)), first: observed, last: observed},
		"a created object that never appears was not stored":       {rec: admittedRecord(operationCreate), last: notPersisted},
		"one that is looked for long after may have come and gone": {rec: admittedRecord(operationCreate), late: true, last: unconfirmed},
		"an older object of the name is not what was created":      {rec: admittedRecord(operationCreate), object: metaOf("n", "9", old), last: notPersisted},
		"a much younger object of the name tells nothing":          {rec: admittedRecord(operationCreate), object: metaOf("n", "9", began.Add(time.Hour)), last: unconfirmed},
		"a generated name that was never completed can't be read":  {rec: generated, last: unconfirmed},
		"the version of before is no update":                       {rec: admittedRecord(operationUpdate, raised), object: metaOf("u1", "5", old), last: notPersisted},
		"an entry of that time on a changed path is the update":    {rec: admittedRecord(operationUpdate, raised), object: metaOf("u1", "6", old, entryBy("x", began, `{"f:spec":{"f:replicas":{}}}`)), first: observed, last: observed},
		"an item of a keyed list is found by its key":              {rec: admittedRecord(operationUpdate, image), object: metaOf("u1", "6", old, entryBy("x", began, `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:image":{}}}}}}}`)), first: observed, last: observed},
		"an atomic value above the path holds it":                  {rec: admittedRecord(operationUpdate, v1alpha1.Change{Path: ".spec.args[0]", To: "1"}), object: metaOf("u1", "6", old, entryBy("x", began, `{"f:spec":{"f:args":{}}}`)), first: observed, last: observed},
		"an entry of before is not":                                {rec: admittedRecord(operationUpdate, raised), object: metaOf("u1", "6", old, entryBy("x", old, `{"f:spec":{"f:replicas":{}}}`)), last: unconfirmed},
		"an entry of that time on other paths is not":              {rec: admittedRecord(operationUpdate, raised), object: metaOf("u1", "6", old, entryBy("x", began, `{"f:spec":{"f:replicasMax":{}}}`)), last: unconfirmed},
		"an entry by the manager that was named is the update":     {rec: managed, object: metaOf("u1", "6", old, entryBy("kubectl-edit", began, `{}`)), first: observed, last: observed},
		"a removed path that nobody owns is gone":                  {rec: admittedRecord(operationUpdate, removed), object: metaOf("u1", "6", old, entryBy("x", old, `{"f:data":{"f:size":{}}}`)), first: observed, last: observed},
		"a removed path that somebody owns is in doubt":            {rec: admittedRecord(operationUpdate, removed), object: metaOf("u1", "6", old, entryBy("x", old, `{"f:data":{"f:color":{}}}`)), last: unconfirmed},
		"an annotation that was set is found by its name":          {rec: admittedRecord(operationUpdate, dotted), object: metaOf("u1", "6", old, entryBy("x", began, annotated)), first: observed, last: observed},
		"an annotation that was to go and is owned is in doubt":    {rec: admittedRecord(operationUpdate, undotted), object: metaOf("u1", "6", old, entryBy("x", old, annotated)), last: unconfirmed},
		"what did not fit tells of no removal":                     {rec: admittedRecord(operationUpdate, raised, unlisted()), object: metaOf("u1", "6", old), last: unconfirmed},
		"an updated object that is gone tells nothing":             {rec: admittedRecord(operationUpdate, raised), last: unconfirmed},
		"an updated object that is another one tells nothing":      {rec: admittedRecord(operationUpdate, raised), object: metaOf("u2", "6", began), last: unconfirmed},
		"a deleted object that is gone is observed":                {rec: admittedRecord(operationDelete), first: observed, last: observed},
		"a deleted object that goes is observed":                   {rec: admittedRecord(operationDelete), object: deleting, first: observed, last: observed},
		"a deleted object with a successor is observed":            {rec: admittedRecord(operationDelete), object: metaOf("u2", "9", began), first: observed, last: observed},
		"a deleted object that lives was not deleted":              {rec: admittedRecord(operationDelete), object: metaOf("u1", "6", old), last: notPersisted},
		"a connect leaves nothing to read":                         {rec: admittedRecord(operationConnect)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := decidePhase(test.rec, reading{object: test.object, late: test.late}); got != test.first {
				t.Errorf("first look: %q, want %q", got, test.first)
			}
			if got := decidePhase(test.rec, reading{object: test.object, late: test.late, last: true}); got != test.last {
				t.Errorf("last look: %q, want %q", got, test.last)
			}
		})
	}
}

func TestLeavesTrace(t *testing.T) {
	for _, test := range []struct {
		operation, subresource string
		want                   bool
	}{
		{operationCreate, "", true}, {operationUpdate, "", true}, {operationUpdate, "scale", true}, {operationDelete, "", true},
		{operationCreate, "eviction", false}, {operationCreate, "token", false}, {operationConnect, "exec", false},
	} {
		if got := leavesTrace(v1alpha1.RecordedRequest{Operation: test.operation, Subresource: test.subresource}); got != test.want {
			t.Errorf("%s %s: %t, want %t", test.operation, test.subresource, got, test.want)
		}
	}
}
