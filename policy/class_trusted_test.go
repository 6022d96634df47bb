package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

// apiService is declared but for its CA bundle.
const apiService = `
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata:
  name: v1.x
  managedFields:
  - {manager: kustomize-controller, operation: Apply, apiVersion: apiregistration.k8s.io/v1, fieldsType: FieldsV1, fieldsV1: {f:spec: {f:group: {}, f:caBundle: {}}}}
spec: {group: x, caBundle: old, webhooks: [{name: a, clientConfig: {caBundle: old, url: u}}]}
`

func injector() User { return podOf("cert-manager", "cert-manager-cainjector") }

// injects: the policy trusts cert-manager's injector with two fields.
func injects(fields ...string) tweak {
	return spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Trusted = []v1alpha1.TrustedSubject{{
			Subject:   v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "cert-manager", Name: "cert-manager-cainjector"}},
			Resources: []v1alpha1.ResourceRule{{APIGroups: []string{"apiregistration.k8s.io"}, Resources: []string{"apiservices"}}},
			Fields:    fields,
		}}
	})
}

func trustedCases() []ruleCase {
	ok := allowed(v1alpha1.ClassTrusted)
	base := func(more ...tweak) []tweak {
		return append([]tweak{
			of("apiregistration.k8s.io", "v1", "apiservices", "APIService"), named("", "v1.x"), objects(apiService), manager("cainjector"),
			by(injector()), injects("spec.caBundle", "spec.webhooks[*].clientConfig.caBundle"),
		}, more...)
	}
	eroded := func(s *scene) { delete(child(entryOf(s), "fieldsV1", "f:spec"), "f:caBundle") }
	hook := func(field string) tweak {
		return func(s *scene) {
			h := list(child(s.req.Object, "spec"), "webhooks")[0].(map[string]any)
			h["clientConfig"].(map[string]any)[field] = "new"
		}
	}
	no := func(more ...func(*Decision)) Decision {
		return denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apiregistration.k8s.io/APIService v1.x is changed through git only", more...)
	}
	ca := touches(".spec.caBundle")
	return []ruleCase{
		{name: "it fills in its field", when: base(set("spec|caBundle", "new"), eroded), fits: true, want: allowed(v1alpha1.ClassTrusted, ca)},
		{name: "it fills in its field in every item", when: base(hook("caBundle")), fits: true, want: ok},
		{name: "it fills in its field and takes a declared one", when: base(set("spec|caBundle", "new"), eroded, set("spec|group", "y"), func(s *scene) { delete(child(entryOf(s), "fieldsV1", "f:spec"), "f:group") }),
			want: no(touches(".spec.caBundle", ".spec.group"))},
		{name: "its field by a minted token", when: base(set("spec|caBundle", "new"), eroded, by(minted("cert-manager", "cert-manager-cainjector"))), want: no(ca)},
		{name: "its field by a person", when: base(set("spec|caBundle", "new"), eroded, by(alice())), want: no(ca)},
		{name: "it deletes, where only fields are its right", when: base(deletes), want: no(touches(".spec"))},
		{name: "it deletes, where everything is its right", when: base(deletes, injects()), fits: true, want: ok},
		{name: "a kind that it is not trusted with", when: base(set("spec|caBundle", "new"), eroded, of("apiregistration.k8s.io", "v1", "others", "Other")),
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apiregistration.k8s.io/Other v1.x is changed through git only", ca)},
		{name: "more than it is trusted with below a prefix of the field's name", when: base(set("spec|caBundleX", "new"), set("spec|group", "y"), func(s *scene) { delete(child(entryOf(s), "fieldsV1", "f:spec"), "f:group") }),
			want: no(touches(".spec.group"))},
		{name: "its field, while dropping another's entry", when: base(set("spec|caBundle", "new"), func(s *scene) { entryOf(s)["fieldsV1"] = map[string]any{} }),
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonForged, "apiregistration.k8s.io/APIService v1.x has managedFields of a sync identity that this request changes (.spec.group)",
				touches(".spec.caBundle", ".spec.group"))},
	}
}
