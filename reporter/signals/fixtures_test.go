package signals

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/access"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/reporter/review"
)

func noon() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }

func ago(d time.Duration) time.Time { return noon().Add(-d) }

// well is a cluster where nothing is wrong: a policy enforces, a sync has applied a
// signed and reviewed revert two days ago, nobody unexpected holds any right.
func well() *found {
	f := newFound(Sources{Now: noon()})
	for _, part := range []string{listSyncs, listPolicies, listRecords, getWebhooks, listRoles} {
		f.known[part] = true
	}
	f.records = newTally(f.Now, f.from, review.Overdue{})
	f.policies = []v1alpha1.ChangePolicy{{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster"},
		Spec:       v1alpha1.ChangePolicySpec{Mode: v1alpha1.ModeEnforce, BreakGlass: &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}}},
		Status:     v1alpha1.ChangePolicyStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}},
	}}
	f.syncs = []v1alpha1.GitSync{syncOf("prod", 100)}
	f.trail = &trail{declared: 100, seen: 100, answerable: 100}
	f.access = &access.Report{Enforced: true}
	return f
}

func syncOf(name string, objects int) v1alpha1.GitSync {
	s := v1alpha1.GitSync{
		ObjectMeta: metav1.ObjectMeta{Namespace: "gitlatch-system", Name: name, Generation: 1},
		Status: v1alpha1.GitSyncStatus{
			ObservedGeneration: 1, LastAppliedCommit: "3f2c1ab", Inventory: &v1alpha1.Inventory{},
			History: []v1alpha1.AppliedCommit{{
				Commit: "3f2c1ab", Subject: `Revert "raise web"`, Signer: "alice@example.com", Reviewers: []string{"bob@example.com"},
				At: metav1.NewTime(ago(48 * time.Hour)),
			}},
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.SyncApplied, Message: "applied"}},
		},
	}
	for i := range objects {
		s.Status.Inventory.Entries = append(s.Status.Inventory.Entries, v1alpha1.InventoryEntry{ID: fmt.Sprintf("prod_web-%d__ConfigMap", i), Version: "v1"})
	}
	return s
}

// ready sets the condition of a sync.
func ready(status metav1.ConditionStatus, reason string) func(*v1alpha1.GitSync) {
	return func(s *v1alpha1.GitSync) {
		s.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: "because"}}
	}
}

// rec is a record that was seen an hour ago.
func rec(outcome v1alpha1.Outcome, tweaks ...func(*v1alpha1.ChangeRecord)) *v1alpha1.ChangeRecord {
	r := &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: "cr-1", Labels: map[string]string{}},
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: outcome, Class: v1alpha1.ClassOutOfBand, Requester: v1alpha1.Requester{Username: "alice"},
			Request: v1alpha1.RecordedRequest{Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment", Namespace: "prod", Name: "web"},
		},
		Status: v1alpha1.ChangeRecordStatus{
			Count: 1, FirstSeen: metav1.NewMicroTime(ago(time.Hour)), LastSeen: metav1.NewMicroTime(ago(time.Hour)), Phase: v1alpha1.PhaseObserved,
		},
	}
	for _, tweak := range tweaks {
		tweak(r)
	}
	return r
}

func seen(at time.Time) func(*v1alpha1.ChangeRecord) {
	return func(r *v1alpha1.ChangeRecord) {
		r.Status.FirstSeen, r.Status.LastSeen = metav1.NewMicroTime(at), metav1.NewMicroTime(at)
	}
}

func times(n int64) func(*v1alpha1.ChangeRecord) {
	return func(r *v1alpha1.ChangeRecord) { r.Status.Count = n }
}

func class(c v1alpha1.Class) func(*v1alpha1.ChangeRecord) {
	return func(r *v1alpha1.ChangeRecord) { r.Spec.Class = c }
}

func phase(p v1alpha1.Phase) func(*v1alpha1.ChangeRecord) {
	return func(r *v1alpha1.ChangeRecord) { r.Status.Phase = p }
}

func verdictOf(v v1alpha1.ReviewVerdict) func(*v1alpha1.ChangeRecord) {
	return func(r *v1alpha1.ChangeRecord) { r.Status.Review = &v1alpha1.Review{Verdict: v, Reviewer: "bob"} }
}

func unresolved(name string) func(*v1alpha1.ChangeRecord) {
	return func(r *v1alpha1.ChangeRecord) {
		r.Labels[v1alpha1.LabelUnresolved], r.Spec.Request.Name = record.Unresolved, name
	}
}

// corrected after so long.
func correctedAfter(d time.Duration) func(*v1alpha1.ChangeRecord) {
	return func(r *v1alpha1.ChangeRecord) {
		r.Spec.Reason = v1alpha1.ReasonDrift
		r.Status.Resolution = &v1alpha1.Resolution{State: v1alpha1.ResolutionReverted, At: metav1.NewTime(record.Seen(r).Add(d))}
	}
}
