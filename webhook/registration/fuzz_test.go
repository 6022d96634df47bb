package registration

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// oddTexts are what a policy may hold that Go and CEL may not quote alike, and what could be taken for a piece of CEL.
func oddTexts() []string {
	return []string{
		"", "alice", `"`, `\`, `\"`, `'`, "`", "?", "\a\b\f\n\r\t\v", "\r\n", "\x00\x1f\x7f", "\u0080\u00a0\u200b\u2028\ufeff\ufffd", "\U000e0001\U0010ffff", "ä世🐙",
		`x") || true || ("`, celUser, celKind, celGroup, "variables.user", "request.resource.group", "%s%!", strings.Repeat("é", 1024),
	}
}

// FuzzQuote: a string literal is, to the API server's CEL, the very string that was quoted.
func FuzzQuote(f *testing.F) {
	for _, s := range oddTexts() {
		f.Add(s)
	}
	env := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).NewExpressionsEnv()
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // nothing that is read from JSON
		}
		for text, want := range map[string]any{quote(s): s, among(quote(s), []string{s}): true, among(quote(s), []string{"x", s + "x"}): s == "x",
			"size({" + quote(s) + ": true})": int64(1), not(among(quote(s), []string{s})): false} {
			compiled, issues := env.Compile(text)
			if issues.Err() != nil {
				t.Fatalf("%s: %v", text, issues.Err())
			}
			program, err := env.Program(compiled)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			got, _, err := program.Eval(map[string]any{})
			if err != nil || got.Value() != want {
				t.Fatalf("%s: got %v %v, want %v", text, got, err, want)
			}
		}
	})
}

// FuzzExpressions: of policies that hold whatever text, the API server compiles every expression; none of it is more than
// text; and who bears it as a name is who was named.
func FuzzExpressions(f *testing.F) {
	texts := oddTexts()
	for i := 0; i < len(texts); i += 4 { // each text once, and a few that are names
		f.Add(texts[i], texts[(i+1)%len(texts)]+texts[(i+2)%len(texts)], texts[(i+3)%len(texts)], uint16(0xff<<(i%8)))
	}
	f.Add("request.resource.group", "request.resource.resource", "a", uint16(0xffff))
	f.Fuzz(func(t *testing.T, a, b, c string, shape uint16) {
		if !utf8.ValidString(a + b + c) {
			return
		}
		compiled, errs := policy.Compile(textual("fuzzed", a, b, c, shape))
		if len(errs) > 0 {
			return
		}
		policies := []*policy.Policy{compiled}
		gate, _, err := Compile(serviceOptions(), policies)
		if err != nil {
			t.Fatal(err)
		}
		backstop, _, err := Backstop(serviceOptions(), policies)
		if err != nil {
			t.Fatal(err)
		}
		d, guard := dispatch(t, gate.Webhooks), newGuard(t, backstop)
		for _, name := range []string{a, b + c, "dave"} {
			for _, of := range []policy.User{{Name: name, UID: "u-1"}, {Name: "erin", Groups: []string{name}}, pod(accountPrefix + name + ":" + name)} {
				r := requested(policy.Create, "apps", "widgets", "", "prod", c, map[string]any{})
				r.User, r.Final = of, true
				asFuzzed(t, d, guard, policies, &r)
			}
		}
		mustSpell(t, backstop, policies)
	})
}

// spelled is a text, if the schema of a ChangePolicy takes it where it has this form, or another in its place.
func spelled(s, other string, form *regexp.Regexp, most int) string {
	if !form.MatchString(s) || utf8.RuneCountInString(s) > most {
		return other
	}
	return s
}

var (
	nameForm     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	resourceForm = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)
	anyForm      = regexp.MustCompile(`(?s)^.+$`)
)

// textual is a policy with these texts wherever its schema takes them.
func textual(name, a, b, c string, shape uint16) *v1alpha1.ChangePolicy {
	has := func(bit int) bool { return shape>>bit&1 == 1 }
	free := func(s string) string { return spelled(s, "robot", anyForm, 1024) }
	manager := func(s string) string { return spelled(s, "robot", anyForm, 128) }
	account := func(s, o string) v1alpha1.Subject {
		return account(spelled(s, "flux", nameForm, 63), spelled(o, "sync", resourceForm, 253))
	}
	kind := func(s string) string { return spelled(s, "widgets", resourceForm, 253) }
	rules := []v1alpha1.ResourceRule{{APIGroups: []string{kind(a), kind(b)}, Resources: []string{kind(b), kind(c)}}}
	return changePolicy(name, func(s *v1alpha1.ChangePolicySpec) {
		s.Sync = []v1alpha1.SyncIdentity{{Subject: account(a, b), FieldManagers: []string{manager(c), manager(a)}},
			{Subject: v1alpha1.Subject{User: free(b + c)}, FieldManagers: []string{manager(b)}}}
		if has(0) {
			s.Sync = append(s.Sync, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: free(c + a)}, FieldManagers: []string{manager(a + b)}})
		}
		if has(1) {
			s.Match = v1alpha1.Match{Resources: rules, ExcludeNamespaces: []string{spelled(a, "dev", nameForm, 63)}}
		} else {
			s.Match.ExcludeResources = rules
		}
		if has(2) {
			label := func(s string) string { return spelled(s, "gate", nameForm, 63) }
			s.Match.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: label(a), Operator: metav1.LabelSelectorOpIn, Values: []string{label(b), label(c)}}}}
			s.Match.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{label(b): label(c)}}
		}
		if has(3) {
			s.Objects, s.Fields = v1alpha1.ScopeDeclared, v1alpha1.ScopeDeclared
		}
		if has(4) {
			s.Steering = rules
		}
		if has(5) {
			s.Trusted = []v1alpha1.TrustedSubject{{Subject: account(b, a), Resources: rules}, {Subject: v1alpha1.Subject{Group: free(a)}, Resources: rules, Fields: []string{"data"}}}
		}
		if has(6) {
			s.UntrustedControllers = []v1alpha1.AccountMatch{{Namespace: spelled(b, "ci", nameForm, 63)}, {Namespace: "ci", Name: spelled(c, "", anyForm, 253)}}
		}
		s.BreakGlass = &v1alpha1.BreakGlass{AllowedGroups: []string{free(a), free(b + c)}, ReasonPattern: "."}
	})
}

// asFuzzed: what is skipped, the judge allows; and the backstop admits what the judge does.
func asFuzzed(t *testing.T, d *dispatcher, guard *guard, policies []*policy.Policy, r *policy.Request) {
	t.Helper()
	facts := &policy.Facts{Install: serviceOptions().Install, WindowsLive: true, BreakGlass: policy.Unauthorized, NamespaceLabels: map[string]string{}}
	judged := policy.Decide(r, policies, facts)
	if len(d.calls(t, plain(r))) == 0 && judged.Action != policy.Allow {
		t.Errorf("%+v: skipped, and the judge says %s %s", *r, judged.Action, judged.Class)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}}
	if got := guard.answers(t, plain(r), namespace, &rights{}); got.denied != "" && judged.Action != policy.Deny {
		t.Errorf("%+v: the judge says %s %s, and the backstop: %s", *r, judged.Action, judged.Class, got.denied)
	}
}

// mustSpell: the names of the sync identities are in the backstop, each as a literal of its own.
func mustSpell(t *testing.T, p *admissionv1.ValidatingAdmissionPolicy, policies []*policy.Policy) {
	t.Helper()
	env, err := cel.NewEnv()
	if err != nil {
		t.Fatal(err)
	}
	var literals []string
	for _, v := range p.Spec.Variables {
		parsed, issues := env.Parse(v.Expression)
		if issues.Err() != nil {
			t.Fatalf("%s: %v", v.Expression, issues.Err())
		}
		ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
			if text, ok := e.AsLiteral().(types.String); ok {
				literals = append(literals, string(text))
			}
		}))
	}
	for _, p := range policies {
		for i := range p.Spec.Sync {
			s := &p.Spec.Sync[i]
			for _, want := range append([]string{s.User, s.Group}, s.FieldManagers...) {
				if want != "" && !slices.Contains(literals, want) {
					t.Errorf("policy %s: no literal is %q", p.Name, want)
				}
			}
		}
	}
}
