package main

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/policy"
)

// FuzzReadPolicies: whatever a file of policies holds, it is read or refused with where it is, and what is read can be
// compiled or is refused.
func FuzzReadPolicies(f *testing.F) {
	f.Add("apiVersion: gitlatch.dev/v1alpha1\nkind: ChangePolicy\nmetadata: {name: cluster}\nspec: {mode: Enforce}\n---\n# nothing\n")
	f.Add("kind: List\nitems: [{apiVersion: gitlatch.dev/v1alpha1, kind: ChangePolicy, metadata: {name: a}}, null]\n")
	f.Add("--- {\n")
	f.Add("a: b\na: c\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		found, err := readPolicyFile("-", strings.NewReader(text))
		if err != nil && !strings.HasPrefix(err.Error(), "standard input: ") {
			t.Errorf("an error without its place: %v", err)
		}
		for i := range found {
			policy.Compile(&found[i].ChangePolicy)
		}
	})
}

// FuzzPeriod: a time to look back is refused, or more than none.
func FuzzPeriod(f *testing.F) {
	for _, text := range []string{"30d", "12h", "0d", "-1d", "-160000d", "36500d", "36501d", "9223372036854775807ns", "1.5d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parsePeriod(text)
		if (err == nil) != (d > 0) {
			t.Errorf("%q is %s: %v", text, d, err)
		}
		if days, ok := strings.CutSuffix(text, "d"); ok && err == nil && (strings.HasPrefix(days, "-") || d%(24*time.Hour) != 0) {
			t.Errorf("%q is %s", text, d)
		}
	})
}

// FuzzDefinition: a CustomResourceDefinition of whatever shape is taken as the schema of its kind, or what is wrong with
// it is found.
func FuzzDefinition(f *testing.F) {
	const head = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example}\n"
	f.Add(head + "spec: {group: example, names: {kind: Thing, plural: things}, scope: Namespaced, versions: [{name: v1, served: true, schema: {openAPIV3Schema: {type: object, properties: {a: {type: integer}}}}}]}\n")
	f.Add(head + "spec: {versions: [{name: v1, served: true}, null, {name: 3}]}\n")
	f.Add(head + "spec: {versions: [{name: v1, served: true, schema: {openAPIV3Schema: {x-kubernetes-validations: [{rule: 'self.a.all(x, x)'}]}}}]}\n")
	f.Add(head + "spec: []\n")
	f.Fuzz(func(t *testing.T, text string) {
		var content map[string]any
		if yaml.Unmarshal([]byte(text), &content) != nil || content == nil {
			return
		}
		o := desired.Object{Unstructured: &unstructured.Unstructured{Object: content}, Source: "a.yaml"}
		report := &reporter{object: &o}
		if crd := readDefinition(report); crd != nil {
			newCustomKind(report, crd)
		}
		for _, found := range report.found {
			if found.Reason == "" || found.Message == "" {
				t.Errorf("a finding that says nothing: %+v", found)
			}
		}
	})
}
