package registration

import (
	"context"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"
	celplugin "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	predicates "k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/gitlatch/gitlatch/policy"
)

// dispatcher says which webhooks of a configuration the API server would call,
// with the API server's own library.
type dispatcher struct {
	entries []dispatched
}

type dispatched struct {
	hook      admissionv1.MutatingWebhook
	selector  labels.Selector
	evaluator celplugin.ConditionEvaluator
	matcher   matchconditions.Matcher
}

func dispatch(t *testing.T, hooks []admissionv1.MutatingWebhook) *dispatcher {
	t.Helper()
	compiler := celplugin.NewConditionCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()))
	d := &dispatcher{}
	for _, h := range hooks {
		var accessors []celplugin.ExpressionAccessor
		for i := range h.MatchConditions {
			c := matchconditions.MatchCondition(h.MatchConditions[i])
			accessors = append(accessors, &c)
		}
		e := compiler.CompileCondition(accessors, celplugin.OptionalVariableDeclarations{HasAuthorizer: true}, environment.NewExpressions)
		for _, err := range e.CompilationErrors() {
			t.Fatalf("%s: %v", h.Name, err)
		}
		s, err := metav1.LabelSelectorAsSelector(h.NamespaceSelector)
		if err != nil {
			t.Fatal(err)
		}
		d.entries = append(d.entries, dispatched{hook: h, selector: s, evaluator: e,
			matcher: matchconditions.NewMatcher(e, h.FailurePolicy, "webhook", "admit", h.Name)})
	}
	return d
}

// calls returns the webhooks that are called; an evaluation error fails the test.
func (d *dispatcher) calls(t *testing.T, attr *admission.VersionedAttributes) []string {
	t.Helper()
	var out []string
	for _, e := range d.entries {
		if !e.selects(attr) {
			continue
		}
		request := celplugin.CreateAdmissionRequest(attr.Attributes,
			metav1.GroupVersionResource(attr.GetResource()), metav1.GroupVersionKind(attr.VersionedKind))
		results, budget, err := e.evaluator.ForInput(context.Background(), attr, request,
			celplugin.OptionalVariableBindings{}, nil, celconfig.RuntimeCELCostBudgetMatchConditions)
		if err != nil {
			t.Fatalf("%s: %v", e.hook.Name, err)
		}
		for _, r := range results {
			if r.Error != nil {
				t.Fatalf("%s: %v", e.hook.Name, r.Error)
			}
		}
		if budget < celconfig.RuntimeCELCostBudgetMatchConditions/2 {
			t.Fatalf("%s: %d of the budget of %d is left", e.hook.Name, budget, celconfig.RuntimeCELCostBudgetMatchConditions)
		}
		if e.matcher.Match(context.Background(), attr, nil, nil).Matches {
			out = append(out, e.hook.Name)
		}
	}
	return out
}

func (e *dispatched) selects(attr admission.Attributes) bool {
	matched := false
	for _, r := range e.hook.Rules {
		m := predicates.Matcher{Rule: r, Attr: attr}
		matched = matched || m.Matches()
	}
	if !matched || attr.GetNamespace() == "" {
		return matched
	}
	return e.selector.Matches(labels.Set{"kubernetes.io/metadata.name": attr.GetNamespace()})
}

// plain is a request as the API server sees it, unchanged.
func plain(r *policy.Request) *admission.VersionedAttributes {
	object := func(o map[string]any) runtime.Object {
		if o == nil {
			return nil
		}
		return &unstructured.Unstructured{Object: o}
	}
	now, old := object(r.Object), object(r.Old)
	info := &user.DefaultInfo{Name: r.User.Name, UID: r.User.UID, Groups: r.User.Groups, Extra: r.User.Extra}
	a := admission.NewAttributesRecord(now, old, r.Kind, r.Namespace, r.Name, r.Resource, r.Subresource,
		admission.Operation(r.Operation), nil, false, info)
	return &admission.VersionedAttributes{Attributes: a, VersionedKind: r.Kind,
		VersionedObject: admission.NewLazyObject(now), VersionedOldObject: admission.NewLazyObject(old)}
}

func cut(kind string) (group, resource string, found bool) { return strings.Cut(kind, "/") }
