package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// denied is alice's patch of a Deployment, refused three times.
func denied() v1alpha1.ChangeRecord {
	return v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "cr-denied", CreationTimestamp: metav1.NewTime(noon().Add(-time.Hour))},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: v1alpha1.OutcomeDenied, Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonOutOfBand, Policy: "cluster",
			Requester: v1alpha1.Requester{Username: "alice", UID: "alice-uid", Groups: []string{"devs", "system:authenticated"}},
			Request: v1alpha1.RecordedRequest{
				Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment",
				Namespace: "prod", Name: "web", FieldManager: "kubectl-edit",
			},
			Changes: []v1alpha1.Change{
				{Path: ".spec.replicas", From: "2", To: "5"},
				{Path: `.metadata.annotations["note"]`, To: `"hello"`},
			},
			ChangesOmitted: 4,
			Evidence:       v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
			Message: "apps/Deployment prod/web is changed through git only",
		},
		Status: v1alpha1.ChangeRecordStatus{
			Count: 3, Phase: v1alpha1.PhaseDenied,
			FirstSeen: metav1.NewMicroTime(noon().Add(-time.Hour)), LastSeen: metav1.NewMicroTime(noon().Add(-58 * time.Minute)),
		},
	}
}

// emergency is oncall's open window on a namespace.
func emergency() v1alpha1.ChangeRecord {
	return v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "cr-emergency", CreationTimestamp: metav1.NewTime(noon().Add(-5 * time.Minute))},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: v1alpha1.OutcomeBreakGlass, Class: v1alpha1.ClassBreakGlass, Reason: v1alpha1.ReasonBreakGlass, Policy: "cluster",
			Requester:  v1alpha1.Requester{Username: "oncall", Groups: []string{"oncall"}},
			Request:    v1alpha1.RecordedRequest{Operation: "UPDATE", Version: "v1", Resource: "namespaces", Kind: "Namespace", Namespace: "prod", Name: "prod"},
			Evidence:   v1alpha1.EvidenceAdmission,
			Confidence: v1alpha1.ConfidenceProven,
			BreakGlass: &v1alpha1.RecordedWindow{
				Reason: "INC-42: db failover", Until: metav1.NewTime(noon().Add(25 * time.Minute)), Scope: v1alpha1.WindowNamespace,
			},
		},
		Status: v1alpha1.ChangeRecordStatus{Count: 1, Phase: v1alpha1.PhaseObserved},
	}
}

// reviewed is a scale inside a window that has ended, resolved and reviewed.
func reviewed() v1alpha1.ChangeRecord {
	r := emergency()
	r.Name = "cr-reviewed"
	r.Spec.Outcome = v1alpha1.OutcomeFlagged
	r.Spec.Request = v1alpha1.RecordedRequest{
		Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Subresource: "scale", Kind: "Scale", Namespace: "prod", Name: "web",
	}
	r.Status = v1alpha1.ChangeRecordStatus{
		Count: 1, Phase: v1alpha1.PhaseClosed, LastSeen: metav1.NewMicroTime(noon().Add(-26 * time.Hour)),
		Window: &v1alpha1.WindowEnd{
			At: metav1.NewMicroTime(noon().Add(-25 * time.Hour)), Reason: v1alpha1.WindowExpired, Differs: new(true),
		},
		Resolution: &v1alpha1.Resolution{State: v1alpha1.ResolutionCommitted, Commit: "3f2c1ab", At: metav1.NewTime(noon().Add(-24 * time.Hour))},
		Review: &v1alpha1.Review{
			Verdict: v1alpha1.ReviewApproved, Reviewer: "bob", Comment: "needed", At: metav1.NewTime(noon().Add(-23 * time.Hour)),
		},
	}
	return r
}

func TestRecordsTableGolden(t *testing.T) {
	for _, wide := range []bool{false, true} {
		var out bytes.Buffer
		if err := printTable(&out, []v1alpha1.ChangeRecord{emergency(), denied(), reviewed()}, wide, noon()); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("records-table-wide-%t", wide), outcome{Out: out.String()})
	}
}

func TestRecordGolden(t *testing.T) {
	for _, record := range []v1alpha1.ChangeRecord{denied(), emergency(), reviewed()} {
		t.Run(record.Name, func(t *testing.T) {
			var out bytes.Buffer
			if err := printRecord(&out, &record, noon()); err != nil {
				t.Fatal(err)
			}
			golden(t, record.Name, outcome{Out: out.String()})
		})
	}
}

func TestFilter(t *testing.T) {
	tests := []struct {
		name   string
		filter filter
		want   []string
	}{
		{"nothing asked selects all", filter{}, []string{"cr-denied", "cr-emergency", "cr-reviewed"}},
		{"an outcome", filter{outcome: "BreakGlass"}, []string{"cr-emergency"}},
		{"a user", filter{user: "alice"}, []string{"cr-denied"}},
		{"a kind in any case", filter{kind: "deployment"}, []string{"cr-denied"}},
		{"a resource", filter{kind: "deployments"}, []string{"cr-denied", "cr-reviewed"}},
		{"another namespace", filter{namespace: "shop"}, nil},
		{"another policy", filter{policy: "other"}, nil},
		{"what nobody has reviewed", filter{unreviewed: true}, []string{"cr-denied", "cr-emergency"}},
		{"the last hour, by when it was last seen", filter{after: noon().Add(-59 * time.Minute)}, []string{"cr-denied", "cr-emergency"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, record := range []v1alpha1.ChangeRecord{denied(), emergency(), reviewed()} {
				if test.filter.matches(&record) {
					got = append(got, record.Name)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewestKeepsTheNewestAndCountsTheRest(t *testing.T) {
	kept := newNewest(3)
	for i := range 1000 {
		record := denied()
		record.Name = fmt.Sprintf("cr-%03d", i)
		record.Status.LastSeen = metav1.NewMicroTime(noon().Add(time.Duration((i*7)%1000) * time.Second))
		kept.add(&record)
		kept.add(&record) // a restarted list shows some twice
	}
	var got []string
	for _, record := range kept.sorted() {
		got = append(got, record.Name)
	}
	if diff := cmp.Diff([]string{"cr-857", "cr-714", "cr-571"}, got); diff != "" || kept.omitted() != 997 {
		t.Errorf("%d omitted; kept (-want +got):\n%s", kept.omitted(), diff)
	}
}
