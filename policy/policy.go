package policy

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Policy is a ChangePolicy, checked and ready to be asked. It is not changed
// after Compile and may be shared.
type Policy struct {
	Name string
	Spec v1alpha1.ChangePolicySpec // with defaults filled in

	// Created is when the policy was made; zero where that is not known, as of one from
	// a file. Deciding does not ask: it is for who judges the past.
	Created time.Time

	namespaces labels.Selector // nil: all
	objects    labels.Selector // nil: all
	reason     *regexp.Regexp
	managers   map[string]struct{}         // field managers of the sync identities
	protected  map[v1alpha1.Account]string // accounts that class credential guards -> why
	homes      map[string]bool             // their namespaces
	system     map[string]struct{}
	bringers   []string         // per entry of Spec.Sync: what to do instead of a write it would bring
	trusted    [][]fieldPattern // per entry of Spec.Trusted
	builtin    bool             // the rules that stand whatever the policies
}

const (
	defaultMaxDuration = time.Hour
	defaultReason      = `^.{10,}`
)

// Compile checks a policy and readies it. Every error names its field. What the
// schema of the CRD defaults is defaulted here as well, so that a policy from a
// file judges as one from the API server does.
func Compile(in *v1alpha1.ChangePolicy) (*Policy, field.ErrorList) {
	p := &Policy{Name: in.Name, Spec: *in.Spec.DeepCopy(), Created: in.CreationTimestamp.Time}
	fill(&p.Spec)
	var errs field.ErrorList
	spec := field.NewPath("spec")
	errs = append(errs, p.compileMode(spec)...)
	errs = append(errs, p.compileMatch(spec.Child("match"))...)
	errs = append(errs, p.compileSubjects(spec)...)
	errs = append(errs, p.compileOperations(spec.Child("operations"))...)
	errs = append(errs, p.compileBreakGlass(spec.Child("breakGlass"))...)
	if len(errs) > 0 {
		return nil, errs
	}
	p.index()
	return p, nil
}

func fill(s *v1alpha1.ChangePolicySpec) {
	or(&s.Objects, v1alpha1.ScopeAll)
	or(&s.Fields, v1alpha1.ScopeAll)
	or(&s.Controllers, v1alpha1.ControllersUndeclared)
	if s.Match.ClusterScoped == nil {
		yes := true
		s.Match.ClusterScoped = &yes
	}
	o := &s.Operations
	or(&o.Evict, v1alpha1.VerdictAllow)
	or(&o.DeletePod, v1alpha1.VerdictFlag)
	or(&o.Cordon, v1alpha1.VerdictFlag)
	or(&o.Restart, v1alpha1.VerdictFlag)
	or(&o.Reconcile, v1alpha1.VerdictAllow)
	or(&o.Suspend, v1alpha1.VerdictFlag)
	or(&o.Exec, v1alpha1.VerdictFlag)
	or(&o.Proxy, v1alpha1.VerdictAllow)
	or(&o.EphemeralContainers, v1alpha1.VerdictDeny)
	if b := s.BreakGlass; b != nil {
		if b.MaxDuration.Duration == 0 {
			b.MaxDuration = v1.Duration{Duration: defaultMaxDuration}
		}
		or(&b.ReasonPattern, defaultReason)
	}
	if s.OnRecordFailure == "" {
		s.OnRecordFailure = v1alpha1.FailureAdmit
		if s.Mode == v1alpha1.ModeEnforce {
			s.OnRecordFailure = v1alpha1.FailureDeny
		}
	}
}

func or[T ~string](v *T, def T) {
	if *v == "" {
		*v = def
	}
}

func (p *Policy) index() {
	p.managers = map[string]struct{}{}
	p.protected = map[v1alpha1.Account]string{}
	p.system = map[string]struct{}{}
	for _, name := range ControlPlaneAccounts() {
		p.system[name] = struct{}{}
		p.protected[v1alpha1.Account{Namespace: systemNamespace, Name: name}] = "a control-plane controller"
	}
	for i := range p.Spec.Trusted {
		a := p.Spec.Trusted[i].ServiceAccount
		if a != nil && p.protected[*a] == "" { // one of the control plane stays that
			p.protected[*a] = isTrusted
		}
	}
	for i := range p.Spec.Sync {
		s := &p.Spec.Sync[i]
		p.bringers = append(p.bringers, "change it in git; "+subjectName(&s.Subject)+" brings it here")
		for _, m := range s.FieldManagers {
			p.managers[m] = struct{}{}
		}
		if s.ServiceAccount != nil {
			p.protected[*s.ServiceAccount] = "a sync identity"
		}
	}
	p.homes = map[string]bool{}
	for a := range p.protected {
		p.homes[a.Namespace] = true
	}
	for _, s := range p.subjects() {
		if namespace, ok := accountsNamespace(s.Group); ok {
			p.homes[namespace] = true
		}
	}
}

// subjects are all whom the policy lets through by name.
func (p *Policy) subjects() []v1alpha1.Subject {
	var out []v1alpha1.Subject
	for i := range p.Spec.Sync {
		out = append(out, p.Spec.Sync[i].Subject)
	}
	for i := range p.Spec.Trusted {
		out = append(out, p.Spec.Trusted[i].Subject)
	}
	return out
}

// isTrusted is why class credential guards a trusted account.
const isTrusted = "a trusted identity"

func (p *Policy) syncManager(manager string) bool {
	_, ok := p.managers[manager]
	return ok
}

// syncOf returns the sync identity that the user presents, proven; nil: none.
func (p *Policy) syncOf(u *User) *v1alpha1.SyncIdentity {
	for i := range p.Spec.Sync {
		s := &p.Spec.Sync[i]
		if a := s.ServiceAccount; a != nil && !u.isAccount(a) {
			continue
		}
		if u.is(&s.Subject) || s.ServiceAccount != nil && (s.Impersonated || u.has(v1alpha1.ExtraSync)) {
			return s
		}
	}
	return nil
}

func (p *Policy) untrusted(u *User) bool {
	if len(p.Spec.UntrustedControllers) == 0 {
		return false
	}
	ns, name, _ := u.Account()
	return slices.ContainsFunc(p.Spec.UntrustedControllers, func(m v1alpha1.AccountMatch) bool {
		return m.Namespace == ns && (m.Name == "" || m.Name == name)
	})
}

// subjectName is how a message names a subject.
func subjectName(s *v1alpha1.Subject) string {
	switch {
	case s.ServiceAccount != nil:
		return s.ServiceAccount.Namespace + "/" + s.ServiceAccount.Name
	case s.User != "":
		return s.User
	}
	return strings.TrimSpace("group " + s.Group)
}
