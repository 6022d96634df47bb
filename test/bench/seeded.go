package main

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// Of the records that are stored, each user has the same share, and each outcome.
const (
	seededUsers = 40
	seededKinds = 5
	seededEvery = time.Minute // between one and the next: 50,000 are five weeks
)

func seededUser(i int) string { return fmt.Sprintf("person-%02d", i%seededUsers) }

// seeded is the i-th record, as the gate would have written it some time ago.
func seeded(i int, now time.Time) *v1alpha1.ChangeRecord {
	at := metav1.NewMicroTime(now.Add(-time.Duration(i) * seededEvery))
	user, ns := seededUser(i), fmt.Sprintf("team-%02d", i%20)
	rec := &v1alpha1.ChangeRecord{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ChangeRecord"},
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cr-seeded-%06d", i), Labels: map[string]string{
			v1alpha1.LabelUser: record.UserHash(user), v1alpha1.LabelKind: "Deployment", v1alpha1.LabelNamespace: ns, v1alpha1.LabelPolicy: "cluster",
		}},
		Spec: v1alpha1.ChangeRecordSpec{
			Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonOutOfBand, Policy: "cluster",
			Requester: v1alpha1.Requester{Username: user, UID: user + "-uid", Groups: []string{"devs", "system:authenticated"}},
			Request: v1alpha1.RecordedRequest{
				Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment",
				Namespace: ns, Name: fmt.Sprintf("web-%d", i%300), FieldManager: "kubectl-edit",
			},
			Changes:  []v1alpha1.Change{{Path: ".spec.replicas", From: "3", To: "4"}},
			Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		},
		Status: v1alpha1.ChangeRecordStatus{
			Count: 1, Counts: []v1alpha1.ReplicaCount{{Replica: "gitlatch-webhook-0", Count: 1}}, FirstSeen: at, LastSeen: at,
		},
	}
	become(rec, i)
	rec.Labels[v1alpha1.LabelOutcome] = string(rec.Spec.Outcome)
	return rec
}

// become gives a record its outcome: three fifths are denials, one fifth flags of which half are reviewed, and one fifth
// emergencies that wait.
func become(rec *v1alpha1.ChangeRecord, i int) {
	switch (i / seededUsers) % seededKinds {
	case 0:
		rec.Spec.Outcome, rec.Status.Phase = v1alpha1.OutcomeFlagged, v1alpha1.PhaseObserved
		if i%2 == 0 {
			rec.Status.Phase = v1alpha1.PhaseClosed
			rec.Status.Review = &v1alpha1.Review{Verdict: v1alpha1.ReviewApproved, Reviewer: "reviewer", At: metav1.NewTime(rec.Status.LastSeen.Time)}
		}
	case 1:
		rec.Spec.Outcome, rec.Status.Phase = v1alpha1.OutcomeBreakGlass, v1alpha1.PhaseObserved
		rec.Spec.BreakGlass = &v1alpha1.RecordedWindow{
			Reason: "INC-42: the database is gone", Until: metav1.NewTime(rec.Status.LastSeen.Add(time.Hour)), Scope: v1alpha1.WindowObject, Window: "cr-window",
		}
	default:
		rec.Spec.Outcome, rec.Status.Phase = v1alpha1.OutcomeDenied, v1alpha1.PhaseDenied
	}
}
