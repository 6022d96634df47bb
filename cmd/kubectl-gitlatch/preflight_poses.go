package main

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/access"
)

// poses tells who could become somebody whom the gate lets through, or edit the gate.
func (p *preflighting) poses(context.Context) error {
	for _, f := range p.access.Select(access.Selection{Open: true}) {
		switch f.Act {
		case access.ActGate, access.ActImpersonate, access.ActToken, access.ActPod, access.ActGrant:
		default:
			continue
		}
		if p.letThrough(&f) {
			continue
		}
		p.report.add(preflightFinding{Severity: severityWarns, Check: checkPoses, Subject: f.Subject.String(),
			Message: fmt.Sprintf("%s; through %s, in %s", f.Message, f.Through, scopeOf(f.Namespace)), Next: f.Instead})
	}
	for i := range p.policies {
		s := &p.policies[i].Spec
		for k := range s.Sync {
			id := &s.Sync[k]
			if name := id.User + id.Group; name != "" || id.Impersonated {
				if id.ServiceAccount != nil {
					name = id.ServiceAccount.Namespace + "/" + id.ServiceAccount.Name
				}
				p.report.add(preflightFinding{Severity: severityWarns, Check: checkPoses, Subject: name,
					Message: fmt.Sprintf("policy %s knows this sync identity by its name alone: whoever may impersonate it is git", p.policies[i].Name),
					Next:    "use a service account with the token of its pod, which proves who it is"})
			}
		}
	}
	return nil
}

// letThrough: a platform's own, or git's, which the policies let write everything.
func (p *preflighting) letThrough(f *access.Finding) bool {
	u := certified(f.Subject.Name)
	switch f.Subject.Kind {
	case rbacv1.ServiceAccountKind:
		u = minted(f.Subject.Namespace, f.Subject.Name)
		u.Extra[policy.ExtraPodName], u.Extra[policy.ExtraPodUID] = []string{"-"}, []string{"-"}
	case rbacv1.GroupKind:
		u = certified("-", f.Subject.Name)
	}
	class := p.decide(sampleWrite(u, "", "configmaps", "-")).Class
	return class == v1alpha1.ClassTrusted || class == v1alpha1.ClassSync
}
