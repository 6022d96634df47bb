package registration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// requested is a request to create something, or to connect to it.
func requested(operation policy.Operation, group, resource, sub, namespace, name string, object map[string]any) policy.Request {
	if operation != policy.Connect {
		object["metadata"] = map[string]any{"name": name}
	}
	return policy.Request{
		Operation: operation, Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}, Final: true,
		Kind: schema.GroupVersionKind{Group: group, Version: "v1", Kind: resource}, Subresource: sub, Namespace: namespace, Name: name, Object: object,
	}
}

// keeperPolicies trust a platform: users and accounts, one of them in a group that is a
// sync, one beside the gate and one of the control plane, and a keeper of everything.
func keeperPolicies(t *testing.T) []*policy.Policy {
	t.Helper()
	everything := []v1alpha1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}}}
	trust := func(s v1alpha1.Subject, fields ...string) v1alpha1.TrustedSubject {
		return v1alpha1.TrustedSubject{Subject: s, Resources: everything, Fields: fields}
	}
	unbound := func(namespace, name string) v1alpha1.Subject {
		no := false
		return v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: namespace, Name: name}, PodBound: &no}
	}
	return compiled(t, changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
		s.Sync = append(s.Sync, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: "system:serviceaccounts:ci"}, FieldManagers: []string{"ci"}},
			v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{User: "robot"}, FieldManagers: []string{"robot"}})
		s.Trusted = []v1alpha1.TrustedSubject{
			trust(v1alpha1.Subject{Group: "system:ovn-nodes"}), trust(v1alpha1.Subject{Group: "system:serviceaccounts:machines"}),
			trust(unbound("net", "plugin")), trust(unbound("ci", "plugin")), trust(unbound("gitlatch-system", "plugin")), trust(unbound("kube-system", "job-controller")),
			trust(v1alpha1.Subject{User: "keeper"}), trust(v1alpha1.Subject{User: "labeller"}, "metadata.labels"),
		}
	}))
}

// Whom a policy trusts with a kind keeps the bindings and tokens of trusted identities, with the webhook and without, and
// those of nobody else; a person keeps none, with either.
func TestWhoKeepsAPlatformInOrderIsNotStoppedByTheBackstop(t *testing.T) {
	policies := keeperPolicies(t)
	p, _, err := Backstop(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	backstop := newGuard(t, p)
	token := func(namespace, name string, bound ...string) policy.Request {
		spec := map[string]any{}
		for _, kind := range bound {
			spec["boundObjectRef"] = map[string]any{"kind": kind, "name": "x"}
		}
		return requested(policy.Create, "", "serviceaccounts", "token", namespace, name, map[string]any{"spec": spec})
	}
	binding := func(kind, namespace, name string) policy.Request {
		return requested(policy.Create, "rbac.authorization.k8s.io", "clusterrolebindings", "", "", "x",
			map[string]any{"subjects": []any{map[string]any{"kind": kind, "namespace": namespace, "name": name}}})
	}
	workload := func(namespace, account string) policy.Request {
		return requested(policy.Create, "apps", "deployments", "", namespace, "x",
			map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"serviceAccountName": account}}}})
	}
	for _, c := range []struct {
		name  string
		r     policy.Request
		keeps bool
	}{
		{"a binding of a trusted group", binding("Group", "", "system:ovn-nodes"), true},
		{"a binding of an account in a trusted group", binding("ServiceAccount", "machines", "bootstrapper"), true},
		{"a trusted account's token", token("net", "plugin"), true},
		{"the token of an account in a trusted group", token("machines", "bootstrapper"), true},
		{"a trusted account's workload", workload("net", "plugin"), true},

		{"the sync's token", token("flux-system", "kustomize-controller"), false},
		{"the sync's token, bound to a pod", token("flux-system", "kustomize-controller", "Pod"), false},
		{"a trusted account's token, bound to a pod", token("net", "plugin", "Pod"), false},
		{"any account's token, bound to a pod", token("prod", "app", "POD"), false},
		{"the token of a component", token("gitlatch-system", "gitlatch-webhook"), false},
		{"the token of a component, bound to a pod", token("gitlatch-system", "gitlatch-webhook", "Pod"), false},
		{"the token of a trusted account beside the gate", token("gitlatch-system", "plugin"), false},
		{"the token of a controller of the control plane", token("kube-system", "deployment-controller"), false},
		{"the token of one that is trusted too", token("kube-system", "job-controller"), false},
		{"the token of a trusted account whose group is a sync", token("ci", "plugin"), false},
		{"the token of any account whose group is a sync", token("ci", "other"), false},
		{"a workload of the sync", workload("flux-system", "kustomize-controller"), false},
		{"a workload of an account whose group is a sync", workload("ci", "plugin"), false},
		{"a workload of a component", workload("gitlatch-system", "gitlatch-webhook"), false},
		{"a binding of the sync", binding("ServiceAccount", "flux-system", "kustomize-controller"), false},
		{"a binding of an account whose group is a sync", binding("ServiceAccount", "ci", "plugin"), false},
		{"a binding of the group that is a sync", binding("Group", "", "system:serviceaccounts:ci"), false},
		{"a binding of a sync user", binding("User", "", "robot"), false},
		{"a binding of a component", binding("ServiceAccount", "gitlatch-system", "gitlatch-webhook"), false},
		{"the kubelet's exec", requested(policy.Connect, "", "nodes", "proxy", "", "n1", map[string]any{"path": "/exec/x/y/z"}), false},
		{"the kubelet's checkpoint", requested(policy.Connect, "", "nodes", "proxy", "", "n1", map[string]any{"path": "checkpoint/x/y/z"}), false},
		{"a Service beside the sync", requested(policy.Connect, "", "services", "proxy", "flux-system", "x", map[string]any{}), false},
	} {
		for user, keeps := range map[string]bool{"keeper": c.keeps, "labeller": false, "alice": false} {
			r := c.r
			r.User = policy.User{Name: user, Groups: []string{"system:authenticated"}}
			judged, stopped := bothJudge(t, backstop, policies, &r, nil)
			if (judged.Action == policy.Allow) != keeps || (stopped.denied == "") != keeps {
				t.Errorf("%s by %s: the judge says %s, the backstop %q", c.name, user, judged.Action, stopped.denied)
			}
			if !keeps && judged.Class != v1alpha1.ClassCredential {
				t.Errorf("%s by %s is of class %s: %s", c.name, user, judged.Class, judged.Message)
			}
		}
	}
}

// bothJudge asks the judge and the backstop. labels are those of the request's namespace.
func bothJudge(t *testing.T, backstop *guard, policies []*policy.Policy, r *policy.Request, labels map[string]string) (policy.Decision, answer) {
	t.Helper()
	if labels == nil {
		labels = map[string]string{}
	}
	judged := policy.Decide(r, policies, &policy.Facts{Install: serviceOptions().Install, WindowsLive: true, BreakGlass: policy.Unauthorized, NamespaceLabels: labels})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace, Labels: labels}}
	return judged, backstop.answers(t, plain(r), namespace, &rights{})
}
