package webhook

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// TestUndecidedDeletionOfWhatHoldsOthers: with a namespace or a CRD goes what it
// holds, so that its deletion is governed where that is, as the judge has it.
func TestUndecidedDeletionOfWhatHoldsOthers(t *testing.T) {
	only := func(group, resource string) []v1alpha1.ResourceRule {
		return []v1alpha1.ResourceRule{{APIGroups: []string{group}, Resources: []string{resource}}}
	}
	no := false
	apps := v1alpha1.Match{Resources: only("apps", "*"), ClusterScoped: &no, ExcludeNamespaces: []string{"scratch"}}
	req := func(operation policy.Operation, group, resource, name string) *policy.Request {
		r := &policy.Request{Operation: operation, Name: name, Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}}
		if resource == "namespaces" {
			r.Namespace = name
		}
		return r
	}
	const crds = "customresourcedefinitions"
	status := req(policy.Delete, "", "namespaces", "prod")
	status.Subresource = "status"
	for _, tt := range []struct {
		name  string
		match v1alpha1.Match
		req   *policy.Request
		want  policy.Action
	}{
		{name: "a namespace", match: apps, req: req(policy.Delete, "", "namespaces", "prod"), want: policy.Deny},
		{name: "a namespace that the policy excludes", match: apps, req: req(policy.Delete, "", "namespaces", "scratch"), want: policy.Allow},
		{name: "a namespace, where the policy excludes namespaces", want: policy.Allow, req: req(policy.Delete, "", "namespaces", "prod"),
			match: v1alpha1.Match{Resources: only("apps", "*"), ExcludeResources: only("", "namespaces")}},
		{name: "a namespace by an operation that is not known", match: apps, req: req("", "", "namespaces", "prod"), want: policy.Deny},
		{name: "a namespace's update", match: apps, req: req(policy.Update, "", "namespaces", "prod"), want: policy.Allow},
		{name: "a subresource", match: apps, req: status, want: policy.Allow},
		{name: "a CRD whose objects are governed", match: v1alpha1.Match{Resources: only("example.com", "widgets"), ClusterScoped: &no},
			req: req(policy.Delete, "apiextensions.k8s.io", crds, "widgets.example.com"), want: policy.Deny},
		{name: "a CRD whose objects are not governed", match: apps, req: req(policy.Delete, "apiextensions.k8s.io", crds, "widgets.example.com"), want: policy.Allow},
		{name: "a CRD whose objects are excluded", match: v1alpha1.Match{ExcludeResources: only("example.com", "*"), ClusterScoped: &no},
			req: req(policy.Delete, "apiextensions.k8s.io", crds, "widgets.example.com"), want: policy.Allow},
		{name: "a CRD, where clusterScoped is false", match: v1alpha1.Match{ClusterScoped: &no},
			req: req(policy.Delete, "apiextensions.k8s.io", crds, "widgets.example.com"), want: policy.Deny},
		{name: "a CRD whose name was cut off", match: apps, req: req(policy.Delete, "apiextensions.k8s.io", crds, ""), want: policy.Deny},
		{name: "another cluster-scoped object", match: apps, req: req(policy.Delete, "", "nodes", "node-1"), want: policy.Allow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := policyIn(t, v1alpha1.ModeEnforce, func(s *v1alpha1.ChangePolicySpec) { s.Match = tt.match })
			if d := undecide(tt.req, []*policy.Policy{p}, true, policy.Installation{}, errShed); d.Action != tt.want {
				t.Errorf("got %v, want %v", d.Action, tt.want)
			}
		})
	}
}

// TestUndecidedWaysToBecomeSomebody: they are judged whatever a policy matches, so
// what can't be judged is denied there too.
func TestUndecidedWaysToBecomeSomebody(t *testing.T) {
	p := policyIn(t, v1alpha1.ModeEnforce, func(s *v1alpha1.ChangePolicySpec) {
		s.Match.Resources = []v1alpha1.ResourceRule{{APIGroups: []string{"apps"}, Resources: []string{"daemonsets"}}}
		s.Match.ExcludeNamespaces = []string{"kube-system"}
	})
	req := func(group, resource, subresource, namespace string) *policy.Request {
		return &policy.Request{Operation: policy.Create, Subresource: subresource, Namespace: namespace, Name: "x",
			Resource: schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}}
	}
	for _, tt := range []struct {
		name string
		req  *policy.Request
		want policy.Action
	}{
		{"a token", req("", "serviceaccounts", "token", "prod"), policy.Deny},
		{"a client certificate", req("certificates.k8s.io", "certificatesigningrequests", "", ""), policy.Deny},
		{"a pod where the controllers' accounts live", req("", "pods", "", "kube-system"), policy.Deny},
		{"a pod elsewhere", req("", "pods", "", "prod"), policy.Allow},
		{"a ConfigMap", req("", "configmaps", "", "kube-system"), policy.Allow},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := undecide(tt.req, []*policy.Policy{p}, true, policy.Installation{Namespace: "gitlatch-system"}, errStarting)
			if d.Action != tt.want {
				t.Errorf("%s, want %s", d.Action, tt.want)
			}
		})
	}
}
