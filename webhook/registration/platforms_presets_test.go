package registration

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Every component of manifests/policies/platforms, under Enforce and all of them at once, is a policy that the API server
// takes, and so are the webhooks and the backstop that it compiles to: conditions and validations have limits of size and cost.
func TestTheAPIServerTakesEveryPlatform(t *testing.T) {
	c := admin(t)
	entries, err := os.ReadDir("../../manifests/policies/platforms")
	if err != nil || len(entries) == 0 {
		t.Fatalf("%d platforms: %v", len(entries), err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	cases := [][]string{all}
	for _, name := range all {
		cases = append(cases, []string{name})
	}
	for _, names := range cases {
		p := presetOf(t, names)
		p.Spec.Mode = v1alpha1.ModeEnforce
		o := serviceOptions()
		o.CABundle = bundle()
		policies := compiled(t, p)
		gate, final, err := Compile(o, policies)
		if err != nil {
			t.Fatal(err)
		}
		backstop, binding, err := Backstop(o, policies)
		if err != nil {
			t.Fatal(err)
		}
		for _, object := range []client.Object{p, gate, final, backstop, binding} {
			if err := c.Create(t.Context(), object, client.DryRunAll); err != nil {
				t.Errorf("%v: %T: %v", names, object, err)
			}
		}
	}
}

// presetOf is manifests/policies/gitlatch.yaml with components, as kustomize builds it.
func presetOf(t *testing.T, names []string) *v1alpha1.ChangePolicy {
	t.Helper()
	fs := filesys.MakeFsInMemory()
	put := func(to string, text []byte, err error) {
		if err == nil {
			err = fs.WriteFile(to, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const from = "../../manifests/policies"
	text, err := os.ReadFile(filepath.Join(from, "gitlatch.yaml"))
	put("/policy.yaml", text, err)
	root := "resources: [policy.yaml]\ncomponents:\n"
	for _, name := range names {
		root += "- " + name + "\n"
		for _, file := range []string{"policy.yaml", "kustomization.yaml"} {
			text, err := os.ReadFile(filepath.Join(from, "platforms", name, file))
			put("/"+name+"/"+file, text, err)
		}
	}
	put("/kustomization.yaml", []byte(root), nil)
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/")
	if err != nil {
		t.Fatal(err)
	}
	if text, err = built.AsYaml(); err != nil {
		t.Fatal(err)
	}
	p := &v1alpha1.ChangePolicy{}
	if err := yaml.UnmarshalStrict(text, p); err != nil {
		t.Fatal(err)
	}
	return p
}
