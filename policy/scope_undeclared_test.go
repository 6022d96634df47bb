package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

func undeclaredCases() []ruleCase {
	ok := allowed(v1alpha1.ClassUngoverned)
	changed := touches(`.spec.template.spec.containers[name="web"].image`)
	label := set("metadata|labels|x", "y")
	pod := func(more ...tweak) []tweak {
		return append([]tweak{declaredOnly, of("", "v1", "pods", "Pod"), objects(`{metadata: {name: web}, spec: {serviceAccountName: app}}`)}, more...)
	}
	ns := []tweak{of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), undeclaredObject, deletes}
	crd := []tweak{of("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition"), named("", "x.example.com"), undeclaredObject, deletes}
	scale := func(manager string, more ...tweak) []tweak {
		return append([]tweak{sub("scale"), objects(`{kind: Scale, metadata: {name: web}, spec: {replicas: 3}}`), set("spec|replicas", int64(5)),
			was("metadata|managedFields", []any{map[string]any{"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1",
				"fieldsV1": map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}}}})}, more...)
	}
	scaled := func(more ...func(*Decision)) Decision {
		return denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/deployments/scale prod/web is changed through git only", more...)
	}
	parent := func(text string) tweak { return facts(func(f *Facts) { f.Parent = object(text) }) }
	guarded := facts(func(f *Facts) { f.Guarded = []string{".spec.paused"} })
	steering := spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Steering = []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}}}
	})
	reason := set("metadata|annotations|"+v1alpha1.AnnotationBreakGlass, "INC-42: database failover")
	return []ruleCase{
		{name: "objects: alice edits what git does not know", when: []tweak{declaredOnly, undeclaredObject, label}, fits: true, want: ok},
		{name: "objects: alice creates", when: []tweak{declaredOnly, creates(`{metadata: {name: web}}`)}, fits: true, want: ok},
		{name: "objects: alice deletes what git does not know", when: []tweak{declaredOnly, undeclaredObject, deletes}, fits: true, want: ok},
		{name: "objects: alice asks for a token of an ordinary account", when: []tweak{declaredOnly, of("", "v1", "serviceaccounts", "ServiceAccount"), creates(`{spec: {}}`), sub("token")}, fits: true, want: ok},
		{name: "fields: alice adds a label of her own", when: []tweak{declaredFields, label}, fits: true, want: ok},
		{name: "fields: alice edits what git does not know", when: []tweak{declaredFields, undeclaredObject, label}, fits: true, want: ok},
		{name: "fields: alice scales replicas that git does not declare", when: scale("kubectl", declaredFields), fits: true, want: ok},
		{name: "objects: alice scales what git does not know", when: scale("kubectl", declaredOnly, parent(`{metadata: {}}`)), fits: true, want: ok},
		{name: "objects: alice labels a declared object", when: []tweak{declaredOnly, label}, want: webDenied(touches())},
		{name: "objects: alice deletes a declared object", when: []tweak{declaredOnly, deletes}, want: webDenied(touches(".metadata", ".spec"))},
		{name: "objects: alice scales, and the parent is not known", when: scale("kubectl", declaredOnly), want: scaled(missing(NeedParent), next("change it in git; flux-system/kustomize-controller brings it here"))},
		{name: "objects: alice scales what is declared apart from its replicas", when: scale("kubectl", declaredOnly, parent(deployment)), want: scaled()},
		{name: "fields: alice scales declared replicas", when: scale("kustomize-controller", declaredFields), want: scaled()},
		{name: "fields: alice changes a declared field", when: []tweak{declaredFields, image}, want: webDenied(changed)},
		{name: "fields: alice removes a declared field", when: []tweak{declaredFields, set("metadata|labels", nil), func(s *scene) { delete(child(entryOf(s), "fieldsV1"), "f:metadata") }}, want: webDenied(touches(".metadata.labels"))},
		{name: "fields: alice sets an owner", when: []tweak{declaredFields, set("metadata|ownerReferences", []any{map[string]any{"uid": "x"}})}, want: webDenied(touches(".metadata.ownerReferences"))},
		{name: "fields: alice creates", when: []tweak{declaredFields, creates(`{metadata: {name: web}}`)}, want: webDenied()},
		{name: "fields: alice deletes", when: []tweak{declaredFields, undeclaredObject, deletes}, want: webDenied()},
		{name: "fields: a path of an unresolved record", when: []tweak{declaredFields, undeclaredObject, guarded, set("spec|paused", true)}, want: webDenied(touches(".spec.paused"))},
		{name: "objects: any path while a record is unresolved", when: []tweak{declaredOnly, undeclaredObject, guarded, label}, want: webDenied(touches())},
		{name: "objects: a scale while a record is unresolved", when: scale("kubectl", declaredOnly, guarded, parent(`{metadata: {}}`)), want: scaled()},
		{name: "a steering object", when: []tweak{declaredOnly, steering, undeclaredObject, label}, want: webDenied()},
		{name: "a namespace", when: append(ns, declaredOnly), want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "Namespace prod is changed through git only")},
		{name: "a namespace is relabelled out of the policy", when: append(namespaceOf("prod"), declaredOnly, declaredFields, set("metadata|labels|gate", "off")),
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "Namespace prod is changed through git only")},
		{name: "fields: alice relabels a declared object out of the policy", when: []tweak{declaredFields, guardedUnless, set("metadata|labels|gate", "off")}, want: webDenied()},
		{name: "a CRD", when: append(crd, declaredOnly), want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apiextensions.k8s.io/CustomResourceDefinition x.example.com is changed through git only")},
		{name: "an unknown subresource", when: []tweak{declaredOnly, undeclaredObject, sub("frobnicate")}, want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/deployments/frobnicate prod/web is changed through git only")},
		{name: "the old object is not shown", when: []tweak{declaredOnly, declaredFields, request(func(r *Request) { r.Old = nil }), set("metadata|managedFields", nil)}, want: webDenied()},
		{name: "the annotation of break-glass", when: []tweak{declaredOnly, undeclaredObject, reason},
			want: denied(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlassUnauthorized, "apps/Deployment prod/web may be opened by group oncall only")},
		{name: "exec", when: pod(connects("exec", `{kind: PodExecOptions}`), facts(func(f *Facts) { f.Pod = &PodFact{Found: true, ServiceAccount: "app"} })),
			want: flagged(v1alpha1.ClassOperation, v1alpha1.ReasonOperation, "pods/exec prod/web is an open door into a running pod, which this policy flags")},
		{name: "a debug container", when: pod(sub("ephemeralcontainers"), set("spec|ephemeralContainers", []any{map[string]any{"name": "debug"}})),
			want: denied(v1alpha1.ClassOperation, v1alpha1.ReasonOperation, "pods/ephemeralcontainers prod/web is a debug container in a running pod, which this policy denies")},
		{name: "nothing is narrowed", when: []tweak{undeclaredObject, label}, want: webDenied()},
	}
}
