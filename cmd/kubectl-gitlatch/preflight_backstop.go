package main

import (
	"context"
	"slices"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// backstop tells what passes with no webhook alive, since the backstop can't judge it:
// docs/decisions/0028 has the whole list, and why.
func (p *preflighting) backstop(context.Context) error {
	for _, one := range p.policies {
		for _, f := range leftToTheWebhook(&one.Spec) {
			f.Check, f.Subject = checkBackstop, "policy "+one.Name
			p.report.add(f)
		}
	}
	p.report.add(preflightFinding{Severity: severityNotes, Check: checkBackstop, Subject: "every policy",
		Message: "with no webhook alive a request for a client certificate in a guarded name, and a sync's marks on what git does not declare, pass; so does whoever may break glass, without a window",
		Next:    "nothing; keep approvals of certificates and the verb breakglass for few"})
	return nil
}

// leftToTheWebhook are the gaps that depend on what a policy says.
func leftToTheWebhook(s *v1alpha1.ChangePolicySpec) []preflightFinding {
	var out []preflightFinding
	gap := func(grave severity, message, next string) {
		out = append(out, preflightFinding{Severity: grave, Message: message, Next: next})
	}
	scope := ""
	switch {
	case s.Fields == v1alpha1.ScopeDeclared:
		scope = "fields: Declared"
	case s.Objects == v1alpha1.ScopeDeclared:
		scope = "objects: Declared"
	}
	switch {
	case scope != "":
		gap(severityWarns, scope+": whether git declared what a /scale changes does not show in it, so that with no webhook alive people may scale what this governs",
			"run two webhooks or more; choose objects: All and fields: All where no gap can be")
	case s.Controllers != v1alpha1.ControllersNone:
		gap(severityNotes, "whether git declared what a /scale changes does not show in it, so that with no webhook alive pods may scale what this governs",
			"nothing; controllers: None judges pods as persons, for namespaces without controllers")
	}
	if s.Operations.Exec != v1alpha1.VerdictDeny {
		gap(severityWarns, "operations.exec: "+string(s.Operations.Exec)+": as whom a pod runs does not show in the request, so that with no webhook alive people may enter pods of git's identity too",
			"choose Deny; or give people no pods/exec, pods/attach and pods/portforward where such pods run")
	}
	if slices.ContainsFunc(s.Trusted, func(t v1alpha1.TrustedSubject) bool { return len(t.Fields) > 0 }) {
		gap(severityNotes, "trusted: which fields change is not compared, so that with no webhook alive a subject with fields may update its resources whole",
			"nothing; name few resources beside fields")
	}
	return out
}
