package policy

import (
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// entrusting adds a platform: users and accounts that are trusted, and an operator that keeps them in order. A sync is a
// group, which one of the accounts is in.
func entrusting(operator v1alpha1.TrustedSubject) tweak {
	pods := []v1alpha1.ResourceRule{{APIGroups: []string{""}, Resources: []string{"pods"}}}
	unbound := false
	return spec(func(s *v1alpha1.ChangePolicySpec) {
		s.Trusted = append(s.Trusted,
			v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{User: "platform"}, Resources: pods},
			v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{Group: "system:networkers"}, Resources: pods},
			v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "net", Name: "plugin"}, PodBound: &unbound}, Resources: pods},
			v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "ci", Name: "plugin"}, PodBound: &unbound}, Resources: pods},
			v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "kube-system", Name: "job-controller"}}, Resources: pods},
			operator)
		s.Sync = append(s.Sync, v1alpha1.SyncIdentity{Subject: v1alpha1.Subject{Group: "system:serviceaccounts:ci"}, FieldManagers: []string{"ci"}})
	})
}

func keeper(kinds []v1alpha1.ResourceRule, fields ...string) v1alpha1.TrustedSubject {
	return v1alpha1.TrustedSubject{Subject: v1alpha1.Subject{User: "keeper"}, Resources: kinds, Fields: fields}
}

func everyKind() []v1alpha1.ResourceRule {
	return []v1alpha1.ResourceRule{{APIGroups: []string{"*"}, Resources: []string{"*"}}}
}

// keeping are acts by which a platform keeps its own in order, and acts that lead further.
func keeping() map[string]struct {
	when  []tweak
	keeps bool
} {
	binds := func(subject string) []tweak {
		return []tweak{of(rbacGroup, "v1", "clusterrolebindings", "ClusterRoleBinding"), named("", "x"), creates(`{subjects: [` + subject + `]}`)}
	}
	token := func(ns, account, options string) []tweak {
		return []tweak{of("", "v1", "serviceaccounts", "ServiceAccount"), named(ns, account), creates(options), sub("token")}
	}
	const client, kubelet = "kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"
	type kept = struct {
		when  []tweak
		keeps bool
	}
	return map[string]kept{
		"binds a trusted user":           {binds(`{kind: User, name: platform}`), true},
		"binds a trusted group":          {binds(`{kind: Group, name: "system:networkers"}`), true},
		"binds a trusted account":        {binds(`{kind: ServiceAccount, namespace: net, name: plugin}`), true},
		"a trusted account's token":      {token("net", "plugin", `{spec: {}}`), true},
		"a trusted account's Deployment": {[]tweak{named("net", "x"), creates(`{spec: {template: {spec: {serviceAccountName: plugin}}}}`)}, true},
		"a node's certificate":           {asksFor(kubelet, csrOf("system:node:n1", "system:nodes")), true},
		"a trusted user's certificate":   {asksFor(client, csrOf("platform", "devs")), true},
		"a trusted group's certificate":  {asksFor(client, csrOf("system:networker:n1", "system:networkers")), true},

		"a trusted account's token that is bound to a pod": {token("net", "plugin", `{spec: {boundObjectRef: {kind: Pod, name: x}}}`), false},
		"binds the sync":                                              {binds(`{kind: ServiceAccount, namespace: flux-system, name: kustomize-controller}`), false},
		"binds a sync user":                                           {binds(`{kind: User, name: robot}`), false},
		"the sync's token":                                            {token("flux-system", "kustomize-controller", `{spec: {}}`), false},
		"a controller's token":                                        {token("kube-system", "generic-garbage-collector", `{spec: {}}`), false},
		"a component's token":                                         {token("gitlatch-system", "gitlatch-webhook", `{spec: {}}`), false},
		"a certificate of the masters":                                {asksFor(client, csrOf("x", "system:masters")), false},
		"a certificate of a control plane":                            {asksFor(client, csrOf("system:kube-controller-manager")), false},
		"a certificate of an account":                                 {asksFor(client, csrOf("system:serviceaccount:flux-system:kustomize-controller")), false},
		"a certificate of all accounts":                               {asksFor(client, csrOf("x", "system:serviceaccounts")), false},
		"a certificate of a sync user":                                {asksFor(client, csrOf("robot")), false},
		"a certificate of a sync user in a trusted group":             {asksFor(client, csrOf("robot", "system:networkers")), false},
		"a node's certificate by the signer of any subject":           {asksFor(client, csrOf("system:node:n1", "system:nodes")), false},
		"a certificate of the nodes beside another group":             {asksFor(client, csrOf("x", "system:nodes", "admins")), false},
		"a node's certificate beside another group":                   {asksFor(kubelet, csrOf("system:node:n1", "system:nodes", "admins")), false},
		"a node's name alone":                                         {asksFor(client, csrOf("system:node:n1")), false},
		"a node's name in a trusted group":                            {asksFor(client, csrOf("system:node:n1", "system:networkers")), false},
		"a user of the system in no trusted group":                    {asksFor(client, csrOf("system:admin")), false},
		"a group of the system that is not trusted":                   {asksFor(client, csrOf("x", "system:monitoring")), false},
		"a group of the system beside a trusted one":                  {asksFor(client, csrOf("system:networker:n1", "system:networkers", "system:monitoring")), false},
		"a certificate of the masters by the kubelet's signer":        {asksFor(kubelet, csrOf("system:node:n1", "system:masters")), false},
		"a token of a trusted account whose group is a sync":          {token("ci", "plugin", `{spec: {}}`), false},
		"a Pod of a trusted account whose group is a sync":            {[]tweak{of("", "v1", "pods", "Pod"), named("ci", "x"), creates(`{spec: {serviceAccountName: plugin}}`)}, false},
		"binds a trusted account whose group is a sync":               {binds(`{kind: ServiceAccount, namespace: ci, name: plugin}`), false},
		"the token of a control-plane controller that is trusted too": {token("kube-system", "job-controller", `{spec: {}}`), false},
		"a certificate that can't be read":                            {asksFor(client, "!"), false},
		"the sync's Deployment":                                       {[]tweak{named("flux-system", "x"), creates(`{spec: {template: {spec: {serviceAccountName: kustomize-controller}}}}`)}, false},
	}
}

func TestWhoIsTrustedWithAKindKeepsThePlatformInOrder(t *testing.T) {
	by := by(User{Name: "keeper", Groups: []string{"system:authenticated"}})
	for name, k := range keeping() {
		whole := newScene(append([]tweak{withOthers, entrusting(keeper(everyKind())), by}, k.when...)...).decide(t)
		if kept := whole.Action == Allow; kept != k.keeps || !kept && whole.Class != v1alpha1.ClassCredential {
			t.Errorf("%s: %s %s: %s", name, whole.Action, whole.Class, whole.Message)
		}
		if !k.keeps {
			continue
		}
		for how, operator := range map[string]v1alpha1.TrustedSubject{
			"with some fields only":   keeper(everyKind(), "metadata.annotations"),
			"with another kind":       keeper([]v1alpha1.ResourceRule{{APIGroups: []string{"example.org"}, Resources: []string{"*"}}}),
			"as somebody else":        {Subject: v1alpha1.Subject{User: "other"}, Resources: everyKind()},
			"as an account of a name": {Subject: v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "net", Name: "keeper"}}, Resources: everyKind()},
		} {
			got := newScene(append([]tweak{withOthers, entrusting(operator), by}, k.when...)...).decide(t)
			if got.Action != Deny || got.Class != v1alpha1.ClassCredential {
				t.Errorf("%s, trusted %s: %s %s: %s", name, how, got.Action, got.Class, got.Message)
			}
		}
	}
}
