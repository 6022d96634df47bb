package access

import (
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

/*
Impersonation is no admission request: the gate sees whom it comes to, and whether
that is proven. A plain --as shows neither uid nor extra, and is judged as a person.
What makes it a pose that the gate believes (policy/identity.go):

	a sync identity    its account, with the extra gitlatch.dev/sync; or with uid, pod-name and pod-uid;
	                   by name alone where the policy says impersonated, or names a user or a group
	the control plane  its account with uid and credential-id; its user with either
	a trusted one      its user or group by name alone
	break-glass        a group on a policy's list, or system:masters

And whoever may take any user, group or account may take one of those who hold such a
right themselves. Verbs: k8s.io/apiserver, filters/impersonation; the ones with a colon
are constrained impersonation (KEP-5284, on by default from 1.36).
*/

const userExtras = "userextras"

// impersonateQuestions: the extras that are proof, and whichever a rule names.
func (j *judge) impersonateQuestions() []question {
	extras := map[string]bool{
		policy.ExtraPodName: true, policy.ExtraPodUID: true, policy.ExtraCredentialID: true, v1alpha1.ExtraSync: true,
	}
	for i := range j.objects.ClusterRoles {
		for _, rule := range j.objects.ClusterRoles[i].Rules {
			for _, resource := range rule.Resources {
				if key, ok := strings.CutPrefix(resource, userExtras+"/"); ok {
					extras[key] = true
				}
			}
		}
	}
	plain := question{act: ActImpersonate, verbs: []string{"impersonate"}, answer: open}
	told := question{act: ActImpersonate, verbs: []string{"impersonate:user-info"}, group: authGroup, explicit: true, answer: open}
	var out []question
	add := func(q question, group, resource, subresource string) {
		q.group, q.resource, q.subresource = group, resource, subresource
		out = append(out, q)
	}
	for _, resource := range []string{"users", "groups"} {
		add(plain, coreGroup, resource, "")
		add(told, authGroup, resource, "")
	}
	for _, q := range []question{plain, told} {
		add(q, authGroup, "uids", "")
		for _, key := range slices.Sorted(maps.Keys(extras)) {
			add(q, authGroup, userExtras, key)
		}
	}
	plain.anywhere = true
	add(plain, coreGroup, "serviceaccounts", "")
	told.anywhere, told.verbs = true, []string{"impersonate:serviceaccount"}
	add(told, authGroup, "serviceaccounts", "")
	told.anywhere, told.verbs = false, []string{"impersonate:arbitrary-node", "impersonate:associated-node"}
	add(told, authGroup, "nodes", "")
	return out
}

// poses is whom a subject may take, over all its bindings.
type poses struct {
	users, groups names
	accounts      map[string]*names // by namespace; "" is every namespace
	uids          bool
	extras        map[string]bool
}

// names are limited to a list, or any.
type names struct {
	any  bool
	list []string
}

func (n *names) add(limited []string) {
	n.any = n.any || limited == nil
	n.list = append(n.list, limited...)
}

func (p *poses) take(q *question, namespace string, limited []string) {
	switch q.resource {
	case "users":
		p.users.add(limited)
	case "groups":
		p.groups.add(limited)
	case "uids":
		p.uids = true
	case userExtras:
		p.extras[q.subresource] = true
	case "serviceaccounts":
		if p.accounts[namespace] == nil {
			p.accounts[namespace] = &names{}
		}
		p.accounts[namespace].add(limited)
	}
}

// believed says whether what one right gives is believed by the gate, beside the
// subject's other rights.
func (j *judge) believed(p *poses, q *question, namespace string, limited []string) bool {
	switch q.resource {
	case "users":
		return limited == nil || slices.ContainsFunc(limited, func(name string) bool { return j.userPose(p, name) })
	case "groups":
		return limited == nil || slices.ContainsFunc(limited, j.groupPose)
	case "serviceaccounts":
		return j.accountPose(p, namespace, limited)
	case "uids", userExtras:
		return j.completes(p)
	}
	return true // nodes
}

func (j *judge) userPose(p *poses, name string) bool {
	if slices.Contains(policy.ControlPlaneUsers(), name) {
		return p.uids || p.extras[policy.ExtraCredentialID]
	}
	named := Subject{Kind: rbacv1.UserKind, Name: name}
	return j.syncs[named] || j.byName[named] || strings.HasPrefix(name, "system:node:")
}

func (j *judge) groupPose(name string) bool {
	named := Subject{Kind: rbacv1.GroupKind, Name: name}
	return name == groupMasters || name == groupNodes || j.groups[name] || j.syncs[named] || j.byName[named]
}

// accountPose: any account of the cluster, or one that the gate believes.
func (j *judge) accountPose(p *poses, namespace string, limited []string) bool {
	if namespace == "" && limited == nil {
		return true
	}
	for in, homes := range j.homes {
		if namespace != "" && in != namespace {
			continue
		}
		for _, h := range homes {
			if (limited == nil || slices.Contains(limited, h.name)) && j.proven(p, in, &h) {
				return true
			}
		}
	}
	return false
}

// proven: the subject may show, beside the name, what the gate takes for proof.
func (j *judge) proven(p *poses, namespace string, h *home) bool {
	subject := Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: h.name}
	byName, isSync := j.syncs[subject]
	return byName || isSync && p.extras[v1alpha1.ExtraSync] ||
		p.uids && (p.extras[policy.ExtraPodName] && p.extras[policy.ExtraPodUID] || p.extras[policy.ExtraCredentialID])
}

// completes: uid and extras are of use only beside somebody who may be taken.
func (j *judge) completes(p *poses) bool {
	if p.users.any || p.accounts[""] != nil && p.accounts[""].any {
		return true
	}
	if slices.ContainsFunc(p.users.list, func(name string) bool { return j.userPose(p, name) }) {
		return true
	}
	for namespace, taken := range p.accounts {
		limited := taken.list
		if taken.any {
			limited = nil
		}
		if j.accountPose(p, namespace, limited) {
			return true
		}
	}
	return false
}
