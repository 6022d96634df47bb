package policy

import (
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// scene is one question: a request, one policy, the facts. Each case begins with
// a minimal valid scene and tweaks it.
type scene struct {
	req   *Request
	spec  *v1alpha1.ChangePolicySpec
	facts *Facts
}

type tweak func(*scene)

// ruleCase is a case of one rule. fits says whether the rule is the one that
// decides; want is the whole answer of the whole table.
type ruleCase struct {
	name string
	when []tweak
	fits bool
	want Decision
}

// rulesCases has the cases of every rule, by the name of its function.
func rulesCases() map[string][]ruleCase {
	return map[string][]ruleCase{
		"own": ownCases(), "sync": syncCases(), "credential": credentialCases(), "system": systemCases(),
		"unchanged": unchangedCases(), "forgedManager": forgedManagerCases(), "trusted": trustedCases(),
		"finalizer": finalizerCases(), "status": statusCases(), "controller": controllerCases(),
		"forgedMark": forgedMarkCases(), "undeclared": undeclaredCases(), "operation": operationCases(),
		"breakGlass": breakGlassCases(), "outOfBand": outOfBandCases(),
	}
}

func TestEveryRuleHasAnAllowAndADenyCase(t *testing.T) {
	cases := rulesCases()
	for _, r := range rules() {
		name := nameOf(r)
		fits, misfits := 0, 0
		for _, c := range cases[name] {
			if c.fits {
				fits++
			} else {
				misfits++
			}
		}
		if fits == 0 || misfits == 0 && name != "outOfBand" { // everything fits the last
			t.Errorf("rule %s of class %s has %d cases that fit and %d that don't", name, r.class, fits, misfits)
		}
		allows := slices.ContainsFunc(cases[name], func(c ruleCase) bool { return c.want.Action != Deny })
		denies := slices.ContainsFunc(cases[name], func(c ruleCase) bool { return c.want.Action == Deny })
		if !allows || !denies {
			t.Errorf("rule %s has an admitting case: %t, and a denying one: %t", name, allows, denies)
		}
		delete(cases, name)
	}
	for name := range cases {
		t.Errorf("there are cases of %s, which is no rule", name)
	}
}

func TestRules(t *testing.T) {
	cases := rulesCases()
	for _, r := range rules() {
		for _, c := range cases[nameOf(r)] {
			t.Run(nameOf(r)+"/"+c.name, func(t *testing.T) { c.run(t, nameOf(r)) })
		}
	}
}

func (c ruleCase) run(t *testing.T, rule string) {
	t.Helper()
	s := newScene(c.when...)
	p := s.policy(t)
	before := cmp.Diff(s.req, newScene(c.when...).req)
	if diff := cmp.Diff(c.want, Decide(s.req, []*Policy{p}, s.facts)); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
	if after := cmp.Diff(s.req, newScene(c.when...).req); after != before {
		t.Errorf("Decide changed the request: %s", after)
	}
	q := question{req: s.req, facts: s.facts}
	q.ask(p)
	decided := ""
	for _, r := range rules() {
		if _, fits := r.fits(&q); fits {
			decided = nameOf(r)
			break
		}
	}
	if got := decided == rule; got != c.fits {
		t.Errorf("decided by rule %q", decided)
	}
}

func nameOf(r rule) string {
	full := runtime.FuncForPC(reflect.ValueOf(r.fits).Pointer()).Name()
	return full[strings.LastIndexByte(full, '.')+1:]
}

// newScene: alice updates the declared Deployment prod/web and changes nothing
// that matters; the policy enforces everything, with break-glass for oncall.
func newScene(tweaks ...tweak) *scene {
	s := &scene{
		req: &Request{
			UID: "1", User: alice(), Operation: Update,
			Resource:  schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
			Kind:      schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
			Namespace: "prod", Name: "web", FieldManager: "kubectl-edit",
			Old: object(deployment), Object: object(deployment),
		},
		spec: &v1alpha1.ChangePolicySpec{
			Mode: v1alpha1.ModeEnforce,
			Sync: []v1alpha1.SyncIdentity{{
				Subject:       v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "flux-system", Name: "kustomize-controller"}},
				FieldManagers: []string{"kustomize-controller"},
			}},
			BreakGlass: &v1alpha1.BreakGlass{
				AllowedGroups: []string{"oncall"}, MaxDuration: metav1.Duration{Duration: time.Hour},
				ReasonPattern: `^(INC|OPS)-[0-9]+: .{10,}`,
			},
		},
		facts: &Facts{
			Now:             noon(),
			Install:         Installation{Namespace: "gitlatch-system", Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter"},
			NamespaceLabels: map[string]string{"kubernetes.io/metadata.name": "prod"},
		},
	}
	for _, t := range tweaks {
		t(s)
	}
	return s
}

func noon() time.Time { return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) }

func (s *scene) policy(t testing.TB) *Policy {
	t.Helper()
	p, errs := Compile(&v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}, Spec: *s.spec})
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return p
}

func (s *scene) decide(t testing.TB) Decision {
	t.Helper()
	return Decide(s.req, []*Policy{s.policy(t)}, s.facts)
}

// deployment is declared by kustomize-controller but for its status.
const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: prod
  uid: u1
  resourceVersion: "7"
  generation: 1
  labels: {app: web}
  managedFields:
  - manager: kustomize-controller
    operation: Apply
    apiVersion: apps/v1
    fieldsType: FieldsV1
    time: "2026-05-01T00:00:00Z"
    fieldsV1:
      f:metadata: {f:labels: {f:app: {}}}
      f:spec:
        f:replicas: {}
        f:template:
          f:spec:
            f:containers:
              k:{"name":"web"}: {".": {}, f:name: {}, f:image: {}}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - {name: web, image: "web:1"}
status: {replicas: 3}
`

func object(text string) map[string]any {
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		panic(err)
	}
	var out map[string]any
	if err := utiljson.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	return out
}

// People and machines.

func alice() User {
	return User{Name: "alice", UID: "a1", Groups: []string{"devs", "system:authenticated"}}
}

func oncall() User {
	return User{Name: "oncall", UID: "o1", Groups: []string{"oncall", "system:authenticated"}}
}

func admin() User {
	return User{Name: "admin", UID: "m1", Groups: []string{"system:masters", "system:authenticated"}}
}

func minted(namespace, name string) User {
	return User{
		Name: "system:serviceaccount:" + namespace + ":" + name, UID: "s1",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
		Extra:  map[string][]string{ExtraCredentialID: {"JTI=1"}},
	}
}

func podOf(namespace, name string) User {
	u := minted(namespace, name)
	u.Extra[ExtraPodName], u.Extra[ExtraPodUID] = []string{name + "-0"}, []string{"p1"}
	return u
}

// posing is who a plain --as shows.
func posing(u User) User { return User{Name: u.Name, Groups: u.Groups} }

func fluxPod() User     { return podOf("flux-system", "kustomize-controller") }
func operatorPod() User { return podOf("ops", "operator") }
func pipeline() User    { return minted("ci", "pipeline") }
func gc() User          { return minted("kube-system", "generic-garbage-collector") }
func node() User {
	return User{Name: "system:node:n1", Groups: []string{"system:nodes", "system:authenticated"},
		Extra: map[string][]string{ExtraCredentialID: {"X509SHA256=1"}}}
}

// Tweaks.

func by(u User) tweak { return func(s *scene) { s.req.User = u } }

func spec(f func(*v1alpha1.ChangePolicySpec)) tweak { return func(s *scene) { f(s.spec) } }

func facts(f func(*Facts)) tweak { return func(s *scene) { f(s.facts) } }

func request(f func(*Request)) tweak { return func(s *scene) { f(s.req) } }

func manager(name string) tweak { return request(func(r *Request) { r.FieldManager = name }) }

func mode(m v1alpha1.Mode) tweak { return spec(func(s *v1alpha1.ChangePolicySpec) { s.Mode = m }) }

func declaredOnly(s *scene) { s.spec.Objects = v1alpha1.ScopeDeclared }

func declaredFields(s *scene) { s.spec.Fields = v1alpha1.ScopeDeclared }

// of sets the target's kind, such as of("", "v1", "pods", "Pod").
func of(group, version, resource, kind string) tweak {
	return request(func(r *Request) {
		r.Resource = schema.GroupVersionResource{Group: group, Version: version, Resource: resource}
		r.Kind = schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
	})
}

func named(namespace, name string) tweak {
	return request(func(r *Request) { r.Namespace, r.Name = namespace, name })
}

func sub(resource string) tweak { return request(func(r *Request) { r.Subresource = resource }) }

// objects sets both sides to their own copy.
func objects(text string) tweak {
	return request(func(r *Request) { r.Old, r.Object = object(text), object(text) })
}

func creates(text string) tweak {
	return request(func(r *Request) { r.Operation, r.Old, r.Object = Create, nil, object(text) })
}

func deletes(s *scene) { s.req.Operation, s.req.Object = Delete, nil }

func connects(subresource, options string) tweak {
	return request(func(r *Request) {
		r.Operation, r.Subresource, r.Old, r.Object = Connect, subresource, nil, object(options)
	})
}

// set puts a value into the new object; the path's names are separated by "/".
func set(path string, v any) tweak {
	return put(func(r *Request) map[string]any { return r.Object }, path, v)
}

// was puts a value into the old object.
func was(path string, v any) tweak {
	return put(func(r *Request) map[string]any { return r.Old }, path, v)
}

// both puts a value into both.
func both(path string, v any) tweak {
	return func(s *scene) { was(path, v)(s); set(path, v)(s) }
}

func put(side func(*Request) map[string]any, path string, v any) tweak {
	return func(s *scene) {
		m, names := side(s.req), strings.Split(path, "|")
		for _, n := range names[:len(names)-1] {
			next, ok := m[n].(map[string]any)
			if !ok {
				next = map[string]any{}
				m[n] = next
			}
			m = next
		}
		last := names[len(names)-1]
		if v == nil {
			delete(m, last)
			return
		}
		m[last] = v
	}
}

// image is an honest edit of the declared image: the API server takes the path
// from the sync's entry.
func image(s *scene) {
	s.req.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any)["image"] = "web:2"
	owned := managedFields(s.req.Object)[0].(map[string]any)["fieldsV1"].(map[string]any)
	delete(child(owned, "f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"web"}`), "f:image")
}

// undeclaredObject takes the sync's entry away on both sides: git does not know it.
func undeclaredObject(s *scene) { both("metadata|managedFields", nil)(s) }

// Answers.

func allowed(class v1alpha1.Class, more ...func(*Decision)) Decision {
	d := Decision{Action: Allow, Class: class, Policy: "cluster", Mode: v1alpha1.ModeEnforce, OnRecordFailure: v1alpha1.FailureDeny}
	return apply(d, more)
}

func ungoverned() Decision { return Decision{Action: Allow, Class: v1alpha1.ClassUngoverned} }

func denied(class v1alpha1.Class, reason v1alpha1.Reason, message string, more ...func(*Decision)) Decision {
	d := Decision{
		Action: Deny, Class: class, Reason: reason, Policy: "cluster", Mode: v1alpha1.ModeEnforce,
		Message: message, Record: v1alpha1.OutcomeDenied, OnRecordFailure: v1alpha1.FailureDeny,
	}
	if reason == v1alpha1.ReasonOutOfBand || reason == v1alpha1.ReasonBuiltIn {
		d.Next = "change it in git; flux-system/kustomize-controller brings it here"
	}
	return apply(d, more)
}

// webDenied is the usual answer about Deployment prod/web.
func webDenied(more ...func(*Decision)) Decision {
	return denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/Deployment prod/web is changed through git only", more...)
}

func flagged(class v1alpha1.Class, reason v1alpha1.Reason, message string, more ...func(*Decision)) Decision {
	d := Decision{
		Action: Flag, Class: class, Reason: reason, Policy: "cluster", Mode: v1alpha1.ModeEnforce,
		Message: message, Record: v1alpha1.OutcomeFlagged, OnRecordFailure: v1alpha1.FailureDeny,
	}
	return apply(d, more)
}

func apply(d Decision, more []func(*Decision)) Decision {
	for _, f := range more {
		f(&d)
	}
	return d
}

func touches(paths ...string) func(*Decision) { return func(d *Decision) { d.Touched = paths } }

func missing(n Need) func(*Decision) { return func(d *Decision) { d.Missing = n } }

func next(s string) func(*Decision) { return func(d *Decision) { d.Next = s } }

// emergency: the requester could break glass.
func emergency(d *Decision) { d.Emergency = &Emergency{Group: "oncall", Max: time.Hour} }

// recordedOnly turns a denial into what Audit or Warn make of it.
func recordedOnly(m v1alpha1.Mode) func(*Decision) {
	return func(d *Decision) {
		d.Action, d.Mode, d.Record, d.OnRecordFailure = Flag, m, v1alpha1.OutcomeFlagged, v1alpha1.FailureAdmit
		if m == v1alpha1.ModeAudit {
			d.Next = ""
		}
	}
}

func withExtra(u User, key string, value ...string) User {
	u.Extra = maps.Clone(u.Extra)
	if u.Extra == nil {
		u.Extra = map[string][]string{}
	}
	u.Extra[key] = value
	return u
}
