package policy

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A policy that says nothing of namespaces guards the labels by which it chooses them: taking one off would take all that
// the namespace holds out of it.
func TestLeavingAPolicyThatDoesNotMatchNamespaces(t *testing.T) {
	strict := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Match.Resources = []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"*"}}}
		s.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"gate": "strict"}}
	})
	labels := func(kv ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i].(string)] = kv[i+1]
		}
		return m
	}
	ns := []tweak{strict, of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), undeclaredObject}
	from, to := func(l map[string]any) tweak { return was("metadata|labels", l) }, func(l map[string]any) tweak { return set("metadata|labels", l) }
	in, out := labels("gate", "strict"), labels("gate", "loose")
	byName := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Match.ExcludeResources = []v1alpha1.ResourceRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}}}
	})
	for _, c := range []struct {
		name   string
		when   []tweak
		leaves bool
	}{
		{"another value", []tweak{from(in), to(out)}, true},
		{"no label", []tweak{from(in), to(nil)}, true},
		{"among other labels", []tweak{from(in), to(labels("gate", "x", "mine", "yes"))}, true},
		{"by /status", []tweak{from(in), to(out), sub("status")}, true},
		{"by /finalize", []tweak{from(in), to(out), sub("finalize")}, true},
		{"where only what git declared is guarded", []tweak{declaredOnly, declaredFields, from(in), to(out)}, true},
		{"another label", []tweak{from(in), to(labels("gate", "strict", "mine", "yes"))}, false},
		{"into the policy", []tweak{from(out), to(in)}, false},
		{"neither", []tweak{from(out), to(labels("gate", "x"))}, false},
		{"namespaces are left out by name", []tweak{byName, from(in), to(out)}, false},
		{"this one is left out by name", []tweak{spec(func(s *v1alpha1.ChangePolicySpec) { s.Match.ExcludeNamespaces = []string{"prod"} }), from(in), to(out)}, false},
	} {
		for _, u := range []User{alice(), operatorPod(), pipeline()} {
			t.Run(c.name+" by "+u.Name, func(t *testing.T) {
				got := newScene(append(append([]tweak{by(u)}, ns...), c.when...)...).decide(t)
				if denies := got.Action == Deny && got.Reason == v1alpha1.ReasonOutOfBand; denies != c.leaves {
					t.Errorf("%s %s: %s", got.Action, got.Reason, got.Message)
				}
			})
		}
		for _, u := range []User{fluxPod(), podOf("kube-system", "namespace-controller")} {
			if got := newScene(append(append([]tweak{by(u)}, ns...), c.when...)...).decide(t); got.Action != Allow {
				t.Errorf("%s by %s: %s %s", c.name, u.Name, got.Action, got.Message)
			}
		}
	}
}
