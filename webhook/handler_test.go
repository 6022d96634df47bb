package webhook

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// TestDenial: the whole answer, and the whole entry of the record.
func TestDenial(t *testing.T) {
	g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
	got := g.post(deployment())
	want := &admissionv1.AdmissionResponse{
		UID: webUID,
		Result: &metav1.Status{
			Status: "Failure", Code: 403, Reason: "Forbidden",
			Message: `OutOfBand: apps/Deployment prod/web is changed through git only.
  policy: cluster    you: alice    record: cr-7f3k9q2m
  next: change it in git; flux-system/kustomize-controller brings it here`,
			Details: &metav1.StatusDetails{
				Group: "apps", Kind: "Deployment", Name: "web",
				Causes: []metav1.StatusCause{{Type: "OutOfBand", Message: "apps/Deployment prod/web is changed through git only"}},
			},
		},
		AuditAnnotations: map[string]string{
			"decision": "deny", "class": "out-of-band", "reason": "OutOfBand", "policy": "cluster", "record": "cr-7f3k9q2m",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	wantEntry := record.Entry{
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: "Denied", Class: "out-of-band", Reason: "OutOfBand", Policy: "cluster",
			Requester: v1alpha1.Requester{Username: "alice", Groups: []string{"devs", "system:authenticated"}},
			Request: v1alpha1.RecordedRequest{
				UID: webUID, Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments", Kind: "Deployment",
				Namespace: "prod", Name: "web", FieldManager: "kubectl-edit",
			},
			Target:     &v1alpha1.Target{UID: "u1", ResourceVersion: "7"},
			Evidence:   "Admission",
			Confidence: "Proven",
			Message:    "apps/Deployment prod/web is changed through git only",
		},
		Changes: []record.Change{{Path: ".spec.replicas", From: int64(2), To: int64(4), HasFrom: true, HasTo: true}},
	}
	if diff := cmp.Diff([]record.Entry{wantEntry}, g.recorder.entries); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// TestRecordFailure: what becomes of a request whose record can't be written.
func TestRecordFailure(t *testing.T) {
	now := time.Now()
	window := policy.Window{
		Record: "cr-open", User: "oncall", Scope: v1alpha1.WindowObject, Group: "apps", Resource: "deployments",
		Namespace: "prod", Name: "web", Reason: "INC-42: db failover", Until: now.Add(time.Hour),
	}
	for name, tc := range map[string]struct {
		policy   *policy.Policy
		grants   fixedGrants
		user     string
		groups   []string
		allowed  bool
		headline v1alpha1.Reason
		next     string
	}{
		"a denial stays a denial": {
			policy: policyIn(t, v1alpha1.ModeEnforce), user: "alice", headline: "OutOfBand",
		},
		"break-glass is refused": {
			policy: policyIn(t, v1alpha1.ModeEnforce), user: "oncall", groups: []string{"oncall"},
			grants:   fixedGrants{windows: []policy.Window{window}, authorized: policy.Authorized},
			headline: "BreakGlassUnrecorded",
		},
		"a flag under Warn is admitted": {
			policy: policyIn(t, v1alpha1.ModeWarn), user: "alice", allowed: true,
		},
		"a flag is refused where the policy says so": {
			policy: policyIn(t, v1alpha1.ModeAudit, func(s *v1alpha1.ChangePolicySpec) { s.OnRecordFailure = v1alpha1.FailureDeny }),
			user:   "alice", headline: "Unrecorded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, false, tc.policy)
			g.recorder.broken = true
			grants := tc.grants
			g.handler.Grants = &grants
			got := g.post(deployment(func(r *admissionv1.AdmissionRequest) {
				r.UserInfo.Username, r.UserInfo.Groups = tc.user, tc.groups
			}))
			if got.Allowed != tc.allowed {
				t.Fatalf("got %+v, want allowed %v", got, tc.allowed)
			}
			if !tc.allowed && got.Result.Details.Causes[0].Type != metav1.CauseType(tc.headline) {
				t.Errorf("reason %s, want %s", got.Result.Details.Causes[0].Type, tc.headline)
			}
			if got.AuditAnnotations["record"] != "" {
				t.Errorf("the answer names record %s", got.AuditAnnotations["record"])
			}
		})
	}
}

// TestBreakGlassOpens: recorded, remembered, stamped; in the validating call
// neither asked for nor recorded again.
func TestBreakGlassOpens(t *testing.T) {
	p := policyIn(t, v1alpha1.ModeEnforce)
	gate, final := newGate(t, false, p), newGate(t, true, p)
	final.handler.Memory, final.handler.Grants = gate.handler.Memory, gate.grants
	gate.grants.authorized = policy.Authorized
	gate.grants.stamps = []PatchOp{{Op: "add", Path: "/metadata/annotations/gitlatch.dev~1break-glass-by", Value: "oncall"}}
	breaking := deployment(func(r *admissionv1.AdmissionRequest) {
		r.UserInfo.Username, r.UserInfo.Groups = "oncall", []string{"oncall"}
		r.Object.Raw = []byte(`{"metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7","annotations":{"gitlatch.dev/break-glass":"INC-42: db failover"}},"spec":{"replicas":4}}`)
	})
	got := gate.post(breaking)
	if !got.Allowed || string(got.Patch) != `[{"op":"add","path":"/metadata/annotations/gitlatch.dev~1break-glass-by","value":"oncall"}]` {
		t.Fatalf("mutating answer %+v, want it admitted and stamped", got)
	}
	if diff := cmp.Diff([]v1alpha1.Outcome{v1alpha1.OutcomeBreakGlass}, gate.recorder.outcomes()); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
	if len(gate.grants.opened) != 1 || gate.grants.opened[0].Record != "cr-7f3k9q2m" || gate.grants.opened[0].User != "oncall" {
		t.Fatalf("opened %+v, want oncall's window", gate.grants.opened)
	}
	gate.grants.windows = gate.grants.opened
	asked := gate.grants.asked
	stamped := deployment(func(r *admissionv1.AdmissionRequest) {
		r.UserInfo.Username, r.UserInfo.Groups = "oncall", []string{"oncall"}
		until, err := json.Marshal(gate.grants.opened[0].Until.UTC().Format(time.RFC3339))
		if err != nil {
			t.Fatal(err)
		}
		r.Object.Raw = []byte(`{"metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7","annotations":{"gitlatch.dev/break-glass":"INC-42: db failover","gitlatch.dev/break-glass-by":"oncall","gitlatch.dev/break-glass-record":"cr-7f3k9q2m","gitlatch.dev/break-glass-until":` + string(until) + `}},"spec":{"replicas":4}}`)
	})
	again := final.post(stamped)
	if !again.Allowed || again.AuditAnnotations["record"] != "cr-7f3k9q2m" {
		t.Errorf("validating answer %+v, want it admitted under the same record", again)
	}
	if n := len(final.recorder.entries); n != 0 {
		t.Errorf("the validating call recorded %d times", n)
	}
	if gate.grants.asked != asked {
		t.Error("the validating call asked for the authorization again")
	}
}

// TestDryRun: judged the same, and nothing is left behind.
func TestDryRun(t *testing.T) {
	dry := func(r *admissionv1.AdmissionRequest) { yes := true; r.DryRun = &yes }
	for _, mode := range []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeAudit} {
		g := newGate(t, false, policyIn(t, mode))
		g.grants.stamps = []PatchOp{{Op: "add", Path: "/metadata/annotations/x", Value: "y"}}
		got := g.post(deployment(dry))
		if got.Allowed != (mode == v1alpha1.ModeAudit) || got.Patch != nil || len(g.recorder.entries) != 0 {
			t.Errorf("under %s: got %+v and %d records, want none", mode, got, len(g.recorder.entries))
		}
	}
}

// TestFlagInTwoPhases: one record for the two calls of one request, and one of
// its own for a validating call whose mutating call was not seen.
func TestFlagInTwoPhases(t *testing.T) {
	p := policyIn(t, v1alpha1.ModeAudit)
	gate, final := newGate(t, false, p), newGate(t, true, p)
	final.handler.Memory = gate.handler.Memory
	gate.post(deployment())
	final.post(deployment())
	if len(gate.recorder.entries) != 1 || len(final.recorder.entries) != 0 {
		t.Errorf("%d records by the mutating call and %d by the validating one, want 1 and 0", len(gate.recorder.entries), len(final.recorder.entries))
	}
	final.handler.Memory = &Memory{}
	final.post(deployment())
	if len(final.recorder.entries) != 1 || !final.recorder.entries[0].Final {
		t.Errorf("entries %+v, want one of the validating call", final.recorder.entries)
	}
}

// TestScaleInTwoPhases: the validating call trusts the mutating one's decision
// about the same Scale, and else reads the parent.
func TestScaleInTwoPhases(t *testing.T) {
	p := policyIn(t, v1alpha1.ModeAudit)
	scale := func(replicas string) []byte {
		return deployment(func(r *admissionv1.AdmissionRequest) {
			r.SubResource = "scale"
			r.Kind = metav1.GroupVersionKind{Group: "autoscaling", Version: "v1", Kind: "Scale"}
			r.Object.Raw = []byte(`{"metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7"},"spec":{"replicas":` + replicas + `}}`)
		})
	}
	gate, final := newGate(t, false, p), newGate(t, true, p)
	final.handler.Memory = gate.handler.Memory
	gate.post(scale("4"))
	final.post(scale("4"))
	if final.lookups.parents != 0 || len(final.recorder.entries) != 0 {
		t.Errorf("the same Scale: %d look-ups, %d records; want none", final.lookups.parents, len(final.recorder.entries))
	}
}

// TestMemoryForgets: the oldest goes when it is full, everything after a while,
// and nobody is taken for somebody else.
func TestMemoryForgets(t *testing.T) {
	now := time.Now()
	m := &Memory{}
	alice := policy.User{Name: "alice", Groups: []string{"devs"}}
	key := callKey{user: "alice", name: "web"}
	m.put(key, remembered{user: alice, at: now, record: "cr-1"})
	if got := m.get(key, &alice, now.Add(time.Second)); got == nil || got.record != "cr-1" {
		t.Errorf("get() = %+v, want cr-1", got)
	}
	if got := m.get(key, &alice, now.Add(memoryTime+time.Second)); got != nil {
		t.Errorf("get() after a while = %+v", got)
	}
	if got := m.get(key, &policy.User{Name: "alice", Groups: []string{"oncall"}}, now); got != nil {
		t.Errorf("get() by another alice = %+v", got)
	}
	for i := range memorySize {
		m.put(callKey{user: "bob", name: time.Duration(i).String()}, remembered{user: policy.User{Name: "bob"}, at: now})
	}
	if got := m.get(key, &alice, now); got != nil || len(m.calls) != memorySize {
		t.Errorf("get() of the oldest = %+v among %d", got, len(m.calls))
	}
}

// TestRecordedUnderThePrefix: both calls of a CREATE with a generated name are
// remembered under one name.
func TestRecordedUnderThePrefix(t *testing.T) {
	create := func(object string) []byte {
		return deployment(func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.Name = admissionv1.Create, ""
			r.Object.Raw, r.OldObject.Raw = []byte(object), nil
		})
	}
	first, a, err := decodeReview(create(`{"metadata":{"generateName":"web-"}}`), false)
	if err != nil {
		t.Fatal(err)
	}
	second, b, err := decodeReview(create(`{"metadata":{"generateName":"web-","name":"web-x7k2p"}}`), true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"web-*", "web-x7k2p", "web-*", "web-*"}, []string{first.Name, second.Name, a, b}, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestMarksThatAnotherWebhookTook: a write inside a window whose marks are gone
// from the final object is refused, and recorded.
func TestMarksThatAnotherWebhookTook(t *testing.T) {
	g := newGate(t, true, policyIn(t, v1alpha1.ModeEnforce))
	g.grants.windows = []policy.Window{{
		Record: "cr-open", User: "oncall", Scope: v1alpha1.WindowObject, Group: "apps", Resource: "deployments",
		Namespace: "prod", Name: "web", Reason: "INC-42: db failover", Until: time.Now().Add(time.Hour),
	}}
	g.grants.authorized = policy.Authorized
	g.grants.stampsErr = errors.New("gitlatch.dev/break-glass-by is gone")
	got := g.post(deployment(func(r *admissionv1.AdmissionRequest) {
		r.UserInfo.Username, r.UserInfo.Groups = "oncall", []string{"oncall"}
	}))
	if got.Allowed || got.AuditAnnotations["reason"] != string(v1alpha1.ReasonForged) {
		t.Errorf("want a denial Forged, got %+v", got)
	}
	if diff := cmp.Diff([]v1alpha1.Outcome{v1alpha1.OutcomeDenied}, g.recorder.outcomes()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
