package access

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Binding is how a subject came by a right.
type Binding struct {
	Kind string `json:"kind"` // RoleBinding or ClusterRoleBinding
	// Namespace of a RoleBinding.
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// RoleKind is Role or ClusterRole.
	RoleKind string `json:"roleKind"`
	Role     string `json:"role"`
}

// String names the binding and its role: ClusterRoleBinding/devs → ClusterRole/edit.
func (b Binding) String() string {
	name := b.Name
	if b.Namespace != "" {
		name = b.Namespace + "/" + name
	}
	return b.Kind + "/" + name + " → " + b.RoleKind + "/" + b.Role
}

// grant is the rules of one role, held by one subject through one binding.
type grant struct {
	subject Subject
	through Binding
	rules   []rbacv1.PolicyRule
}

// grants lists who holds which rules. A binding whose role is not there gives nothing.
func grants(o *Objects) []grant {
	cluster := map[string][]rbacv1.PolicyRule{}
	for i := range o.ClusterRoles {
		cluster[o.ClusterRoles[i].Name] = o.ClusterRoles[i].Rules
	}
	own := map[string][]rbacv1.PolicyRule{}
	for i := range o.Roles {
		own[o.Roles[i].Namespace+"/"+o.Roles[i].Name] = o.Roles[i].Rules
	}
	var out []grant
	add := func(b Binding, subjects []rbacv1.Subject, rules []rbacv1.PolicyRule) {
		var named []Subject
		for i := range subjects {
			s, ok := subjectOf(&subjects[i], b.Namespace)
			if ok && len(rules) > 0 && !slices.Contains(named, s) {
				named = append(named, s)
				out = append(out, grant{subject: s, through: b, rules: rules})
			}
		}
	}
	for i := range o.ClusterRoleBindings {
		b := &o.ClusterRoleBindings[i]
		add(Binding{Kind: "ClusterRoleBinding", Name: b.Name, RoleKind: b.RoleRef.Kind, Role: b.RoleRef.Name},
			b.Subjects, cluster[b.RoleRef.Name])
	}
	for i := range o.RoleBindings {
		b := &o.RoleBindings[i]
		rules := cluster[b.RoleRef.Name]
		if b.RoleRef.Kind == "Role" {
			rules = own[b.Namespace+"/"+b.RoleRef.Name]
		}
		add(Binding{Kind: "RoleBinding", Namespace: b.Namespace, Name: b.Name, RoleKind: b.RoleRef.Kind, Role: b.RoleRef.Name},
			b.Subjects, rules)
	}
	return out
}

// attributes are one question to RBAC.
type attributes struct {
	verb, group, resource, subresource string
	// namespace of the request: "" for a cluster-scoped resource. A namespace is in
	// itself (k8s.io/apiserver, RequestInfoFactory.NewRequestInfo), save its creation.
	namespace string
	name      string
}

// allows is RBAC's answer, as far as this grant goes.
func (g *grant) allows(a attributes) bool {
	return g.reaches(a.namespace) && slices.ContainsFunc(g.rules, func(r rbacv1.PolicyRule) bool {
		return has(r.Verbs, a.verb) && coversResource(&r, a.group, a.resource, a.subresource) &&
			(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, a.name))
	})
}

// reaches: a RoleBinding is asked for requests in its namespace, and no others.
func (g *grant) reaches(namespace string) bool {
	return g.through.Namespace == "" || g.through.Namespace == namespace
}

// coversResource: "*" is every resource and subresource, "*/scale" the subresource of
// each; "pods/*" is no pattern.
func coversResource(r *rbacv1.PolicyRule, group, resource, subresource string) bool {
	if !has(r.APIGroups, group) {
		return false
	}
	combined := resource
	if subresource != "" {
		combined += "/" + subresource
	}
	return slices.ContainsFunc(r.Resources, func(rule string) bool {
		return rule == rbacv1.ResourceAll || rule == combined || subresource != "" && rule == "*/"+subresource
	})
}

func has(list []string, s string) bool {
	return slices.Contains(list, s) || slices.Contains(list, "*")
}

// nameless: requests that name no object, so that a rule for named objects does not
// allow them. (A list with a field selector on the name does name one.)
func nameless(verb, subresource string) bool {
	return verb == "create" && subresource == "" || verb == "deletecollection"
}

// coverage is what a rule allows of a question about several verbs and any object:
// the verbs, and the names that it is limited to; nil: any.
func coverage(r *rbacv1.PolicyRule, q *question) (verbs, names []string) {
	if !coversResource(r, q.group, q.resource, q.subresource) {
		return nil, nil
	}
	if len(r.ResourceNames) > 0 {
		for _, name := range r.ResourceNames {
			if q.concerns == nil || q.concerns(name) {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return nil, nil
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	for _, verb := range q.verbs {
		if has(r.Verbs, verb) && (names == nil || !nameless(verb, q.subresource) || slices.Contains(names, "")) {
			verbs = append(verbs, verb)
		}
	}
	return verbs, names
}

// resourceName is how a person writes a resource: apps/deployments/scale.
func resourceName(group, resource, subresource string) string {
	parts := []string{resource}
	if group != "" {
		parts = []string{group, resource}
	}
	if subresource != "" {
		parts = append(parts, subresource)
	}
	return strings.Join(parts, "/")
}
