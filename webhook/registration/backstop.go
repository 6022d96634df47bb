package registration

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

/*
The backstop denies inside the API server, with no webhook needed, what is out of band
by identity alone. Its law: whatever the webhook admits, the backstop admits. So what
only the webhook can judge (which declared field a write touches, which pod an exec goes
to, whether a window is open) is let through here, and a property test holds the two
together, in this package and through the real API server.

One ValidatingAdmissionPolicy with a validation for each policy in Enforce, one for what
keeps the gate standing, and one for ways to become somebody. What each finds is a
variable, so that the audit annotation, for which the API server has no authorizer, says
it too: of what is denied, of what the right to break glass let through, and of what a
policy under Warn and Audit only watches.
docs/decisions/0028 says what was weighed.

Limits, of k8s.io/apiserver/pkg/apis/cel/config.go and pkg/cel/library/cost.go (v0.37.2):
1,000,000 for an expression, 10,000,000 for all of them, 350,000 for one question to the
authorizer. So that question is asked once a request, and only of who is in a group that
may break glass.
*/

// AuditAnnotation is the key under which the API server's audit log has what the
// backstop found out of band: "built-in", "credential", "policy NAME" and, of a policy
// that only watches, "policy NAME (Audit)". Whether it was refused is the response's code.
const AuditAnnotation = Name + "/" + auditKey

const auditKey = "out-of-band"

// maxKeys bounds the maps that the backstop compares key by key. One with more is taken
// as changed.
const maxKeys = 2048

// Backstop turns policies into the ValidatingAdmissionPolicy and its binding. It is as
// deterministic as [Compile].
func Backstop(o Options, policies []*policy.Policy) (*admissionv1.ValidatingAdmissionPolicy, *admissionv1.ValidatingAdmissionPolicyBinding, error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	policies = slices.Clone(policies)
	slices.SortFunc(policies, func(a, b *policy.Policy) int { return strings.Compare(a.Name, b.Name) })
	meta := metav1.ObjectMeta{Name: Name, Labels: map[string]string{v1alpha1.LabelOwner: Name}}
	failure := o.FailurePolicy
	if failure == "" {
		failure = admissionv1.Ignore
	}
	p := &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: meta,
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    &failure,
			MatchConstraints: constraints(),
			MatchConditions:  backstopConditions(&o, policies),
		},
	}
	b := newBackstop(&o, policies)
	p.Spec.Validations = b.validations()
	p.Spec.AuditAnnotations = []admissionv1.AuditAnnotation{{Key: auditKey, ValueExpression: b.found()}}
	p.Spec.Variables = b.variables
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "admissionregistration.k8s.io/v1", Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: Name, Labels: maps.Clone(meta.Labels)},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny, admissionv1.Audit},
		},
	}
	return p, binding, nil
}

// constraints: everything but what changes by the second, which a rule leaves out before
// anything is converted or evaluated, and the kinds by which admission itself is
// configured: the off switch works whoever is denied what.
func constraints() *admissionv1.MatchResources {
	named := func(r admissionv1.RuleWithOperations) admissionv1.NamedRuleWithOperations {
		return admissionv1.NamedRuleWithOperations{RuleWithOperations: r}
	}
	all := admissionv1.AllScopes
	return &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{},
		ObjectSelector:    &metav1.LabelSelector{},
		MatchPolicy:       ptr(admissionv1.Equivalent),
		ResourceRules:     []admissionv1.NamedRuleWithOperations{named(rule(all, []string{"*"}, []string{"*/*"}))},
		ExcludeResourceRules: []admissionv1.NamedRuleWithOperations{
			named(rule(all, []string{"admissionregistration.k8s.io"}, []string{"*/*"})),
			named(rule(all, []string{"coordination.k8s.io"}, []string{"leases"})),
			named(rule(all, []string{"", "events.k8s.io"}, []string{"events"})),
		},
	}
}

// backstopConditions leave out who is let through whatever they do. The terms are those
// of the webhooks' own conditions.
func backstopConditions(o *Options, policies []*policy.Policy) []admissionv1.MatchCondition {
	guarded, notSync := builtIn(o), "true"
	if len(policies) > 0 {
		guarded = "true"
		notSync = anyOf("("+celGroup+" == "+quote(v1alpha1.Group)+")", unsynced(policies))
	}
	return asked(
		guarded,
		not(neverAsked()),
		not(isSystem()),
		notSync,
		not(ownLetThrough(o)),
		not(isBootstrap()),
		not(allOf(canary(), "(has(request.dryRun) && request.dryRun)")),
		// In more groups than are looked at, somebody may be anybody.
		not("(has(request.userInfo.groups) && size(request.userInfo.groups) > "+fmt.Sprint(maxWalked)+")"),
	)
}

// backstop gathers the variables while validations are written.
type backstop struct {
	o         *Options
	policies  []*policy.Policy
	variables []admissionv1.Variable
	words     []string // of the audit annotation, each an expression
	managers  []string // the sets of field managers that were asked for
	glasses   []string // the sets of groups that may break glass
	short     *strings.Replacer
}

// newBackstop begins with the pieces that all else is made of: each is evaluated once a
// request, and an expression stays far from the 100,000 characters that are compiled.
func newBackstop(o *Options, policies []*policy.Policy) *backstop {
	b := &backstop{o: o, policies: policies, short: strings.NewReplacer()}
	var pairs []string
	for _, piece := range [][2]string{
		{"bound", celPodBound()}, {"credential", extra(policy.ExtraCredentialID)}, {"carried", extra(v1alpha1.ExtraSync)},
		{"kind", celKind}, {"uid", celUID}, {"user", celUser}, {"sub", celSub}, {"ns", celNamespace},
	} {
		pairs = append(pairs, piece[1], b.let(piece[0], piece[1]))
	}
	b.short = strings.NewReplacer(pairs...)
	return b
}

// let makes a variable, once for a name, and returns how it is called.
func (b *backstop) let(name, expression string) string {
	if !slices.ContainsFunc(b.variables, func(v admissionv1.Variable) bool { return v.Name == name }) {
		b.variables = append(b.variables, admissionv1.Variable{Name: name, Expression: b.short.Replace(expression)})
	}
	return "variables." + name
}

// outside notes what was found, for the audit annotation, and returns its variable.
func (b *backstop) outside(name, word, expression string) string {
	v := b.let(name, expression)
	b.words = append(b.words, v+" ? "+quote(word)+` : ""`)
	return v
}

// found joins what was found. The variable may be long, the annotation's own expression
// may not.
func (b *backstop) found() string {
	return b.let("found", `[`+strings.Join(b.words, ", ")+`].filter(w, w != "").join(", ")`)
}

func (b *backstop) validations() []admissionv1.Validation {
	out := []admissionv1.Validation{b.builtInValidation()}
	enforced := enforcing(b.policies)
	if len(enforced) > 0 {
		out = append(out, b.credentialValidation(enforced))
	}
	for i, p := range b.policies {
		word := "policy " + p.Name
		if p.Spec.Mode != v1alpha1.ModeEnforce {
			word += " (" + string(p.Spec.Mode) + ")"
		}
		outside := b.outside(fmt.Sprintf("outside%d", i), word, b.outsideOf(p))
		if p.Spec.Mode == v1alpha1.ModeEnforce {
			out = append(out, validation(outside, b.glass(p.Spec.BreakGlass),
				"OutOfBand: this is changed through git only (policy "+p.Name+")", "change it in git"))
		}
	}
	return out
}

func enforcing(policies []*policy.Policy) []*policy.Policy {
	return slices.DeleteFunc(slices.Clone(policies), func(p *policy.Policy) bool { return p.Spec.Mode != v1alpha1.ModeEnforce })
}

// validation denies what is outside to whom glass does not let through. Its message is
// one line: the API server takes no more.
func validation(outside, glass, reason, next string) admissionv1.Validation {
	return admissionv1.Validation{
		Expression: anyOf(not(outside), glass),
		Message: reason + ". Gitlatch's webhook gave no answer, or the policies have just changed: the only record is the API server's audit log. Next: " +
			next + ", or ask somebody who may break glass; kubectl gitlatch status tells whether the webhook is back",
		Reason: ptr(metav1.StatusReasonForbidden),
	}
}
