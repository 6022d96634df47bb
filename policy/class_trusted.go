package policy

/*
trusted: a subject with a named, limited right on declared objects, and nothing
but its fields changed. An entry without fields covers the whole object, its
creation and deletion.

Allowed: cert-manager's injector fills in spec.caBundle of an APIService.
Not allowed here: the same account changes spec.service; an unbound token of it.
*/
func trusted(q *question) (verdict, bool) {
	r := q.req
	if q.policy.builtin && (q.ownKind() || r.Namespace == "") {
		return no() // a right on other objects is none on the gate's
	}
	for i := range q.policy.Spec.Trusted {
		t := &q.policy.Spec.Trusted[i]
		if !anyResource(t.Resources, r.Resource.Group, r.Resource.Resource) || !r.User.is(&t.Subject) {
			continue
		}
		if len(t.Fields) == 0 {
			return allow()
		}
		if r.Operation == Update && r.Old != nil && r.Object != nil && r.carriesObject() &&
			changedOnly(r.Old, r.Object, q.policy.trusted[i]) {
			return allow()
		}
	}
	return no()
}
