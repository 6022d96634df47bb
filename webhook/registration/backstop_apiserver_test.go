package registration

import (
	"context"
	"testing"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission"
	celplugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	predicates "k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
)

// guard evaluates a ValidatingAdmissionPolicy with the API server's own library.
type guard struct {
	policy                               *admissionv1.ValidatingAdmissionPolicy
	conditions, validations, annotations celplugin.ConditionEvaluator
}

// answer is what the API server would do with it.
type answer struct{ denied, found string }

// expression is one of the policy's; a variable has a name.
type expression struct {
	name, text string
	returns    *cel.Type
}

func (e *expression) GetName() string          { return e.name }
func (e *expression) GetExpression() string    { return e.text }
func (e *expression) ReturnTypes() []*cel.Type { return []*cel.Type{e.returns} }

func newGuard(t testing.TB, p *admissionv1.ValidatingAdmissionPolicy) *guard {
	t.Helper()
	compiler, err := celplugin.NewCompositedCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	if err != nil {
		t.Fatal(err)
	}
	with := celplugin.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, v := range p.Spec.Variables {
		r := compiler.CompileAndStoreVariable(&expression{v.Name, v.Expression, cel.AnyType}, with, environment.NewExpressions)
		if r.Error != nil {
			t.Fatalf("variable %s: %v\n%s", v.Name, r.Error, v.Expression)
		}
	}
	compile := func(returns *cel.Type, texts ...string) celplugin.ConditionEvaluator {
		var of []celplugin.ExpressionAccessor
		for _, text := range texts {
			of = append(of, &expression{"", text, returns})
		}
		e := compiler.CompileCondition(of, with, environment.NewExpressions)
		for _, err := range e.CompilationErrors() {
			t.Fatal(err)
		}
		return e
	}
	var validations, annotations, conditions []string
	for _, v := range p.Spec.Validations {
		validations = append(validations, v.Expression)
	}
	for _, a := range p.Spec.AuditAnnotations {
		annotations = append(annotations, a.ValueExpression)
	}
	for _, c := range p.Spec.MatchConditions {
		conditions = append(conditions, c.Expression)
	}
	return &guard{policy: p, conditions: compile(cel.BoolType, conditions...), validations: compile(cel.BoolType, validations...), annotations: compile(cel.StringType, annotations...)}
}

// rights answers the authorizer's questions.
type rights struct {
	may   bool
	asked []authorizer.Attributes
}

func (r *rights) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	r.asked = append(r.asked, a)
	if r.may {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// answers asks the policy. An evaluation error, and an answer that costs more than half
// of what there is, fail the test.
func (g *guard) answers(t testing.TB, attr *admission.VersionedAttributes, namespace *corev1.Namespace, may *rights) (out answer) {
	t.Helper()
	if !g.matches(attr) {
		return out
	}
	evaluate := func(e celplugin.ConditionEvaluator, bindings celplugin.OptionalVariableBindings, budget int64) []celplugin.EvaluationResult {
		request := celplugin.CreateAdmissionRequest(attr.Attributes, metav1.GroupVersionResource(attr.GetResource()), metav1.GroupVersionKind(attr.VersionedKind))
		results, _, err := e.ForInput(t.Context(), attr, request, bindings, namespace, budget/2)
		if err != nil {
			t.Fatalf("%s: %v", attr.GetResource(), err)
		}
		for _, r := range results {
			if r.Error != nil {
				t.Fatalf("%s: %v", attr.GetResource(), r.Error)
			}
		}
		return results
	}
	asks := celplugin.OptionalVariableBindings{Authorizer: may}
	for _, r := range evaluate(g.conditions, asks, celconfig.RuntimeCELCostBudgetMatchConditions) {
		if r.EvalResult != types.True {
			return out
		}
	}
	for i, r := range evaluate(g.validations, asks, celconfig.RuntimeCELCostBudget) {
		if r.EvalResult != types.True && out.denied == "" {
			out.denied = g.policy.Spec.Validations[i].Message
		}
	}
	for _, r := range evaluate(g.annotations, celplugin.OptionalVariableBindings{}, celconfig.RuntimeCELCostBudget) {
		out.found += r.EvalResult.Value().(string)
	}
	return out
}

func (g *guard) matches(attr admission.Attributes) bool {
	any := func(rules []admissionv1.NamedRuleWithOperations) bool {
		for _, r := range rules {
			m := predicates.Matcher{Rule: r.RuleWithOperations, Attr: attr}
			if m.Matches() {
				return true
			}
		}
		return false
	}
	c := g.policy.Spec.MatchConstraints
	return any(c.ResourceRules) && !any(c.ExcludeResourceRules)
}
