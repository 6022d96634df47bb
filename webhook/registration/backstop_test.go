package registration

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

func TestTheBackstopIsWhatItWas(t *testing.T) {
	for name, in := range map[string][]*v1alpha1.ChangePolicy{
		"none": nil, "one": {changePolicy("cluster", nil)}, "three": threePolicies(),
	} {
		t.Run(name, func(t *testing.T) {
			p, binding, err := Backstop(serviceOptions(), compiled(t, in...))
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for _, o := range []any{p, binding} {
				raw, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				got = append(append(got, "---\n"...), raw...)
			}
			file := filepath.Join("testdata", "backstop-"+name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
			}
		})
	}
}

func TestTheBackstopDoesNotDependOnTheOrderOfPolicies(t *testing.T) {
	policies := compiled(t, threePolicies()...)
	a, _, err := Backstop(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(policies)
	b, _, err := Backstop(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Error(diff)
	}
}

// The authorizer is asked once, for the very thing that the webhook asks a
// SubjectAccessReview for, and not about who is in no group that may break glass.
func TestTheAuthorizerIsAskedWhatTheWebhookAsks(t *testing.T) {
	p, _, err := Backstop(serviceOptions(), compiled(t, changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
		s.BreakGlass = &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}}
	})))
	if err != nil {
		t.Fatal(err)
	}
	guard := newGuard(t, p)
	request := func(group string) *policy.Request {
		r := &policy.Request{Operation: policy.Delete, Namespace: "prod", Name: "web", Subresource: "",
			User: policy.User{Name: "alice", Groups: []string{group}}, Old: map[string]any{"metadata": map[string]any{"name": "web"}}}
		r.Resource.Group, r.Resource.Version, r.Resource.Resource, r.Kind.Kind = "apps", "v1", "deployments", "Deployment"
		return r
	}
	nobody := &rights{may: true}
	if got := guard.answers(t, plain(request("devs")), &corev1.Namespace{}, nobody); got.denied == "" || len(nobody.asked) > 0 {
		t.Errorf("of somebody in no group: asked %d times, %+v", len(nobody.asked), got)
	}
	for _, may := range []bool{true, false} {
		somebody := &rights{may: may}
		got := guard.answers(t, plain(request("oncall")), &corev1.Namespace{}, somebody)
		if (got.denied == "") != may || got.found != "policy cluster" {
			t.Errorf("who may is %t: %+v", may, got)
		}
		if len(somebody.asked) != 1 {
			t.Fatalf("asked %d times", len(somebody.asked))
		}
		a := somebody.asked[0]
		asked := []string{a.GetUser().GetName(), a.GetVerb(), a.GetAPIGroup(), a.GetResource(), a.GetSubresource(), a.GetNamespace(), a.GetName()}
		if diff := cmp.Diff([]string{"alice", "breakglass", "apps", "deployments", "", "prod", "web"}, asked); diff != "" {
			t.Errorf("what is asked (-want +got):\n%s", diff)
		}
	}
}

func BenchmarkTheBackstop(b *testing.B) {
	p, _, err := Backstop(serviceOptions(), mustCompile(b, changePolicy("cluster", nil)))
	if err != nil {
		b.Fatal(err)
	}
	guard := newGuard(b, p)
	for name, u := range map[string]policy.User{
		"a person":     {Name: "alice", Groups: []string{"devs"}},
		"a controller": {Name: accountPrefix + "widgets:operator", UID: "u-1", Extra: map[string][]string{policy.ExtraPodName: {"x"}, policy.ExtraPodUID: {"x"}, policy.ExtraCredentialID: {"x"}}},
		"the system":   {Name: "system:apiserver", UID: "u-1"},
		"git":          {Name: accountPrefix + "flux-system:kustomize-controller", UID: "u-1", Extra: map[string][]string{policy.ExtraPodName: {"x"}, policy.ExtraPodUID: {"x"}}},
	} {
		b.Run(name, func(b *testing.B) {
			r := &policy.Request{Operation: policy.Update, Namespace: "prod", Name: "web", User: u,
				Old:    map[string]any{"metadata": map[string]any{"name": "web"}, "data": map[string]any{"a": "b"}},
				Object: map[string]any{"metadata": map[string]any{"name": "web"}, "data": map[string]any{"a": "c"}}}
			r.Resource.Version, r.Resource.Resource, r.Kind.Kind = "v1", "configmaps", "ConfigMap"
			namespace := &corev1.Namespace{}
			for b.Loop() {
				guard.answers(b, plain(r), namespace, &rights{})
			}
		})
	}
}

func mustCompile(b *testing.B, in *v1alpha1.ChangePolicy) []*policy.Policy {
	b.Helper()
	p, errs := policy.Compile(in)
	if len(errs) > 0 {
		b.Fatal(errs.ToAggregate())
	}
	return []*policy.Policy{p}
}
