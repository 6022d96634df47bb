package policy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// guardedUnless has the policy govern namespaces, and objects, that carry no
// label "gate".
func guardedUnless(s *scene) {
	unless := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "gate", Operator: metav1.LabelSelectorOpDoesNotExist}}}
	s.spec.Match.NamespaceSelector, s.spec.Match.ObjectSelector = unless, unless.DeepCopy()
}

// namespaceOf is a namespace that git did not declare, under such a policy.
func namespaceOf(name string) []tweak {
	return []tweak{of("", "v1", "namespaces", "Namespace"), named(name, name), objects(`{metadata: {labels: {}}}`), undeclaredObject, guardedUnless}
}

func controllerCases() []ruleCase {
	ok := allowed(v1alpha1.ClassController)
	op := func(more ...tweak) []tweak { return append([]tweak{by(operatorPod())}, more...) }
	changed := touches(`.spec.template.spec.containers[name="web"].image`)
	steering := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Steering = []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"*"}}}
	})
	untrusted := func(m v1alpha1.AccountMatch) tweak {
		return spec(func(s *v1alpha1.ChangePolicySpec) { s.UntrustedControllers = []v1alpha1.AccountMatch{m} })
	}
	none := spec(func(s *v1alpha1.ChangePolicySpec) { s.Controllers = v1alpha1.ControllersNone })
	all := touches(".metadata", ".spec")
	keepFinalizer := func(s *scene) {
		for _, obj := range []map[string]any{s.req.Old, s.req.Object} {
			managedFields(obj)[0].(map[string]any)["fieldsV1"].(map[string]any)["f:metadata"] = map[string]any{
				"f:finalizers": map[string]any{".": map[string]any{}, `v:"git/keep"`: map[string]any{}}}
		}
	}
	scale := func(owned string) tweak {
		return func(s *scene) {
			sub("scale")(s)
			objects(`{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: web}, spec: {replicas: 3}}`)(s)
			set("spec|replicas", int64(5))(s)
			was("metadata|managedFields", []any{map[string]any{"manager": owned, "operation": "Apply", "apiVersion": "autoscaling/v1", "fieldsType": "FieldsV1",
				"fieldsV1": map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}}}})(s)
		}
	}
	noManagers := was("metadata|managedFields", nil)
	scaled := func(more ...func(*Decision)) Decision {
		return denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/deployments/scale prod/web is changed through git only", more...).
			with(func(d *Decision) {
				if d.Next != "change it in git; flux-system/kustomize-controller brings it here" {
					d.Next = "change it in git"
				}
			})
	}
	return []ruleCase{
		{name: "an operator creates its child", when: op(creates(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}`)), fits: true, want: ok},
		{name: "its child carries the mark that it copied", when: op(creates(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {kustomize.toolkit.fluxcd.io/name: apps}}}`)), fits: true, want: ok},
		{name: "it deletes its child", when: op(undeclaredObject, deletes), fits: true, want: ok},
		{name: "it labels a declared object", when: op(set("metadata|labels|x", "y")), fits: true, want: ok},
		{name: "it adds its finalizer to a declared object", when: op(set("metadata|finalizers", []any{"ops/x"})), fits: true, want: allowed(v1alpha1.ClassController, touches(".metadata.finalizers"))},
		{name: "it evicts a pod", when: op(of("", "v1", "pods", "Pod"), creates(`{kind: Eviction}`), sub("eviction")), fits: true, want: ok},
		{name: "it changes a declared field", when: op(image), want: webDenied(changed)},
		{name: "it deletes a declared object", when: op(deletes), want: webDenied(all)},
		{name: "it gives a declared object an owner", when: op(set("metadata|ownerReferences", []any{map[string]any{"uid": "dead"}})), want: webDenied(touches(".metadata.ownerReferences"))},
		{name: "it takes a finalizer that git declared, and that was the only one", when: op(keepFinalizer, was("metadata|finalizers", []any{"git/keep"}), func(s *scene) { delete(child(entryOf(s), "fieldsV1"), "f:metadata") }),
			want: webDenied(touches(".metadata.finalizers", ".metadata.finalizers"))},
		{name: "it takes a finalizer that git declared, among others", when: op(keepFinalizer, was("metadata|finalizers", []any{"git/keep", "ops/x"}), set("metadata|finalizers", []any{"ops/x"}),
			func(s *scene) { delete(child(entryOf(s), "fieldsV1", "f:metadata", "f:finalizers"), `v:"git/keep"`) }),
			want: webDenied(touches(`.metadata.finalizers[="git/keep"]`, ".metadata.finalizers"))},
		{name: "a minted token of its account", when: []tweak{by(minted("ops", "operator")), set("metadata|labels|x", "y")}, want: webDenied()},
		{name: "impersonation of its account", when: []tweak{by(posing(operatorPod())), set("metadata|labels|x", "y")}, want: webDenied()},
		{name: "the policy gives controllers no rights", when: op(none, set("metadata|labels|x", "y")), want: webDenied()},
		{name: "its account is untrusted", when: op(untrusted(v1alpha1.AccountMatch{Namespace: "ops", Name: "operator"}), set("metadata|labels|x", "y")), want: webDenied()},
		{name: "its namespace is untrusted", when: op(untrusted(v1alpha1.AccountMatch{Namespace: "ops"}), set("metadata|labels|x", "y")), want: webDenied()},
		{name: "another account of its namespace is untrusted", when: op(untrusted(v1alpha1.AccountMatch{Namespace: "ops", Name: "runner"}), set("metadata|labels|x", "y")), fits: true, want: ok},
		{name: "it writes a steering object", when: op(steering, undeclaredObject, set("spec|x", "y")), want: webDenied()},
		{name: "it adds its finalizer to a steering object", when: op(steering, undeclaredObject, set("metadata|finalizers", []any{"ops/x"})), fits: true, want: ok},
		{name: "it deletes a namespace", when: op(of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), undeclaredObject, deletes),
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "Namespace prod is changed through git only")},
		{name: "it deletes a CRD", when: op(of("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"), named("", "x.example.com"), undeclaredObject, deletes),
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apiextensions.k8s.io/CustomResourceDefinition x.example.com is changed through git only")},
		{name: "it relabels a namespace, and the policy governs it still", when: op(append(namespaceOf("prod"), set("metadata|labels|x", "y"))...), fits: true, want: ok},
		{name: "it relabels a namespace out of the policy", when: op(append(namespaceOf("prod"), set("metadata|labels|gate", "off"))...),
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "Namespace prod is changed through git only")},
		{name: "it relabels a declared object out of the policy", when: op(guardedUnless, set("metadata|labels|gate", "off")), want: webDenied()},
		{name: "it relabels its child out of the policy", when: op(guardedUnless, undeclaredObject, set("metadata|labels|gate", "off")), fits: true, want: ok},
		{name: "an unknown subresource is a write to its parent", when: op(sub("frobnicate"), undeclaredObject), want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/deployments/frobnicate prod/web is changed through git only")},
		{name: "an update whose old object is not shown", when: op(request(func(r *Request) { r.Old = nil }), set("metadata|managedFields", nil)), want: webDenied()},
		{name: "a deletion whose old object is not shown", when: op(deletes, request(func(r *Request) { r.Old = nil })), want: webDenied()},
		{name: "an unknown operation", when: op(request(func(r *Request) { r.Operation = "MERGE" }), set("metadata|labels|x", "y")), want: webDenied()},
		{name: "it scales what its parent does not declare", when: op(scale("kubectl")), fits: true, want: ok},
		{name: "it scales declared replicas", when: op(scale("kustomize-controller")), want: scaled(touches()).with(func(d *Decision) { d.Touched = nil })},
		{name: "it scales, and the parent is not known", when: op(scale("kubectl"), noManagers), want: scaled(missing(NeedParent))},
		{name: "it scales, and the parent declares the replicas", when: op(scale("kubectl"), noManagers, facts(func(f *Facts) { f.Parent = object(deployment) })), want: scaled()},
		{name: "it scales, and the parent declares nothing", when: op(scale("kubectl"), noManagers, facts(func(f *Facts) { f.Parent = map[string]any{"metadata": map[string]any{}} })), fits: true, want: ok},
		{name: "a guarded path of a declared object", when: op(facts(func(f *Facts) { f.Guarded = []string{".spec.paused"} }), set("spec|paused", true)), want: webDenied(touches(".spec.paused"))},
		{name: "the sync's entry can't be read", when: op(func(s *scene) {
			for _, obj := range []map[string]any{s.req.Old, s.req.Object} {
				managedFields(obj)[0].(map[string]any)["fieldsV1"] = "garbage"
			}
		}, set("metadata|labels|x", "y")), want: webDenied(touches(""))},
	}
}
