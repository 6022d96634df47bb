package policy

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const maxWindow = 168 * time.Hour

func (p *Policy) compileMode(spec *field.Path) field.ErrorList {
	var errs field.ErrorList
	s := &p.Spec
	errs = append(errs, oneOf(spec.Child("mode"), s.Mode, v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit)...)
	errs = append(errs, oneOf(spec.Child("objects"), s.Objects, v1alpha1.ScopeAll, v1alpha1.ScopeDeclared)...)
	errs = append(errs, oneOf(spec.Child("fields"), s.Fields, v1alpha1.ScopeAll, v1alpha1.ScopeDeclared)...)
	errs = append(errs, oneOf(spec.Child("controllers"), s.Controllers, v1alpha1.ControllersUndeclared, v1alpha1.ControllersNone)...)
	errs = append(errs, oneOf(spec.Child("onRecordFailure"), s.OnRecordFailure, v1alpha1.FailureDeny, v1alpha1.FailureAdmit)...)
	return errs
}

func oneOf[T ~string](path *field.Path, got T, want ...T) field.ErrorList {
	names := make([]string, len(want))
	for i, w := range want {
		if got == w {
			return nil
		}
		names[i] = string(w)
	}
	if got == "" {
		return field.ErrorList{field.Required(path, "one of "+strings.Join(names, ", "))}
	}
	return field.ErrorList{field.NotSupported(path, string(got), names)}
}

func (p *Policy) compileMatch(path *field.Path) field.ErrorList {
	m := &p.Spec.Match
	var errs field.ErrorList
	p.namespaces, errs = selector(path.Child("namespaceSelector"), m.NamespaceSelector, errs)
	p.objects, errs = selector(path.Child("objectSelector"), m.ObjectSelector, errs)
	errs = append(errs, checkRules(path.Child("resources"), m.Resources)...)
	errs = append(errs, checkRules(path.Child("excludeResources"), m.ExcludeResources)...)
	return errs
}

// selector compiles a label selector; one that selects everything is nil.
func selector(path *field.Path, in *metav1.LabelSelector, errs field.ErrorList) (labels.Selector, field.ErrorList) {
	if in == nil {
		return nil, errs
	}
	sel, err := metav1.LabelSelectorAsSelector(in)
	if err != nil {
		return nil, append(errs, field.Invalid(path, in.String(), err.Error()))
	}
	if sel.Empty() {
		return nil, errs
	}
	return sel, errs
}

func checkRules(path *field.Path, rules []v1alpha1.ResourceRule) field.ErrorList {
	var errs field.ErrorList
	for i, r := range rules {
		if len(r.APIGroups) == 0 {
			errs = append(errs, field.Required(path.Index(i).Child("apiGroups"), `name the groups, "" for core or "*" for all`))
		}
		if len(r.Resources) == 0 {
			errs = append(errs, field.Required(path.Index(i).Child("resources"), `name the resources, or "*" for all`))
		}
		for j, res := range r.Resources {
			if strings.Contains(res, "/") {
				errs = append(errs, field.Invalid(path.Index(i).Child("resources").Index(j), res, "a subresource belongs to its resource: leave out what follows the slash"))
			}
		}
	}
	return errs
}

func (p *Policy) compileSubjects(spec *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(p.Spec.Sync) == 0 {
		errs = append(errs, field.Required(spec.Child("sync"), "without a sync identity git could not write either"))
	}
	for i := range p.Spec.Sync {
		s, path := &p.Spec.Sync[i], spec.Child("sync").Index(i)
		errs = append(errs, checkSubject(path, &s.Subject)...)
		if len(s.FieldManagers) == 0 {
			errs = append(errs, field.Required(path.Child("fieldManagers"), "what they own is what git declared"))
		}
		switch s.Group {
		case "system:authenticated", "system:unauthenticated", mastersGroup, "system:serviceaccounts":
			errs = append(errs, field.Invalid(path.Child("group"), s.Group, "would let every write through"))
		}
	}
	p.trusted = make([][]fieldPattern, len(p.Spec.Trusted))
	for i := range p.Spec.Trusted {
		t, path := &p.Spec.Trusted[i], spec.Child("trusted").Index(i)
		errs = append(errs, checkSubject(path, &t.Subject)...)
		errs = append(errs, checkRules(path.Child("resources"), t.Resources)...)
		if len(t.Resources) == 0 {
			errs = append(errs, field.Required(path.Child("resources"), "what the subject may change"))
		}
		for j, f := range t.Fields {
			pattern, err := parsePattern(f)
			if err != nil {
				errs = append(errs, field.Invalid(path.Child("fields").Index(j), f, err.Error()))
				continue
			}
			p.trusted[i] = append(p.trusted[i], pattern)
		}
	}
	errs = append(errs, checkRules(spec.Child("steering"), p.Spec.Steering)...)
	for i, u := range p.Spec.UntrustedControllers {
		if u.Namespace == "" {
			errs = append(errs, field.Required(spec.Child("untrustedControllers").Index(i).Child("namespace"), "of the accounts"))
		}
	}
	return errs
}

func checkSubject(path *field.Path, s *v1alpha1.Subject) field.ErrorList {
	n := 0
	for _, set := range []bool{s.ServiceAccount != nil, s.User != "", s.Group != ""} {
		if set {
			n++
		}
	}
	if n != 1 {
		return field.ErrorList{field.Invalid(path, n, "exactly one of serviceAccount, user and group")}
	}
	if strings.HasPrefix(s.User, accountPrefix) {
		return field.ErrorList{field.Invalid(path.Child("user"), s.User, "name a service account under serviceAccount, where its token is checked")}
	}
	if a := s.ServiceAccount; a != nil && (a.Namespace == "" || a.Name == "") {
		return field.ErrorList{field.Required(path.Child("serviceAccount"), "namespace and name")}
	}
	return nil
}

func (p *Policy) compileOperations(path *field.Path) field.ErrorList {
	o := &p.Spec.Operations
	var errs field.ErrorList
	for _, v := range []struct {
		name    string
		verdict v1alpha1.Verdict
	}{
		{"evict", o.Evict}, {"deletePod", o.DeletePod}, {"cordon", o.Cordon},
		{"restart", o.Restart}, {"reconcile", o.Reconcile}, {"suspend", o.Suspend},
		{"exec", o.Exec}, {"proxy", o.Proxy}, {"ephemeralContainers", o.EphemeralContainers},
	} {
		errs = append(errs, oneOf(path.Child(v.name), v.verdict, v1alpha1.VerdictAllow, v1alpha1.VerdictFlag, v1alpha1.VerdictDeny)...)
	}
	return errs
}

func (p *Policy) compileBreakGlass(path *field.Path) field.ErrorList {
	b := p.Spec.BreakGlass
	if b == nil {
		return nil
	}
	var errs field.ErrorList
	if len(b.AllowedGroups) == 0 {
		errs = append(errs, field.Required(path.Child("allowedGroups"), `the wildcard of cluster-admin holds every verb, so "breakglass" alone is no list`))
	}
	for i, g := range b.AllowedGroups {
		switch g {
		case "", "system:authenticated", "system:unauthenticated", "system:serviceaccounts":
			errs = append(errs, field.Invalid(path.Child("allowedGroups").Index(i), g, "a group that everybody is in is no list"))
		}
	}
	if d := b.MaxDuration.Duration; d < time.Second || d > maxWindow {
		errs = append(errs, field.Invalid(path.Child("maxDuration"), d.String(), fmt.Sprintf("between 1s and %s", maxWindow)))
	}
	var err error
	if p.reason, err = regexp.Compile(b.ReasonPattern); err != nil {
		errs = append(errs, field.Invalid(path.Child("reasonPattern"), b.ReasonPattern, err.Error()))
	}
	return errs
}
