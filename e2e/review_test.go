package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// Nobody writes records but Gitlatch, whatever RBAC lets them; a reviewer sets the
// review, and only that, under their own name and time.
func TestRecordsAreReviewedAndNothingElse(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	reviewers(t)
	rita := newVisitor(t, "rita", "devs", "reviewers")
	deniedFor(t, rita.Patch(t.Context(), configMap(ns, "settings"), patchOf(`{"data":{"color":"red"}}`)), v1alpha1.ReasonOutOfBand)
	rec := one(t, "rita's patch", world.InNamespace(ns))
	before := recordNamed(t, rec.Name)

	for _, c := range []struct {
		what, user string
		want       v1alpha1.Reason
		args       []string
	}{
		{"deleting a record", "alice", v1alpha1.ReasonBuiltIn, []string{"delete", "changerecord", rec.Name, "--wait=false"}},
		{"deleting a record as administrator", "admin", v1alpha1.ReasonBuiltIn, []string{"delete", "changerecord", rec.Name, "--wait=false"}},
		{"deleting a record as git", syncer, v1alpha1.ReasonBuiltIn, []string{"delete", "changerecord", rec.Name, "--wait=false"}},
		{"deleting all records", "alice", v1alpha1.ReasonBuiltIn, []string{"delete", "changerecords", "--all", "--wait=false"}},
		{"changing its labels", "alice", v1alpha1.ReasonForged, []string{"label", "changerecord", rec.Name, "gitlatch.dev/outcome=Flagged", "--overwrite"}},
		{"adding a label", "alice", v1alpha1.ReasonBuiltIn, []string{"label", "changerecord", rec.Name, "seen=yes"}},
		{"moving its phase", "reviewer", v1alpha1.ReasonBuiltIn,
			[]string{"patch", "changerecord", rec.Name, "--subresource=status", "--type=merge", "-p", `{"status":{"phase":"Closed"}}`}},
		{"a review and more", "reviewer", v1alpha1.ReasonBuiltIn,
			[]string{"patch", "changerecord", rec.Name, "--subresource=status", "--type=merge", "-p", `{"status":{"count":7,"review":{"verdict":"Approved"}}}`}},
		{"deleting their CRD", "alice", v1alpha1.ReasonBuiltIn, []string{"delete", "crd", "changerecords.gitlatch.dev", "--wait=false"}},
		{"deleting their CRD as administrator", "admin", v1alpha1.ReasonBuiltIn, []string{"delete", "crd", "changerecords.gitlatch.dev", "--wait=false"}},
		{"deleting the CRD of policies", "admin", v1alpha1.ReasonBuiltIn, []string{"delete", "crd", "changepolicies.gitlatch.dev", "--wait=false"}},
	} {
		t.Run(c.what, func(t *testing.T) { kubectl(t, c.user, c.args...).MustDeny(t, c.want) })
	}
	forged := fmt.Sprintf("apiVersion: gitlatch.dev/v1alpha1\nkind: ChangeRecord\nmetadata: {name: cr-forged}\nspec: {outcome: Denied, evidence: Admission, confidence: Proven, request: {namespace: %s}}\n", ns)
	here.KubectlIn(t, "alice", forged, "create", "-f", "-").MustDeny(t, v1alpha1.ReasonBuiltIn)
	if diff := cmp.Diff(before, recordNamed(t, rec.Name), cmpopts.IgnoreFields(v1alpha1.ChangeRecord{}, "ObjectMeta", "Status")); diff != "" {
		t.Errorf("the record changed (-before +after):\n%s", diff)
	}

	review := patchOf(`{"status":{"review":{"verdict":"Approved","comment":"fine","reviewer":"bob","at":"2001-01-01T00:00:00Z"}}}`)
	deniedFor(t, rita.Status().Patch(t.Context(), recordNamed(t, rec.Name), review), v1alpha1.ReasonSelfReview)
	began := time.Now().Add(-2 * time.Second)
	kubectl(t, "reviewer", "patch", "changerecord", rec.Name, "--subresource=status", "--type=merge", "-p",
		`{"status":{"review":{"verdict":"Approved","comment":"fine","reviewer":"bob","at":"2001-01-01T00:00:00Z"}}}`).MustAllow(t)
	got := recordNamed(t, rec.Name).Status.Review
	want := &v1alpha1.Review{Verdict: v1alpha1.ReviewApproved, Reviewer: "reviewer", Comment: "fine"}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(v1alpha1.Review{}, "At")); diff != "" {
		t.Errorf("review (-want +got):\n%s", diff)
	}
	if got.At.Time.Before(began) || got.At.Time.After(time.Now().Add(time.Second)) {
		t.Errorf("the review is dated %s", got.At)
	}
}
