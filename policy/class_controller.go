package policy

import (
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
controller: a service account with the token of a living pod, on what git did
not declare, or touching no declared field. It may add its finalizer to a declared
object and take it away again: operators must, to be told of its deletion.

Allowed: an operator creates its child; it labels a declared object; a descheduler
evicts a pod.
Not allowed here: it changes a declared field, deletes a declared object, a
namespace or a CRD, relabels a namespace out of the policy, writes a steering
object or what the gate stands on; an account of untrustedControllers.
*/
func controller(q *question) (verdict, bool) {
	p, r := q.policy, q.req
	if !r.User.podBound() || p.Spec.Controllers != v1alpha1.ControllersUndeclared ||
		p.untrusted(&r.User) || p.builtin && !q.bystander() || q.holdsOthers() || q.leaves() {
		return no()
	}
	if q.steering() {
		if r.Operation == Update && r.Old != nil && r.Subresource == "" &&
			sameBut(r.Old, r.Object, bookkeeping().plus("metadata", "finalizers")) {
			return allow()
		}
		return no()
	}
	if q.touchesNothingDeclared() {
		return allow()
	}
	return no()
}

// bystander: a ConfigMap or a custom resource in Gitlatch's namespace, such as the
// trust bundles and reports that operators put into every namespace. The gate does
// not stand on them, and refusing them would have the operators try for ever.
func (q *question) bystander() bool {
	r := q.req
	if r.Namespace == "" || r.isNamespace() || q.ownKind() {
		return false
	}
	if r.Resource.Group == "" {
		return r.Resource.Resource == "configmaps"
	}
	return strings.Contains(r.Resource.Group, ".") && !strings.HasSuffix(r.Resource.Group, ".k8s.io")
}

func (q *question) touchesNothingDeclared() bool {
	r := q.req
	switch {
	case r.Operation == Connect, r.actsOnly():
		return true
	case r.Subresource == "scale":
		t, known := q.scale()
		return known && len(t.paths) == 0
	case !r.carriesObject():
		return false // an unknown subresource is a write to its parent
	case r.Operation == Create:
		return r.Subresource == ""
	case r.Old == nil:
		return false // it can't be told
	}
	t := q.declared()
	if !t.declared {
		return true
	}
	if r.Operation != Update {
		return false
	}
	if t.fields > 0 { // a finalizer that git declared among them
		return false
	}
	for _, path := range t.paths {
		if path != ".metadata.finalizers" {
			return false
		}
	}
	return true
}

// actsOnly: an eviction or a request for a token changes no object that git
// could have declared. Tokens that matter are class credential.
func (r *Request) actsOnly() bool {
	return r.isResource("", "pods") && r.Subresource == "eviction" ||
		r.isResource("", "serviceaccounts") && r.Subresource == "token"
}

// scale is what a write to /scale does to a declared spec.replicas. In the
// mutating call the old Scale carries the parent's managedFields for it; in the
// validating call it does not, and the parent is read. known is false while
// neither says.
func (q *question) scale() (t touch, known bool) {
	r, source := q.req, q.req.Old
	if len(managedFields(source)) == 0 {
		source = q.facts.Parent
		if source == nil {
			q.missing |= NeedParent
			return touch{}, false
		}
	}
	was, a := child(r.Old, "spec")["replicas"]
	is, b := child(r.Object, "spec")["replicas"]
	t.declared = q.policy.declaredObject(source)
	for _, v := range managedFields(source) {
		e, ok := readEntry(v)
		if !ok || !q.policy.declares(&e) {
			continue
		}
		_, owns := child(e.fields, "f:spec")["f:replicas"]
		if (owns || e.fields == nil) && (a != b || !equal(was, is)) {
			t.paths = append(t.paths, ".spec.replicas")
		}
	}
	return t, true
}
