package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// The roles of manifests/default/25-people-rights.yaml.
const (
	roleViewer        = "gitlatch-viewer"
	roleOperator      = "gitlatch-operator"
	roleBreakGlass    = "gitlatch-breakglass"
	roleAdministrator = "gitlatch-administrator"
)

// say is what a finding means, and what to bind instead.
func (j *judge) say(f *Finding) (message, instead string) {
	var rights []string
	for i := range f.Rights {
		rights = append(rights, f.Rights[i].String())
	}
	message = means(f) + ": " + some(rights, "rights")
	switch {
	case f.Expected != "":
		return message, "nothing: " + f.Expected
	case f.Held && f.Act == ActWrite && f.Subject.Kind == rbacv1.ServiceAccountKind:
		message += "; its pod may go on writing what git did not declare, where the policy lets controllers"
	}
	return message, instruction(f)
}

func means(f *Finding) string {
	switch f.Act {
	case ActGate:
		return "edits what the gate consists of, of which no webhook is asked"
	case ActImpersonate:
		if f.Held {
			return "acts under another name, which the gate judges as a person"
		}
		return "acts under a name that the gate believes"
	case ActToken:
		return "takes a token of an account that the gate lets through"
	case ActPod:
		return "gets into a pod of an account that the gate lets through, or makes one"
	case ActBreakGlass:
		if f.Held {
			return "holds the verb breakglass, and is on no policy's list by itself"
		}
		return "breaks glass"
	case ActGrant:
		return "gives itself rights that it does not hold"
	case ActPolicy:
		return "edits policies, syncs or records"
	}
	return "writes what git declares"
}

// instruction is the narrower role.
func instruction(f *Finding) string {
	wide := slices.ContainsFunc(f.Rights, func(r Right) bool { return len(r.Names) == 0 })
	switch f.Act {
	case ActGate:
		return "bind view and " + roleViewer + ", with " + roleBreakGlass + " for emergencies; a tool gets resourceNames of its own configurations; " +
			roleAdministrator + " keeps this right, so keep its holders few"
	case ActImpersonate:
		if wide {
			return "bind " + roleAdministrator + ", which can't impersonate; where it must be, list resourceNames, and leave uids and userextras out"
		}
		return "take users, groups and accounts that the policies name out of resourceNames"
	case ActToken:
		return "bind a role without serviceaccounts/token, or with resourceNames of other accounts"
	case ActPod:
		return "bind by RoleBindings in other namespaces, without nodes/proxy; a token or a shell that was taken while the gate was away stays"
	case ActBreakGlass:
		return "bind " + roleBreakGlass + " by a RoleBinding in the namespaces that it is for, to a group on the policy's list"
	case ActGrant:
		return "bind " + roleAdministrator + ", which has neither escalate nor bind"
	case ActPolicy:
		return "bind " + roleViewer + ", or " + roleOperator + " to ask for syncs and suspend them"
	}
	if f.Subject.Kind == rbacv1.ServiceAccountKind {
		return "bind a role with the kinds and namespaces that it writes, and no \"*\""
	}
	return "bind view and " + roleViewer + ", with " + roleBreakGlass + " for emergencies; " + roleAdministrator + " where every right on objects is needed"
}

// notes say what RBAC can't tell, each once.
func notes(j *judge, all []grant, r *Report) []string {
	out := []string{
		"group " + groupMasters + " may do everything: the API server asks no authorizer about it; who is in it, by certificate or identity provider, is not to be read here",
		"who is in a group is not to be read here either; a group's rights are its members'",
		"other authorizers (Node, Webhook, ABAC) may allow more; this is RBAC alone",
	}
	switch {
	case len(j.policies) == 0:
		out = append(out, "no policy governs anything: the gate holds nobody back, and all that could be governed counts")
	case !r.Enforced:
		out = append(out, "no policy enforces: the gate records, and holds nobody back")
	default:
		out = append(out, "what is held back is held while the gate is shut: kubectl gitlatch status tells whether it is")
	}
	if j.objects.Namespaces == nil {
		out = append(out, "the namespaces could not be listed: every one counts as governed that could be")
	}
	for _, group := range slices.Sorted(maps.Keys(j.groups)) {
		listed := Subject{Kind: rbacv1.GroupKind, Name: group}
		if group == groupMasters || slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Subject == listed && f.Act == ActBreakGlass }) {
			continue
		}
		out = append(out, "group "+group+" is on a policy's list for break-glass, and holds the verb breakglass through no binding of its own")
	}
	return append(out, dangling(j.objects)...)
}

// dangling bindings give nothing today, and whatever the role says that somebody makes
// tomorrow.
func dangling(o *Objects) []string {
	there := map[string]bool{}
	for i := range o.ClusterRoles {
		there["ClusterRole/"+o.ClusterRoles[i].Name] = true
	}
	for i := range o.Roles {
		there["Role/"+o.Roles[i].Namespace+"/"+o.Roles[i].Name] = true
	}
	var out []string
	missing := func(b Binding) {
		key := b.RoleKind + "/" + b.Role
		if b.RoleKind == "Role" {
			key = "Role/" + b.Namespace + "/" + b.Role
		}
		if !there[key] {
			out = append(out, b.String()+": the role is not there, and whoever makes it decides what it gives")
		}
	}
	for i := range o.ClusterRoleBindings {
		b := &o.ClusterRoleBindings[i]
		missing(Binding{Kind: "ClusterRoleBinding", Name: b.Name, RoleKind: b.RoleRef.Kind, Role: b.RoleRef.Name})
	}
	for i := range o.RoleBindings {
		b := &o.RoleBindings[i]
		missing(Binding{Kind: "RoleBinding", Namespace: b.Namespace, Name: b.Name, RoleKind: b.RoleRef.Kind, Role: b.RoleRef.Name})
	}
	slices.Sort(out)
	return out
}

// count says how many, in words.
func count(n int, what string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", strings.TrimSuffix(what, "s"))
	}
	return fmt.Sprintf("%d %s", n, what)
}
