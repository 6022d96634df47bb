package manifests_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// platforms are the components of policies/platforms.
func platforms(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("policies/platforms")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// preset builds a sample with the components of some platforms, as kustomize does, and compiles it under Enforce.
func preset(t *testing.T, sample string, platforms ...string) *policy.Policy {
	t.Helper()
	fs := filesys.MakeFsInMemory()
	write := func(path string, content []byte) {
		if err := fs.WriteFile(path, content); err != nil {
			t.Fatal(err)
		}
	}
	root := "resources: [policy.yaml]\ncomponents:\n"
	write("/policy.yaml", read(t, filepath.Join("policies", sample)))
	for _, p := range platforms {
		root += "- platforms/" + p + "\n"
		for _, file := range []string{"kustomization.yaml", "policy.yaml"} {
			write("/platforms/"+p+"/"+file, read(t, filepath.Join("policies/platforms", p, file)))
		}
	}
	write("/kustomization.yaml", []byte(root))
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/")
	if err != nil {
		t.Fatalf("%s with %v: %v", sample, platforms, err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	var p v1alpha1.ChangePolicy
	if err := yaml.UnmarshalStrict(text, &p); err != nil {
		t.Fatalf("%s with %v: %v", sample, platforms, err)
	}
	p.Spec.Mode = v1alpha1.ModeEnforce
	compiled, errs := policy.Compile(&p)
	if len(errs) > 0 {
		t.Fatalf("%s with %v can't work: %v", sample, platforms, errs.ToAggregate())
	}
	return compiled
}

func TestEveryPlatformGoesWithEverySample(t *testing.T) {
	for sample := range syncs() {
		for _, p := range platforms(t) {
			compiled := preset(t, sample, p)
			if before := preset(t, sample); len(compiled.Spec.Trusted) == len(before.Spec.Trusted) &&
				len(compiled.Spec.BreakGlass.AllowedGroups) == len(before.Spec.BreakGlass.AllowedGroups) {
				t.Errorf("%s with %s is as without", sample, p)
			}
		}
		preset(t, sample, platforms(t)...)
	}
}

// TestWhoIsTrustedIsTrustedByNoMoreThanItsPreset: everybody of a preset is let through with it, and nobody without.
func TestWhoIsTrustedIsTrustedByNoMoreThanItsPreset(t *testing.T) {
	acts := platformActs(t)
	if got := slices.Sorted(mapsKeys(acts)); !slices.Equal(got, platforms(t)) {
		t.Fatalf("there are acts of %v, not of %v", got, platforms(t))
	}
	for platform, all := range acts {
		with := preset(t, "gitlatch.yaml", platform)
		bare := preset(t, "gitlatch.yaml")
		named := map[string]bool{}
		for _, a := range all {
			named[a.user.Name] = true
			for _, g := range a.user.Groups {
				named[g] = true
			}
			if d := a.decide(with); d.Action != policy.Allow {
				t.Errorf("%s: %s: %s %s: %s", platform, a.name, d.Action, d.Class, d.Message)
			}
			if d := a.decide(bare); d.Action != policy.Deny && a.needs {
				t.Errorf("%s: %s needs no preset: %s %s", platform, a.name, d.Action, d.Class)
			}
			person := a
			person.user = policy.User{Name: "alice", UID: "u", Groups: []string{"devs", "system:authenticated"}}
			if d := person.decide(with); d.Action != policy.Deny {
				t.Errorf("%s: alice may do as %s: %s %s", platform, a.name, d.Action, d.Class)
			}
		}
		for _, subject := range with.Spec.Trusted[len(bare.Spec.Trusted):] {
			name := subject.User + subject.Group
			if a := subject.ServiceAccount; a != nil {
				name = "system:serviceaccount:" + a.Namespace + ":" + a.Name
			}
			if !named[name] {
				t.Errorf("%s trusts %s, of whom no act is told here", platform, name)
			}
		}
	}
}

// TestNoPlatformBecomesTheSync: what a preset trusts wholly is trusted with objects, not with git's own identity, the gate's
// or the control plane's.
func TestNoPlatformBecomesTheSync(t *testing.T) {
	for _, platform := range platforms(t) {
		p := preset(t, "gitlatch.yaml", platform)
		for i := range p.Spec.Trusted {
			u := presenting(&p.Spec.Trusted[i].Subject)
			for _, a := range []act{
				token(u, "gitlatch-system", "gitlatch-applier"), token(u, "gitlatch-system", "gitlatch-webhook"),
				token(u, "kube-system", "generic-garbage-collector"), bindingOf(u, "ServiceAccount", "gitlatch-system", "gitlatch-applier"),
				certificateOf(t, u, "system:kube-controller-manager"), certificateOf(t, u, "x", "system:masters"),
				certificateOf(t, u, "system:serviceaccount:gitlatch-system:gitlatch-applier"),
			} {
				if d := a.decide(p); d.Action != policy.Deny {
					t.Errorf("%s: %s may do %s: %s %s", platform, u.Name, a.name, d.Action, d.Class)
				}
			}
		}
	}
}
