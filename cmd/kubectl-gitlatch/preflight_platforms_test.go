package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// withPlatforms is manifests/policies/gitlatch.yaml with the components of platforms.
func withPlatforms(t *testing.T, platforms ...string) string {
	t.Helper()
	fs := filesys.MakeFsInMemory()
	put := func(to, from string) {
		text, err := os.ReadFile(filepath.Join("../../manifests/policies", from))
		if err == nil {
			err = fs.WriteFile(to, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put("/policy.yaml", "gitlatch.yaml")
	root := "resources: [policy.yaml]\ncomponents:\n"
	for _, p := range platforms {
		root += "- " + p + "\n"
		put("/"+p+"/policy.yaml", "platforms/"+p+"/policy.yaml")
		put("/"+p+"/kustomization.yaml", "platforms/"+p+"/kustomization.yaml")
	}
	if err := fs.WriteFile("/kustomization.yaml", []byte(root)); err != nil {
		t.Fatal(err)
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(fs, "/")
	if err != nil {
		t.Fatal(err)
	}
	text, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What preflight says of a platform, and what its component trusts, are one, both ways: who works without a pod is known to
// both, is denied without the component, and let through with it.
func TestPreflightKnowsWhatTheComponentsTrust(t *testing.T) {
	entries, err := os.ReadDir("../../manifests/policies/platforms")
	if err != nil {
		t.Fatal(err)
	}
	var there, known []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	for _, p := range knownPlatforms() {
		known = append(known, p.name)
		t.Run(p.name, func(t *testing.T) {
			with, without := enforced(t, true, p.name), enforced(t, false, p.name)
			trusted := podless(with.policies[0])
			told := map[string]bool{}
			for _, id := range p.identities {
				for _, u := range somewhere(id.user, trusted) {
					keys := slices.DeleteFunc(slices.Clone(trusted), func(key string) bool { return !names(key, &u) })
					if len(keys) != 1 {
						t.Errorf("preflight knows %s, whom the component trusts as %q", u.Name, keys)
					}
					for _, key := range keys {
						told[key] = true
					}
					for want, in := range map[policy.Action]*preflighting{policy.Allow: with, policy.Deny: without} {
						if d := in.decide(id.write(u)); d.Action != want {
							t.Errorf("%s: %s %s, want %s: %s", u.Name, d.Action, d.Class, want, d.Message)
						}
					}
				}
			}
			for _, key := range trusted {
				if !told[key] {
					t.Errorf("the component trusts %s, of whom preflight knows nothing", key)
				}
			}
		})
	}
	slices.Sort(known)
	if diff := cmp.Diff(there, known); diff != "" {
		t.Errorf("platforms (-components +preflight):\n%s", diff)
	}
}

// podless are those whom a policy trusts without a pod, each once.
func podless(p *policy.Policy) []string {
	var out []string
	for _, s := range p.Spec.Trusted {
		switch {
		case s.User != "":
			out = append(out, "user:"+s.User)
		case s.Group != "":
			out = append(out, "group:"+s.Group)
		case !ptr.Deref(s.PodBound, true):
			out = append(out, "user:system:serviceaccount:"+s.ServiceAccount.Namespace+":"+s.ServiceAccount.Name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func names(key string, u *policy.User) bool {
	group, isGroup := strings.CutPrefix(key, "group:")
	return key == "user:"+u.Name || isGroup && slices.Contains(u.Groups, group)
}

// somewhere is a user, or the account in each namespace that is trusted where it may be in any.
func somewhere(u policy.User, trusted []string) []policy.User {
	_, account, anywhere := strings.Cut(u.Name, "system:serviceaccount::")
	if !anywhere {
		return []policy.User{u}
	}
	var out []policy.User
	for _, key := range trusted {
		if ns, found := strings.CutSuffix(strings.TrimPrefix(key, "user:system:serviceaccount:"), ":"+account); found {
			out = append(out, minted(ns, account))
		}
	}
	return out
}

// enforced judges by the sample policy, with a platform's component or without, as if it enforced, and governed
// certificates as well.
func enforced(t *testing.T, component bool, name string) *preflighting {
	t.Helper()
	var components []string
	if component {
		components = append(components, name)
	}
	one, err := readDocument([]byte(withPlatforms(t, components...)), name)
	if err != nil {
		t.Fatal(err)
	}
	one[0].Spec.Mode, one[0].Spec.Match.ExcludeResources = v1alpha1.ModeEnforce, nil
	compiled, errs := policy.Compile(&one[0].ChangePolicy)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return &preflighting{now: noon, install: installation(), policies: []*policy.Policy{compiled}}
}
