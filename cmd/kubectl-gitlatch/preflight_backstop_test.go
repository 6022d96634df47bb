package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

const (
	scaleNext = "run two webhooks or more; choose objects: All and fields: All where no gap can be"
	execNext  = "choose Deny; or give people no pods/exec, pods/attach and pods/portforward where such pods run"
)

// Of a policy nothing is said but what decision 0028 leaves to the webhook: not that what git declared is open, and
// not that an objectSelector is.
func TestPreflightTellsWhatTheBackstopLeavesToTheWebhook(t *testing.T) {
	exec := func(verdict string) preflightFinding {
		return preflightFinding{Severity: severityWarns, Next: execNext,
			Message: "operations.exec: " + verdict + ": as whom a pod runs does not show in the request, so that with no webhook alive people may enter pods of git's identity too"}
	}
	people := func(scope string) preflightFinding {
		return preflightFinding{Severity: severityWarns, Next: scaleNext,
			Message: scope + ": whether git declared what a /scale changes does not show in it, so that with no webhook alive people may scale what this governs"}
	}
	pods := preflightFinding{Severity: severityNotes, Next: "nothing; controllers: None judges pods as persons, for namespaces without controllers",
		Message: "whether git declared what a /scale changes does not show in it, so that with no webhook alive pods may scale what this governs"}
	trusted := preflightFinding{Severity: severityNotes, Next: "nothing; name few resources beside fields",
		Message: "trusted: which fields change is not compared, so that with no webhook alive a subject with fields may update its resources whole"}
	kinds := []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}}}
	for _, c := range []struct {
		what string
		set  func(*v1alpha1.ChangePolicySpec)
		want []preflightFinding
	}{
		{"as it is left out", func(*v1alpha1.ChangePolicySpec) {}, []preflightFinding{pods, exec("Flag")}},
		{"the tightest", func(s *v1alpha1.ChangePolicySpec) {
			s.Controllers, s.Operations.Exec = v1alpha1.ControllersNone, v1alpha1.VerdictDeny
		}, nil},
		{"declared objects", func(s *v1alpha1.ChangePolicySpec) {
			s.Objects, s.Operations.Exec = v1alpha1.ScopeDeclared, v1alpha1.VerdictDeny
		}, []preflightFinding{people("objects: Declared")}},
		{"declared fields", func(s *v1alpha1.ChangePolicySpec) {
			s.Fields, s.Operations.Exec = v1alpha1.ScopeDeclared, v1alpha1.VerdictAllow
		}, []preflightFinding{people("fields: Declared"), exec("Allow")}},
		{"a selector of objects", func(s *v1alpha1.ChangePolicySpec) {
			s.Controllers, s.Operations.Exec = v1alpha1.ControllersNone, v1alpha1.VerdictDeny
			s.Match.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "web"}}
		}, nil},
		{"a trusted subject", func(s *v1alpha1.ChangePolicySpec) {
			s.Controllers, s.Operations.Exec = v1alpha1.ControllersNone, v1alpha1.VerdictDeny
			s.Trusted = []v1alpha1.TrustedSubject{{Subject: v1alpha1.Subject{User: "bob"}, Resources: kinds}}
		}, nil},
		{"a trusted subject with fields", func(s *v1alpha1.ChangePolicySpec) {
			s.Controllers, s.Operations.Exec = v1alpha1.ControllersNone, v1alpha1.VerdictDeny
			s.Trusted = []v1alpha1.TrustedSubject{{Subject: v1alpha1.Subject{User: "bob"}, Resources: kinds, Fields: []string{"spec.replicas"}}}
		}, []preflightFinding{trusted}},
	} {
		t.Run(c.what, func(t *testing.T) {
			one := &v1alpha1.ChangePolicy{Spec: v1alpha1.ChangePolicySpec{Mode: v1alpha1.ModeEnforce,
				Sync: []v1alpha1.SyncIdentity{{Subject: v1alpha1.Subject{User: "robot"}, FieldManagers: []string{"robot"}}}}}
			c.set(&one.Spec)
			compiled, errs := policy.Compile(one)
			if len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}
			if diff := cmp.Diff(c.want, leftToTheWebhook(&compiled.Spec)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
