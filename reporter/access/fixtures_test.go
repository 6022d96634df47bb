package access

import (
	"cmp"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// shop is a cluster with a policy that enforces, for which gitops/sync carries git's
// changes and group oncall may break glass; nobody holds anything yet.
func shop(tweaks ...func(*Objects)) *Objects {
	all := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	o := &Objects{
		Install: policy.Installation{
			Namespace: "gitlatch-system", Webhook: "gitlatch-webhook", Applier: "gitlatch-applier", Reporter: "gitlatch-reporter",
		},
		Kinds: []Kind{
			{Resource: "configmaps", Namespaced: true, Verbs: all},
			{Resource: "namespaces", Verbs: []string{"create", "delete", "get", "list", "patch", "update", "watch"}},
			{Resource: "nodes", Verbs: all},
			{Resource: "pods", Namespaced: true, Verbs: all},
			{Resource: "pods", Subresource: "exec", Namespaced: true, Verbs: []string{"create", "get"}},
			{Resource: "pods", Subresource: "eviction", Namespaced: true, Verbs: []string{"create"}},
			{Resource: "events", Namespaced: true, Verbs: all},
			{Group: "apps", Resource: "deployments", Namespaced: true, Verbs: all},
			{Group: "apps", Resource: "deployments", Subresource: "scale", Namespaced: true, Verbs: []string{"get", "patch", "update"}},
			{Group: "certificates.k8s.io", Resource: "certificatesigningrequests", Verbs: all},
			{Group: "admissionregistration.k8s.io", Resource: "validatingwebhookconfigurations", Verbs: all},
			{Group: "gitlatch.dev", Resource: "changepolicies", Verbs: all},
			{Group: "gitlatch.dev", Resource: "changerecords", Verbs: all},
			{Group: "gitlatch.dev", Resource: "changerecords", Subresource: "status", Verbs: []string{"get", "patch", "update"}},
			{Group: "gitlatch.dev", Resource: "gitsyncs", Namespaced: true, Verbs: all},
		},
		Namespaces: []Namespace{{Name: "gitops"}, {Name: "gitlatch-system"}, {Name: "kube-node-lease"}, {Name: "prod"}},
		Policies: []v1alpha1.ChangePolicy{{
			ObjectMeta: metav1.ObjectMeta{Name: "cluster"},
			Spec: v1alpha1.ChangePolicySpec{
				Mode: v1alpha1.ModeEnforce,
				Match: v1alpha1.Match{
					ExcludeNamespaces: []string{"kube-node-lease"},
					ExcludeResources:  []v1alpha1.ResourceRule{{APIGroups: []string{"certificates.k8s.io"}, Resources: []string{"*"}}},
				},
				Objects: v1alpha1.ScopeDeclared, Fields: v1alpha1.ScopeDeclared,
				Sync: []v1alpha1.SyncIdentity{{
					Subject:       v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "gitops", Name: "sync"}},
					FieldManagers: []string{"sync"},
				}},
				Operations: v1alpha1.Operations{Exec: v1alpha1.VerdictFlag},
				BreakGlass: &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}},
			},
		}},
	}
	for _, tweak := range tweaks {
		tweak(o)
	}
	return o
}

// everywhere binds a ClusterRole of these rules to a subject, in the whole cluster.
func everywhere(subject string, rules ...rbacv1.PolicyRule) func(*Objects) {
	return func(o *Objects) {
		role := clusterRole(o, rules)
		o.ClusterRoleBindings = append(o.ClusterRoleBindings, rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role}, Subjects: []rbacv1.Subject{named(subject)},
		})
	}
}

// in binds it in one namespace.
func in(namespace, subject string, rules ...rbacv1.PolicyRule) func(*Objects) {
	return func(o *Objects) {
		role := clusterRole(o, rules)
		o.RoleBindings = append(o.RoleBindings, rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: role},
			RoleRef:    rbacv1.RoleRef{Kind: "ClusterRole", Name: role}, Subjects: []rbacv1.Subject{named(subject)},
		})
	}
}

func clusterRole(o *Objects, rules []rbacv1.PolicyRule) string {
	name := "role-" + string(rune('a'+len(o.ClusterRoles)))
	o.ClusterRoles = append(o.ClusterRoles, rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules})
	return name
}

func named(text string) rbacv1.Subject {
	s, err := ParseSubject(text)
	if err != nil {
		panic(err)
	}
	out := rbacv1.Subject{Kind: s.Kind, Namespace: s.Namespace, Name: s.Name}
	if s.Kind != rbacv1.ServiceAccountKind {
		out.APIGroup = rbacv1.GroupName
	}
	return out
}

// may is a rule: verbs on group/resource, limited to names.
func may(verbs []string, group, resource string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: verbs, APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names}
}

func verbs(list ...string) []string { return list }

func admin() rbacv1.PolicyRule { return may(verbs("*"), "*", "*") }

// line is a finding without its words.
type line struct {
	Who    string
	Act    Act
	Gate   string // open, held, or who expects it
	Where  string
	Rights []string
}

func lines(found []Finding) []line {
	var out []line
	for _, f := range found {
		l := line{Who: f.Subject.String(), Act: f.Act, Gate: "open", Where: cmp.Or(f.Namespace, "everywhere")}
		if f.Held {
			l.Gate = "held"
		}
		if f.Expected != "" {
			l.Gate = f.Expected
		}
		for i := range f.Rights {
			l.Rights = append(l.Rights, f.Rights[i].String())
		}
		out = append(out, l)
	}
	return out
}
