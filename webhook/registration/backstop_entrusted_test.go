package registration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Whom a policy trusts with a kind keeps the bindings and tokens of trusted identities, with the webhook and without; a
// person does not, with either.
func TestWhoKeepsAPlatformInOrderIsNotStoppedByTheBackstop(t *testing.T) {
	everything := []v1alpha1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}}}
	unbound := false
	policies := compiled(t, changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
		s.Trusted = []v1alpha1.TrustedSubject{
			{Subject: v1alpha1.Subject{Group: "system:ovn-nodes"}, Resources: everything},
			{Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "net", Name: "plugin"}, PodBound: &unbound}, Resources: everything},
			{Subject: v1alpha1.Subject{User: "keeper"}, Resources: everything},
			{Subject: v1alpha1.Subject{User: "labeller"}, Resources: everything, Fields: []string{"metadata.labels"}},
		}
	}))
	p, _, err := Backstop(serviceOptions(), policies)
	if err != nil {
		t.Fatal(err)
	}
	backstop := newGuard(t, p)
	request := func(group, resource, kind, sub, namespace, name string, object map[string]any) policy.Request {
		object["metadata"] = map[string]any{"name": name}
		return policy.Request{
			Operation: policy.Create, Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}, Final: true,
			Kind: schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind}, Subresource: sub, Namespace: namespace, Name: name, Object: object,
		}
	}
	for name, r := range map[string]policy.Request{
		"a binding": request("rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", "", "", "x",
			map[string]any{"subjects": []any{map[string]any{"kind": "Group", "name": "system:ovn-nodes"}}}),
		"a token": request("", "serviceaccounts", "ServiceAccount", "token", "net", "plugin", map[string]any{"spec": map[string]any{}}),
		"a workload": request("apps", "deployments", "Deployment", "", "net", "x",
			map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"serviceAccountName": "plugin"}}}}),
	} {
		for user, keeps := range map[string]bool{"keeper": true, "labeller": false, "alice": false} {
			r.User = policy.User{Name: user, Groups: []string{"system:authenticated"}}
			judged := policy.Decide(&r, policies, &policy.Facts{Install: serviceOptions().Install, WindowsLive: true, BreakGlass: policy.Unauthorized, NamespaceLabels: map[string]string{}})
			stopped := backstop.answers(t, plain(&r), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}}, &rights{})
			if (judged.Action == policy.Allow) != keeps || (stopped.denied == "") != keeps {
				t.Errorf("%s by %s: the judge says %s, the backstop %q", name, user, judged.Action, stopped.denied)
			}
		}
	}
}
