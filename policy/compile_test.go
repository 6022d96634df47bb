package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestCompileRefusesWhatCannotWork(t *testing.T) {
	type spec = v1alpha1.ChangePolicySpec
	rule := func(groups, resources []string) []v1alpha1.ResourceRule {
		return []v1alpha1.ResourceRule{{APIGroups: groups, Resources: resources}}
	}
	subject := func(s v1alpha1.Subject) func(*spec) { return func(p *spec) { p.Sync[0].Subject = s } }
	trust := func(f func(*v1alpha1.TrustedSubject)) func(*spec) {
		return func(p *spec) {
			one := v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{User: "x"}, Resources: rule([]string{""}, []string{"secrets"}), Fields: []string{"data"}}
			f(&one)
			p.Trusted = []v1alpha1.TrustedSubject{one}
		}
	}
	operation := func(f func(*v1alpha1.Operations)) func(*spec) { return func(p *spec) { f(&p.Operations) } }
	glass := func(f func(*v1alpha1.BreakGlass)) func(*spec) { return func(p *spec) { f(p.BreakGlass) } }
	const verdicts = `: Unsupported value: "Maybe": supported values: "Allow", "Flag", "Deny"`
	const one = ": exactly one of serviceAccount, user and group"
	for _, c := range []struct {
		name string
		make func(*spec)
		want []string
	}{
		{"no mode", func(p *spec) { p.Mode = "" }, []string{"spec.mode: Required value: one of Enforce, Warn, Audit"}},
		{"another mode", func(p *spec) { p.Mode = "enforce" }, []string{`spec.mode: Unsupported value: "enforce": supported values: "Enforce", "Warn", "Audit"`}},
		{"another scope of objects", func(p *spec) { p.Objects = "Some" }, []string{`spec.objects: Unsupported value: "Some": supported values: "All", "Declared"`}},
		{"another scope of fields", func(p *spec) { p.Fields = "Some" }, []string{`spec.fields: Unsupported value: "Some": supported values: "All", "Declared"`}},
		{"another rule for controllers", func(p *spec) { p.Controllers = "All" }, []string{`spec.controllers: Unsupported value: "All": supported values: "Undeclared", "None"`}},
		{"another rule for failed records", func(p *spec) { p.OnRecordFailure = "Ignore" }, []string{`spec.onRecordFailure: Unsupported value: "Ignore": supported values: "Deny", "Admit"`}},
		{"a namespace selector of no known operator", func(p *spec) {
			p.Match.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Is"}}}
		}, []string{`spec.match.namespaceSelector: Invalid value: "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:a,Operator:Is,Values:[],},},}": "Is" is not a valid label selector operator`}},
		{"an object selector whose key is none", func(p *spec) {
			p.Match.ObjectSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "In"}}}
		}, []string{`spec.match.objectSelector: Invalid value: "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:a,Operator:In,Values:[],},},}": values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty`}},
		{"resources without groups and names", func(p *spec) { p.Match.Resources = rule(nil, nil) }, []string{`spec.match.resources[0].apiGroups: Required value: name the groups, "" for core or "*" for all`, `spec.match.resources[0].resources: Required value: name the resources, or "*" for all`}},
		{"a subresource", func(p *spec) { p.Match.ExcludeResources = rule([]string{""}, []string{"pods", "pods/exec"}) }, []string{`spec.match.excludeResources[0].resources[1]: Invalid value: "pods/exec": a subresource belongs to its resource: leave out what follows the slash`}},
		{"steering without groups", func(p *spec) { p.Steering = rule(nil, []string{"*"}) }, []string{`spec.steering[0].apiGroups: Required value: name the groups, "" for core or "*" for all`}},
		{"no sync", func(p *spec) { p.Sync = nil }, []string{"spec.sync: Required value: without a sync identity git could not write either"}},
		{"a sync that is nobody", subject(v1alpha1.Subject{}), []string{"spec.sync[0]: Invalid value: 0" + one}},
		{"a sync that is two", subject(v1alpha1.Subject{User: "x", Group: "y"}), []string{"spec.sync[0]: Invalid value: 2" + one}},
		{"a service account as a user", subject(v1alpha1.Subject{User: "system:serviceaccount:a:b"}), []string{`spec.sync[0].user: Invalid value: "system:serviceaccount:a:b": name a service account under serviceAccount, where its token is checked`}},
		{"a service account without a name", subject(v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "a"}}), []string{"spec.sync[0].serviceAccount: Required value: namespace and name"}},
		{"everybody as the sync", subject(v1alpha1.Subject{Group: "system:authenticated"}), []string{`spec.sync[0].group: Invalid value: "system:authenticated": would let every write through`}},
		{"nobody known as the sync", subject(v1alpha1.Subject{Group: "system:unauthenticated"}), []string{`spec.sync[0].group: Invalid value: "system:unauthenticated": would let every write through`}},
		{"system:masters as the sync", subject(v1alpha1.Subject{Group: "system:masters"}), []string{`spec.sync[0].group: Invalid value: "system:masters": would let every write through`}},
		{"every service account as the sync", subject(v1alpha1.Subject{Group: "system:serviceaccounts"}), []string{`spec.sync[0].group: Invalid value: "system:serviceaccounts": would let every write through`}},
		{"a sync without managers", func(p *spec) { p.Sync[0].FieldManagers = nil }, []string{"spec.sync[0].fieldManagers: Required value: what they own is what git declared"}},
		{"trust in nobody", trust(func(s *v1alpha1.TrustedSubject) { s.Subject = v1alpha1.Subject{} }), []string{"spec.trusted[0]: Invalid value: 0" + one}},
		{"trust in nothing", trust(func(s *v1alpha1.TrustedSubject) { s.Resources = nil }), []string{"spec.trusted[0].resources: Required value: what the subject may change"}},
		{"trust in a subresource", trust(func(s *v1alpha1.TrustedSubject) { s.Resources = rule([]string{""}, []string{"a/b"}) }), []string{`spec.trusted[0].resources[0].resources[0]: Invalid value: "a/b": a subresource belongs to its resource: leave out what follows the slash`}},
		{"paths that can't be read", trust(func(s *v1alpha1.TrustedSubject) { s.Fields = []string{"", "a..b", "a[", "a[x]", `a["]`, "a[=x]"} }), []string{
			`spec.trusted[0].fields[0]: Invalid value: "": an empty path`,
			`spec.trusted[0].fields[1]: Invalid value: "a..b": a field without a name before "..b"`,
			`spec.trusted[0].fields[2]: Invalid value: "a[": a bracket is not closed in "["`,
			`spec.trusted[0].fields[3]: Invalid value: "a[x]": expected name="value" at "x"`,
			`spec.trusted[0].fields[4]: Invalid value: "a[\"]": a bracket is not closed in "[\"]"`,
			`spec.trusted[0].fields[5]: Invalid value: "a[=x]": reading the value x: invalid character 'x' looking for beginning of value`,
		}},
		{"untrusted controllers of no namespace", func(p *spec) { p.UntrustedControllers = []v1alpha1.AccountMatch{{Name: "x"}} }, []string{"spec.untrustedControllers[0].namespace: Required value: of the accounts"}},
		{"evict", operation(func(o *v1alpha1.Operations) { o.Evict = "Maybe" }), []string{"spec.operations.evict" + verdicts}},
		{"deletePod", operation(func(o *v1alpha1.Operations) { o.DeletePod = "Maybe" }), []string{"spec.operations.deletePod" + verdicts}},
		{"cordon", operation(func(o *v1alpha1.Operations) { o.Cordon = "Maybe" }), []string{"spec.operations.cordon" + verdicts}},
		{"restart", operation(func(o *v1alpha1.Operations) { o.Restart = "Maybe" }), []string{"spec.operations.restart" + verdicts}},
		{"reconcile", operation(func(o *v1alpha1.Operations) { o.Reconcile = "Maybe" }), []string{"spec.operations.reconcile" + verdicts}},
		{"suspend", operation(func(o *v1alpha1.Operations) { o.Suspend = "Maybe" }), []string{"spec.operations.suspend" + verdicts}},
		{"exec", operation(func(o *v1alpha1.Operations) { o.Exec = "Maybe" }), []string{"spec.operations.exec" + verdicts}},
		{"proxy", operation(func(o *v1alpha1.Operations) { o.Proxy = "Maybe" }), []string{"spec.operations.proxy" + verdicts}},
		{"ephemeralContainers", operation(func(o *v1alpha1.Operations) { o.EphemeralContainers = "Maybe" }), []string{"spec.operations.ephemeralContainers" + verdicts}},
		{"break-glass for nobody", glass(func(b *v1alpha1.BreakGlass) { b.AllowedGroups = nil }), []string{`spec.breakGlass.allowedGroups: Required value: the wildcard of cluster-admin holds every verb, so "breakglass" alone is no list`}},
		{"break-glass for everybody", glass(func(b *v1alpha1.BreakGlass) { b.AllowedGroups = []string{"oncall", "system:authenticated", ""} }), []string{
			`spec.breakGlass.allowedGroups[1]: Invalid value: "system:authenticated": a group that everybody is in is no list`,
			`spec.breakGlass.allowedGroups[2]: Invalid value: "": a group that everybody is in is no list`}},
		{"a window of no time", glass(func(b *v1alpha1.BreakGlass) { b.MaxDuration.Duration = -time.Second }), []string{`spec.breakGlass.maxDuration: Invalid value: "-1s": between 1s and 168h0m0s`}},
		{"a window of all time", glass(func(b *v1alpha1.BreakGlass) { b.MaxDuration.Duration = 169 * time.Hour }), []string{`spec.breakGlass.maxDuration: Invalid value: "169h0m0s": between 1s and 168h0m0s`}},
		{"a pattern that is none", glass(func(b *v1alpha1.BreakGlass) { b.ReasonPattern = "(" }), []string{"spec.breakGlass.reasonPattern: Invalid value: \"(\": error parsing regexp: missing closing ): `(`"}},
		{"two wrongs are both told", func(p *spec) { p.Mode = ""; p.Sync = nil }, []string{"spec.mode: Required value: one of Enforce, Warn, Audit", "spec.sync: Required value: without a sync identity git could not write either"}},
		{"nothing wrong", func(*spec) {}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene()
			c.make(s.spec)
			p, errs := Compile(&v1alpha1.ChangePolicy{Spec: *s.spec})
			var got []string
			for _, e := range errs {
				got = append(got, e.Error())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if (p == nil) != (len(errs) > 0) {
				t.Errorf("a policy: %t, beside %d errors", p != nil, len(errs))
			}
		})
	}
}

func TestCompileFillsInTheDefaultsAndLeavesItsInputAlone(t *testing.T) {
	yes := true
	in := &v1alpha1.ChangePolicy{Spec: v1alpha1.ChangePolicySpec{
		Mode: v1alpha1.ModeWarn, BreakGlass: &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}},
		Sync: []v1alpha1.SyncIdentity{{Subject: v1alpha1.Subject{User: "git"}, FieldManagers: []string{"git"}}},
	}}
	before := in.DeepCopy()
	p, errs := Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := *before.Spec.DeepCopy()
	want.Objects, want.Fields, want.Controllers = v1alpha1.ScopeAll, v1alpha1.ScopeAll, v1alpha1.ControllersUndeclared
	want.Match.ClusterScoped, want.OnRecordFailure = &yes, v1alpha1.FailureAdmit
	want.BreakGlass.MaxDuration.Duration, want.BreakGlass.ReasonPattern = time.Hour, `^.{10,}`
	want.Operations = v1alpha1.Operations{
		Evict: "Allow", DeletePod: "Flag", Cordon: "Flag", Restart: "Flag", Reconcile: "Allow", Suspend: "Flag",
		Exec: "Flag", Proxy: "Allow", EphemeralContainers: "Deny",
	}
	if diff := cmp.Diff(want, p.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, in); diff != "" {
		t.Errorf("input (-before +after):\n%s", diff)
	}
}
