package registration

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// A namespace is not relabelled out of a policy that governs what is in namespaces, and not
// them.
func TestANamespaceDoesNotLeaveAPolicyThatDoesNotMatchNamespaces(t *testing.T) {
	strict := func(s *v1alpha1.ChangePolicySpec) {
		s.Match.Resources = []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"*"}}}
		s.Match.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}}
	}
	byName := func(s *v1alpha1.ChangePolicySpec) {
		strict(s)
		s.Match.ExcludeResources = []v1alpha1.ResourceRule{{APIGroups: []string{""}, Resources: []string{"namespaces"}}}
	}
	thisOne := func(s *v1alpha1.ChangePolicySpec) { strict(s); s.Match.ExcludeNamespaces = []string{"shop"} }
	for _, c := range []struct {
		name     string
		spec     func(*v1alpha1.ChangePolicySpec)
		was, now map[string]any
		leaves   bool
	}{
		{"another value", strict, map[string]any{"env": "prod"}, map[string]any{"env": "none"}, true},
		{"no label", strict, map[string]any{"env": "prod"}, map[string]any{}, true},
		{"another label", strict, map[string]any{"env": "prod"}, map[string]any{"env": "prod", "mine": "yes"}, false},
		{"into the policy", strict, map[string]any{"env": "none"}, map[string]any{"env": "prod"}, false},
		{"namespaces are left out by name", byName, map[string]any{"env": "prod"}, map[string]any{}, false},
		{"this one is left out by name", thisOne, map[string]any{"env": "prod"}, map[string]any{}, false},
	} {
		policies := compiled(t, changePolicy("strict", c.spec))
		p, _, err := Backstop(serviceOptions(), policies)
		if err != nil {
			t.Fatal(err)
		}
		backstop := newGuard(t, p)
		for user, u := range map[string]policy.User{"alice": {Name: "alice"}, "an operator": pod(accountPrefix + "widgets:operator")} {
			r := requested(policy.Update, "", "namespaces", "", "shop", "shop", map[string]any{})
			r.User, r.Object = u, map[string]any{"metadata": map[string]any{"name": "shop", "labels": c.now}}
			r.Old = map[string]any{"metadata": map[string]any{"name": "shop", "labels": c.was}}
			judged, stopped := bothJudge(t, backstop, policies, &r, nil)
			if (judged.Action == policy.Deny) != c.leaves || (stopped.denied != "") != c.leaves {
				t.Errorf("%s by %s: the judge says %s, the backstop %q", c.name, user, judged.Action, stopped.denied)
			}
		}
	}
}

// A controller takes a finalizer that git declared off what steers the sync while it lives,
// as Argo CD does to an Application whose deletion leaves what it made.
func TestAControllerTakesADeclaredFinalizerOffASteeringObject(t *testing.T) {
	policies := compiled(t, changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
		s.Steering = []v1alpha1.ResourceRule{{APIGroups: []string{"argoproj.io"}, Resources: []string{"*"}}}
	}))
	p, _, err := Backstop(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	backstop := newGuard(t, p)
	with := func(finalizers []any, owned map[string]any) map[string]any {
		return map[string]any{"spec": map[string]any{"project": "default"}, "metadata": map[string]any{"name": "shop", "finalizers": finalizers,
			"managedFields": []any{map[string]any{"manager": "kustomize-controller", "operation": "Apply", "apiVersion": "argoproj.io/v1alpha1", "fieldsType": "FieldsV1", "fieldsV1": owned}}}}
	}
	project := map[string]any{"f:project": map[string]any{}}
	declared := with([]any{"resources-finalizer.argocd.argoproj.io"}, map[string]any{"f:spec": project,
		"f:metadata": map[string]any{"f:finalizers": map[string]any{`v:"resources-finalizer.argocd.argoproj.io"`: map[string]any{}}}})
	taken := with([]any{}, map[string]any{"f:spec": project})
	repointed := runtime.DeepCopyJSON(taken)
	repointed["spec"].(map[string]any)["project"] = "mine"
	server := pod(accountPrefix + "argocd:argocd-server")
	for _, c := range []struct {
		name   string
		by     policy.User
		kind   string
		object map[string]any
		denied bool
	}{
		{"a controller", server, "applications", taken, false},
		{"a controller that changes more", server, "applications", repointed, true},
		{"a person", policy.User{Name: "alice"}, "applications", taken, true},
		{"a controller, of what does not steer", server, "elsewhere", taken, true},
	} {
		r := requested(policy.Update, "argoproj.io", c.kind, "", "argocd", "shop", map[string]any{})
		if c.kind == "elsewhere" {
			r.Resource.Group, r.Kind.Group = "example.com", "example.com"
		}
		r.User, r.Old, r.Object = c.by, declared, c.object
		judged, stopped := bothJudge(t, backstop, policies, &r, nil)
		if (judged.Action == policy.Deny) != c.denied || (stopped.denied != "") != c.denied {
			t.Errorf("%s: the judge says %s %s, the backstop %q", c.name, judged.Action, judged.Message, stopped.denied)
		}
	}
}

// Who holds the verb on a pod, a Service or a node reaches it by whatever port: the webhook
// asks about the bare name too.
func TestTheAuthorizerIsAskedForTheNameThatAProxyGoesTo(t *testing.T) {
	p, _, err := Backstop(serviceOptions(), compiled(t, changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
		s.BreakGlass = &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}}
		s.Operations.Proxy, s.Operations.Exec = v1alpha1.VerdictDeny, v1alpha1.VerdictDeny
	})))
	if err != nil {
		t.Fatal(err)
	}
	backstop := newGuard(t, p)
	for _, c := range []struct{ resource, sub, name string }{
		{"pods", "proxy", "web-0"}, {"pods", "proxy", "web-0:8443"}, {"pods", "proxy", "https:web-0:8443"}, {"pods", "proxy", "https:web-0:"},
		{"services", "proxy", ":web:http"}, {"services", "proxy", "ftp:web:21"}, {"services", "proxy", ":80"}, {"services", "proxy", "a:b:c:d"},
		{"nodes", "proxy", "https:n1:10250"}, {"pods", "exec", "web-0:8443"}, {"widgets", "proxy", "web-0:8443"},
	} {
		r := requested(policy.Connect, "", c.resource, c.sub, "prod", c.name, map[string]any{"path": "/run/x"})
		r.User = policy.User{Name: "oncall", Groups: []string{"oncall"}}
		asked := &rights{may: true}
		if got := backstop.answers(t, plain(&r), nil, asked); got.denied != "" || got.found == "" || len(asked.asked) != 1 {
			t.Errorf("%+v: %+v, asked %d times", c, got, len(asked.asked))
			continue
		}
		if diff := cmp.Diff(policy.Proxied("", c.resource, c.sub, c.name), asked.asked[0].GetName()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c, diff)
		}
	}
}
