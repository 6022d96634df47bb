package heartbeat

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func moded(t *testing.T, mode v1alpha1.Mode, exclude ...string) []*policy.Policy {
	t.Helper()
	in := &v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: "all"}}
	in.Spec.Mode, in.Spec.Match.ExcludeNamespaces = mode, exclude
	in.Spec.Sync = []v1alpha1.SyncIdentity{{Subject: v1alpha1.Subject{User: "git"}, FieldManagers: []string{"git"}}}
	p, errs := policy.Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return []*policy.Policy{p}
}

func TestAPolicyThatDemandsLess(t *testing.T) {
	for name, tc := range map[string]struct {
		now  []*policy.Policy
		want map[string]string
	}{
		"as it was":            {moded(t, v1alpha1.ModeWarn), map[string]string{}},
		"a stricter mode":      {moded(t, v1alpha1.ModeEnforce), map[string]string{}},
		"a milder mode":        {moded(t, v1alpha1.ModeAudit), map[string]string{"all": "went from Warn to Audit"}},
		"it leaves out more":   {moded(t, v1alpha1.ModeWarn, "shop"), map[string]string{"all": "was changed"}},
		"it is gone":           {nil, map[string]string{"all": "is gone, or not valid any more"}},
		"another one is added": {append(moded(t, v1alpha1.ModeWarn), selective(t, "guarded").Policies...), map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			before := readMemory(memory{Demanded: demandsOf(moded(t, v1alpha1.ModeWarn))}.text()).Demanded // as after a restart
			if diff := cmp.Diff(tc.want, before.weakened(tc.now)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhatIsExpectedFollowsAGateThatIsAsked, and no other: what is taken away while nobody is asked stays expected.
func TestWhatIsExpectedFollowsAGateThatIsAsked(t *testing.T) {
	needGate(t)
	h, _ := newHeart(t)
	h.ready()
	beat := func(now []*policy.Policy, faults ...Fault) look {
		e := &Expected{Policies: now}
		l := look{at: time.Now(), until: time.Now(), expected: e.state(), faults: faults}
		must(t, h.demanded(t.Context(), &l, e))
		h.watchman.see(l.standing())
		return l
	}
	away := Fault{Cause: CauseNoAnswer, Detail: "it is"}
	strict := moded(t, v1alpha1.ModeEnforce)
	h.demands = demandsOf(strict)
	beat(strict)
	if got := beat(moded(t, v1alpha1.ModeAudit)); got.expected != v1alpha1.GateAuditing || len(got.faults) > 0 {
		t.Errorf("the gate was asked, and %s is expected, with %v", got.expected, got.faults)
	}
	beat(strict)
	gone := Fault{Cause: CausePolicyWeakened, Policy: "all", Detail: "ChangePolicy all is gone, or not valid any more when nobody was asked, and no sync and no record accounts for that"}
	for _, step := range []struct {
		what string
		with []Fault
		open Cause
		want []Fault
	}{
		{"while it is away", []Fault{away}, CauseNoAnswer, []Fault{away, gone}},
		{"once it is back", nil, CausePolicyWeakened, []Fault{gone}},
	} {
		got := beat(nil, step.with...)
		if diff := cmp.Diff(step.want, got.faults); diff != "" || got.expected != v1alpha1.GateEnforcing {
			t.Errorf("%s %q is expected (-want +got):\n%s", step.what, got.expected, diff)
		}
		if h.watchman.open == nil || h.watchman.open.cause() != step.open {
			t.Errorf("%s the gap %v is open, want %s", step.what, h.watchman.open, step.open)
		}
	}
	if diff := cmp.Diff(1, len(h.lastGood)); diff != "" {
		t.Errorf("policies of the last good beat (-want +got):\n%s", diff)
	}
	if beat(strict); h.watchman.open != nil {
		t.Errorf("it is as it was, and the gap %s is open", h.watchman.open.cause())
	}
}

func TestWhoAccountsForAPolicy(t *testing.T) {
	at := func(n int, manager, subresource string) metav1.ManagedFieldsEntry {
		when := metav1.NewTime(second(n))
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, Time: &when}
	}
	for name, tc := range map[string]struct {
		entries []metav1.ManagedFieldsEntry
		fine    bool
		manager string
	}{
		"git wrote it since":            {[]metav1.ManagedFieldsEntry{at(5, "git", ""), at(6, "gitlatch-webhook", "status")}, true, ""},
		"git wrote it before":           {[]metav1.ManagedFieldsEntry{at(-5, "git", "")}, false, ""},
		"somebody wrote it since":       {[]metav1.ManagedFieldsEntry{at(-5, "git", ""), at(5, "kubectl-edit", "")}, false, "kubectl-edit"},
		"both did":                      {[]metav1.ManagedFieldsEntry{at(5, "git", ""), at(6, "kubectl-edit", "")}, false, "kubectl-edit"},
		"only its status was written":   {[]metav1.ManagedFieldsEntry{at(5, "git", "status")}, false, ""},
		"nothing is known of who wrote": {nil, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := witness{since: noon, syncs: []string{"git"}}
			p := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "all", ManagedFields: tc.entries}}
			if fine, manager := w.bySync(p); fine != tc.fine || manager != tc.manager {
				t.Errorf("%t by %q, want %t by %q", fine, manager, tc.fine, tc.manager)
			}
		})
	}
	record := func(operation, path, name string) *v1alpha1.ChangeRecord {
		return &v1alpha1.ChangeRecord{Spec: v1alpha1.ChangeRecordSpec{
			Request: v1alpha1.RecordedRequest{Group: v1alpha1.Group, Kind: "ChangePolicy", Name: name, Operation: operation},
			Changes: []v1alpha1.Change{{Path: path}}}}
	}
	for what, tc := range map[string]struct {
		rec  *v1alpha1.ChangeRecord
		want bool
	}{
		"of its mode":    {record("UPDATE", ".spec.mode", "all"), true},
		"of its labels":  {record("UPDATE", ".metadata.labels.a", "all"), false},
		"of its end":     {record("DELETE", "", "all"), true},
		"of another one": {record("DELETE", "", "other"), false},
	} {
		if got := accountsFor(tc.rec, "all"); got != tc.want {
			t.Errorf("a record %s accounts for it: %t", what, got)
		}
	}
}
