package policy

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestWhatNobodyGovernsIsAllowedUnseen(t *testing.T) {
	no := false
	match := func(f func(*v1alpha1.Match)) tweak {
		return spec(func(s *v1alpha1.ChangePolicySpec) { f(&s.Match) })
	}
	rule := func(group, resource string) []v1alpha1.ResourceRule {
		return []v1alpha1.ResourceRule{{APIGroups: []string{group}, Resources: []string{resource}}}
	}
	selects := func(s *v1alpha1.Match) {
		s.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}
	}
	labelled := func(s *v1alpha1.Match) {
		s.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"gate": "yes"}}
	}
	namespace := func(old, new string) []tweak {
		return []tweak{of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), objects(`{metadata: {labels: {}}}`), was("metadata|labels|env", old), set("metadata|labels|env", new), match(selects)}
	}
	for _, c := range []struct {
		name     string
		when     []tweak
		governed bool
		missing  Need
	}{
		{"everything by default", nil, true, 0},
		{"a resource that is named", []tweak{match(func(m *v1alpha1.Match) { m.Resources = rule("apps", "deployments") })}, true, 0},
		{"another resource", []tweak{match(func(m *v1alpha1.Match) { m.Resources = rule("apps", "daemonsets") })}, false, 0},
		{"another group", []tweak{match(func(m *v1alpha1.Match) { m.Resources = rule("", "*") })}, false, 0},
		{"a subresource of it", []tweak{match(func(m *v1alpha1.Match) { m.Resources = rule("apps", "deployments") }), sub("anything")}, true, 0},
		{"what is excluded, though named", []tweak{match(func(m *v1alpha1.Match) { m.Resources, m.ExcludeResources = rule("*", "*"), rule("apps", "*") })}, false, 0},
		{"an excluded namespace", []tweak{match(func(m *v1alpha1.Match) { m.ExcludeNamespaces = []string{"prod"} })}, false, 0},
		{"an excluded namespace itself", append(namespace("prod", "prod"), match(func(m *v1alpha1.Match) { m.ExcludeNamespaces = []string{"prod"} })), false, 0},
		{"cluster-scoped objects, left out", []tweak{named("", "web"), match(func(m *v1alpha1.Match) { m.ClusterScoped = &no })}, false, 0},
		{"a namespace belongs to what it holds", append(namespace("prod", "prod"), match(func(m *v1alpha1.Match) { m.ClusterScoped = &no })), true, 0},
		{"a namespace that matches", []tweak{match(selects), facts(func(f *Facts) { f.NamespaceLabels = map[string]string{"env": "prod"} })}, true, 0},
		{"a namespace that does not", []tweak{match(selects)}, false, 0},
		{"a namespace of unknown labels", []tweak{match(selects), facts(func(f *Facts) { f.NamespaceLabels = nil })}, true, NeedNamespaceLabels},
		{"a namespace whose old labels match", namespace("prod", "dev"), true, 0},
		{"a namespace whose new labels match", namespace("dev", "prod"), true, 0},
		{"a namespace whose labels never did", namespace("dev", "test"), false, 0},
		{"a namespace that is deleted unseen", append(namespace("dev", "dev"), deletes, request(func(r *Request) { r.Old = nil })), true, 0},
		{"the finalizing of a namespace", append(namespace("dev", "dev"), sub("finalize")), false, 0},
		{"an object whose old labels match", []tweak{match(labelled), was("metadata|labels|gate", "yes")}, true, 0},
		{"an object whose new labels match", []tweak{match(labelled), set("metadata|labels|gate", "yes")}, true, 0},
		{"an object whose labels don't", []tweak{match(labelled)}, false, 0},
		{"an object that is deleted unseen", []tweak{match(labelled), deletes, request(func(r *Request) { r.Old = nil })}, true, 0},
		{"a scale, which has no labels", []tweak{match(labelled), sub("scale")}, true, 0},
		{"the deletion of a namespace that holds what is named", append(namespace("prod", "prod"), deletes, match(func(m *v1alpha1.Match) { m.Resources = rule("apps", "deployments") })), true, 0},
		{"an edit of a namespace that holds what is named", append(namespace("prod", "prod"), match(func(m *v1alpha1.Match) { m.Resources = rule("apps", "deployments") })), false, 0},
		{"the deletion of a namespace where namespaces are left out by name", append(namespace("prod", "prod"), deletes, match(func(m *v1alpha1.Match) { m.ExcludeResources = rule("", "namespaces") })), false, 0},
		{"the deletion of the CRD of what is named", append(crdOf("widgets.example"), deletes, match(func(m *v1alpha1.Match) { m.Resources, m.ClusterScoped = rule("example", "widgets"), &no })), true, 0},
		{"the deletion of another CRD", append(crdOf("widgets.example"), deletes, match(func(m *v1alpha1.Match) { m.Resources = rule("example", "gadgets") })), false, 0},
		{"an edit of the CRD of what is named", append(crdOf("widgets.example"), match(func(m *v1alpha1.Match) { m.Resources = rule("example", "widgets") })), false, 0},
		{"events", []tweak{of("", "v1", "events", "Event")}, false, 0},
		{"leases", []tweak{of("coordination.k8s.io", "v1", "leases", "Lease")}, false, 0},
		{"a pod's binding", []tweak{of("", "v1", "pods", "Pod"), sub("binding")}, false, 0},
		{"the status of a lease", []tweak{of("coordination.k8s.io", "v1", "leases", "Lease"), sub("status")}, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(append(c.when, request(func(r *Request) {
				if r.Object != nil {
					r.Object["changed"] = "yes"
				}
			}))...)
			got := s.decide(t)
			if !c.governed {
				if diff := cmp.Diff(ungoverned(), got); diff != "" {
					t.Errorf("decision (-want +got):\n%s", diff)
				}
				return
			}
			if got.Action != Deny || got.Class != v1alpha1.ClassOutOfBand || got.Missing&c.missing != c.missing || c.missing == 0 && got.Missing&NeedNamespaceLabels != 0 {
				t.Errorf("%s %s, missing %b", got.Action, got.Class, got.Missing)
			}
		})
	}
}

func crdOf(name string) []tweak {
	return []tweak{of(crdGroup, "v1", crdResource, "CustomResourceDefinition"), named("", name)}
}

// The strictest answer wins, whatever the order of the policies: the whole
// decision is the same, words and facts to look up included.
func TestTheOrderOfPoliciesDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	classes := map[string]int{}
	for range 600 {
		s := randomScene(rng)
		var policies []*Policy
		for i := range 1 + rng.IntN(5) {
			p := newScene()
			randomSpec(rng, p.spec)
			compiled, errs := Compile(&v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%d", i)}, Spec: *p.spec})
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			policies = append(policies, compiled)
		}
		want := Decide(s.req, policies, s.facts)
		classes[string(want.Class)+" "+want.Action.String()]++
		strictest := Allow
		for _, p := range policies {
			strictest = min(strictest, Decide(s.req, []*Policy{p}, s.facts).Action)
		}
		if want.Action != strictest && s.req.Namespace != "gitlatch-system" {
			t.Fatalf("all together %s, one by one %s at the strictest", want.Action, strictest)
		}
		if want.Action == Allow && (want.Missing != 0 || want.Record != "" || want.Message != "") {
			t.Fatalf("an allow asks, records or speaks: %+v", want)
		}
		for range 4 {
			rng.Shuffle(len(policies), func(i, j int) { policies[i], policies[j] = policies[j], policies[i] })
			if diff := cmp.Diff(want, Decide(s.req, policies, s.facts)); diff != "" {
				t.Fatalf("another order (-want +got):\n%s", diff)
			}
		}
	}
	if len(classes) < 12 {
		t.Errorf("only %v was seen", classes)
	}
}

// What is asked for can change the answer: some value of the facts gives another.
func TestWhatIsAskedForCanChangeTheAnswer(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	asked := map[Need]int{}
	for range 1000 {
		s := randomScene(rng)
		randomSpec(rng, s.spec)
		p := s.policy(t)
		first := Decide(s.req, []*Policy{p}, s.facts)
		if first.Missing == 0 {
			continue
		}
		asked[first.Missing]++
		if !changeable(s, p, first) {
			t.Fatalf("%b is asked for, and whatever it is the answer stays %s %s: %s\n%+v", first.Missing, first.Action, first.Reason, first.Message, s.req)
		}
	}
	if len(asked) < 4 {
		t.Errorf("only %v was asked for", asked)
	}
}

func changeable(s *scene, p *Policy, first Decision) bool {
	w := webWindow(s.req.User.Name, noon().Add(time.Minute))
	w.Group, w.Resource, w.Namespace, w.Name = s.req.Resource.Group, s.req.Resource.Resource, s.req.Namespace, s.req.Name
	for i := range 16 {
		f := *s.facts
		if first.Missing&NeedNamespaceLabels != 0 && i&1 != 0 {
			f.NamespaceLabels = map[string]string{"env": "dev"}
		}
		if first.Missing&NeedBreakGlass != 0 && i&2 != 0 || first.Missing&NeedWindows != 0 {
			f.BreakGlass = Authorized // which is asked for once a window is found
		}
		if first.Missing&NeedWindows != 0 && i&4 != 0 {
			f.Windows, f.WindowsLive = []Window{w}, true
		}
		if first.Missing&NeedPod != 0 {
			f.Pod = &PodFact{Found: i&8 != 0, ServiceAccount: "app"}
		}
		if first.Missing&NeedParent != 0 {
			f.Parent = map[string]any{"metadata": map[string]any{}}
		}
		got := Decide(s.req, []*Policy{p}, &f)
		if got.Action != first.Action || got.Reason != first.Reason || got.Class != first.Class || got.Message != first.Message || !cmp.Equal(got.Within, first.Within) {
			return true
		}
	}
	return false
}

// Once everything is known nothing is asked for.
func TestNothingIsAskedForOnceEverythingIsKnown(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		s := randomScene(rng)
		randomSpec(rng, s.spec)
		s.facts.NamespaceLabels = map[string]string{"env": some(rng, "prod", "dev")}
		s.facts.Pod, s.facts.Parent = &PodFact{Found: true, ServiceAccount: some(rng, "app", "kustomize-controller")}, object(deployment)
		s.facts.WindowsLive, s.facts.BreakGlass = true, some(rng, Authorized, Unauthorized, AuthorizationFailed)
		if got := s.decide(t); got.Missing != 0 {
			t.Fatalf("%s %s asks for %b", got.Action, got.Class, got.Missing)
		}
	}
}

func randomSpec(rng *rand.Rand, s *v1alpha1.ChangePolicySpec) {
	s.Mode = some(rng, v1alpha1.ModeEnforce, v1alpha1.ModeWarn, v1alpha1.ModeAudit)
	s.Objects, s.Fields = some(rng, v1alpha1.ScopeAll, v1alpha1.ScopeDeclared), some(rng, v1alpha1.ScopeAll, v1alpha1.ScopeDeclared)
	s.Controllers = some(rng, v1alpha1.ControllersUndeclared, v1alpha1.ControllersUndeclared, v1alpha1.ControllersNone)
	s.Redact = some(rng, nil, []string{"password"}, []string{"token", "password"})
	s.OnRecordFailure = some(rng, "", v1alpha1.FailureAdmit)
	verdict := func() v1alpha1.Verdict {
		return some(rng, v1alpha1.VerdictAllow, v1alpha1.VerdictFlag, v1alpha1.VerdictDeny)
	}
	s.Operations = v1alpha1.Operations{Exec: verdict(), Restart: verdict(), Evict: verdict(), DeletePod: verdict()}
	if rng.IntN(3) == 0 {
		s.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}
	}
	switch rng.IntN(4) {
	case 0:
		s.BreakGlass = nil
	case 1:
		s.BreakGlass.MaxDuration.Duration = 10 * time.Minute
	case 2:
		s.BreakGlass.AllowedGroups = []string{"devs", "oncall"}
	}
	if rng.IntN(6) == 0 {
		s.Sync = []v1alpha1.SyncIdentity{{Subject: v1alpha1.Subject{User: "robot"}, FieldManagers: []string{"robot", "kustomize-controller"}}}
	}
}

func randomScene(rng *rand.Rand) *scene {
	users := []User{alice(), oncall(), oncall(), admin(), fluxPod(), operatorPod(), pipeline(), gc(), node(), posing(fluxPod())}
	shapes := [][]tweak{
		{}, {image}, {restarted}, {set("metadata|labels|x", "y")}, {deletes}, {undeclaredObject, deletes},
		{undeclaredObject, set("metadata|labels|x", "y")}, {set(glass, incident)}, {set(glass, "short")}, {set(glass, incident), set(glassFor, "45m")},
		{was(glass, incident)}, {set("metadata|labels|kustomize.toolkit.fluxcd.io/name", "x")}, onPod(connects("exec", `{}`)), onPod(deletes),
		{creates(`{metadata: {name: web}}`)}, {sub("scale"), objects(`{spec: {replicas: 1}}`), set("spec|replicas", int64(2))},
		{sub("status"), set("status|x", "y")}, {named("gitlatch-system", "x"), image}, {manager("kustomize-controller"), image},
		{set(glass, incident), stamped("oncall", "2026-05-04T12:01:00Z", "cr-1")},
	}
	s := newScene(append(some(rng, shapes...), by(some(rng, users...)))...)
	f := s.facts
	f.NamespaceLabels = some(rng, nil, map[string]string{"env": "prod"}, map[string]string{"env": "dev"})
	f.BreakGlass, f.WindowsLive = Authorization(rng.IntN(4)), rng.IntN(2) == 0
	for _, w := range []Window{webWindow("oncall", noon().Add(time.Minute)), namespaceWindow("oncall", noon().Add(time.Minute)), webWindow("oncall", noon()), webWindow("alice", noon().Add(time.Hour))} {
		if rng.IntN(3) == 0 {
			f.Windows = append(f.Windows, w)
		}
	}
	f.Guarded = some(rng, nil, nil, []string{".spec.replicas"})
	s.req.Final = rng.IntN(2) == 0
	return s
}

// An allowed write is not worth a look-up of its namespace: whether the policy
// governs is not known then, and the audit log names none that may not.
func TestAPolicyThatMayNotGovernIsNotNamed(t *testing.T) {
	selects := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}
	})
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   string
	}{
		{"the labels are not known", nil, ""},
		{"the labels are known", map[string]string{"env": "prod"}, "cluster"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newScene(selects, facts(func(f *Facts) { f.NamespaceLabels = c.labels })).decide(t)
			if d.Action != Allow || d.Class != v1alpha1.ClassUnchanged || d.Policy != c.want || d.Missing != 0 {
				t.Errorf("got %s, class %s, policy %q, missing %d; want an Allow by policy %q", d.Action, d.Class, d.Policy, d.Missing, c.want)
			}
		})
	}
}
