package registration

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// governed: the policy governs the request for sure. What can't be told here, such as the
// labels of a namespace that the API server does not show, is taken as not governed.
func (b *backstop) governed(p *policy.Policy) string {
	m := &p.Spec.Match
	return anyOf(
		allOf(b.brief(matches(m, b.anyRule)), b.namespaceGoverned(m), b.objectGoverned(m)),
		b.holdsGoverned(p),
	)
}

// namespaceGoverned judges a namespace by its old and its new labels, and what is in one
// by those that it has.
func (b *backstop) namespaceGoverned(m *v1alpha1.Match) string {
	s := m.NamespaceSelector
	if empty(s) {
		return "true"
	}
	namespace := isKind("", "namespaces")
	theirs := b.let("namespaceLabels", `dyn(namespaceObject) != null && has(namespaceObject.metadata.labels) ? dyn(namespaceObject.metadata.labels) : dyn({})`)
	return anyOf(
		allOf(namespace, anyOf(not(b.carries()), b.selected(s))),
		allOf(not(namespace), anyOf("("+celNamespace+` == "")`,
			allOf("(dyn(namespaceObject) != null)", b.selects(s, theirs)))),
	)
}

// objectGoverned: a request that shows no labels of its own is governed.
func (b *backstop) objectGoverned(m *v1alpha1.Match) string {
	if empty(m.ObjectSelector) {
		return "true"
	}
	return anyOf(not(b.carries()), b.selected(m.ObjectSelector))
}

// selected: the old or the new labels match.
func (b *backstop) selected(s *metav1.LabelSelector) string {
	return anyOf(
		allOf("(object != null)", b.selects(s, b.child("now", "metadata", "labels"))),
		allOf("(oldObject != null)", b.selects(s, b.child("was", "metadata", "labels"))),
	)
}

func empty(s *metav1.LabelSelector) bool {
	return s == nil || len(s.MatchLabels)+len(s.MatchExpressions) == 0
}

// selects is a label selector as CEL, over a map of labels.
func (b *backstop) selects(s *metav1.LabelSelector, labels string) string {
	var terms []string
	value := func(key string) string { return fmt.Sprintf("%s[%s]", labels, quote(key)) }
	has := func(key string) string { return fmt.Sprintf("(%s in %s)", quote(key), labels) }
	var keys []string
	for k := range s.MatchLabels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		terms = append(terms, has(k), among(value(k), []string{s.MatchLabels[k]}))
	}
	for _, r := range s.MatchExpressions {
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			terms = append(terms, has(r.Key), among(value(r.Key), r.Values))
		case metav1.LabelSelectorOpNotIn:
			terms = append(terms, not(allOf(has(r.Key), among(value(r.Key), r.Values))))
		case metav1.LabelSelectorOpExists:
			terms = append(terms, has(r.Key))
		default:
			terms = append(terms, not(has(r.Key)))
		}
	}
	return b.briefly(allOf, terms)
}

// leaves: the write takes a namespace, or an object that git declared, out of the policy by
// its labels.
func (b *backstop) leaves(p *policy.Policy) string {
	out := func(s *metav1.LabelSelector) string {
		if empty(s) {
			return "false"
		}
		return allOf(b.update(), b.selects(s, b.child("was", "metadata", "labels")), not(b.selects(s, b.child("now", "metadata", "labels"))))
	}
	namespace := isKind("", "namespaces")
	return b.union(b.of("leaves", p), []string{
		allOf(namespace, out(p.Spec.Match.NamespaceSelector)),
		allOf(not(namespace), b.declared(managersOf(p)), out(p.Spec.Match.ObjectSelector)),
	})
}

// holdsOthers: deleting a namespace or a CRD deletes what is in it.
func (b *backstop) holdsOthers() string {
	return b.let("holdsOthers", allOf(b.operation("DELETE"), "("+b.sub()+` == "")`,
		anyOf(isKind("", "namespaces"), isKind(crdGroup, crdResource))))
}

// holdsGoverned: what is in the namespace or of the CRD is governed, though they are not
// themselves. They go with all that they hold, and a namespace may also leave with it.
func (b *backstop) holdsGoverned(p *policy.Policy) string {
	m := &p.Spec.Match
	if len(m.Resources) == 0 && (m.ClusterScoped == nil || *m.ClusterScoped) {
		return "false" // they are governed themselves
	}
	resources := "true"
	if len(m.Resources) > 0 {
		resources = b.ofCRD(m.Resources)
	}
	outside := not(b.brief(among(celNamespace, m.ExcludeNamespaces)))
	namespace := isKind("", "namespaces")
	return allOf(anyOf(b.holdsOthers(), allOf(namespace, b.leaves(p))), not(b.anyRule(m.ExcludeResources)), anyOf(
		allOf(namespace, outside, b.namespaceGoverned(m)),
		allOf(isKind(crdGroup, crdResource), resources, not(b.ofCRD(m.ExcludeResources))),
	))
}

// ofCRD: a rule names the objects of the CRD, whose name is "plural.group".
func (b *backstop) ofCRD(rules []v1alpha1.ResourceRule) string {
	if len(rules) == 0 {
		return "false"
	}
	name := b.name()
	group := b.let("crdGroup", name+`.contains(".") ? `+name+".substring("+name+`.indexOf(".") + 1) : ""`)
	plural := b.let("crdPlural", name+`.contains(".") ? `+name+".substring(0, "+name+`.indexOf(".")) : `+name)
	return b.anyRuleOf(group, plural, rules)
}
