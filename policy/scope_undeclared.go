package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

/*
undeclared: the policy guards only what git declared (objects: Declared), or
only the fields that it declared (fields: Declared), and this is not it.

Allowed: a person edits a ConfigMap that is not in git; adds a label of their own
to a declared object, under fields: Declared.
Not allowed here: a person changes or removes a declared field, or deletes a
declared object; sets or removes the break-glass annotation, which opens or ends a
window; deletes a namespace or a CRD, which may hold declared objects; takes one out
of the policy by its labels.
*/
func undeclared(q *question) (verdict, bool) {
	s, r := &q.policy.Spec, q.req
	narrow := s.Objects == v1alpha1.ScopeDeclared || s.Fields == v1alpha1.ScopeDeclared
	if !narrow || q.policy.builtin || q.holdsOthers() || q.leaves() || q.steering() || r.breakGlassTouched() {
		return no()
	}
	if q.outOfScope() {
		return allow()
	}
	return no()
}

func (q *question) outOfScope() bool {
	s, r := &q.policy.Spec, q.req
	objects := s.Objects == v1alpha1.ScopeDeclared
	switch {
	case r.Operation == Connect, r.Subresource == "eviction", r.Subresource == "ephemeralcontainers":
		return false // the operations say
	case r.actsOnly():
		return objects
	case r.Subresource == "scale":
		return q.scaleOutOfScope()
	case !r.carriesObject():
		return false
	case r.Operation == Create:
		return objects && r.Subresource == ""
	case r.Old == nil:
		return false
	}
	t := q.declared()
	if !t.declared && len(q.facts.Guarded) == 0 {
		return objects || r.Operation == Update
	}
	return r.Operation == Update && s.Fields == v1alpha1.ScopeDeclared && len(t.paths) == 0
}

func (q *question) scaleOutOfScope() bool {
	if len(q.facts.Guarded) > 0 { // declared until the sync owns it again
		return false
	}
	t, known := q.scale()
	if !known || len(t.paths) > 0 {
		return false
	}
	if q.policy.Spec.Fields == v1alpha1.ScopeDeclared {
		return true
	}
	// Only the parent says whether the object is declared apart from its replicas.
	if q.facts.Parent == nil {
		q.missing |= NeedParent
		return false
	}
	return !q.policy.declaredObject(q.facts.Parent)
}

// breakGlassTouched: the request sets, changes or removes an annotation of
// break-glass.
func (r *Request) breakGlassTouched() bool {
	if !r.carriesObject() {
		return false
	}
	was, is := child(r.Old, "metadata", "annotations"), child(r.Object, "metadata", "annotations")
	if len(was) == 0 && len(is) == 0 {
		return false
	}
	for _, k := range []string{
		v1alpha1.AnnotationBreakGlass, v1alpha1.AnnotationBreakGlassFor, v1alpha1.AnnotationBreakGlassBy,
		v1alpha1.AnnotationBreakGlassUntil, v1alpha1.AnnotationBreakGlassRecord,
	} {
		v, a := was[k]
		w, b := is[k]
		if a != b || a && !equal(v, w) {
			return r.Operation != Delete
		}
	}
	return false
}
