package policy

/*
unchanged: nothing differs but times and the resourceVersion.

Allowed: kubectl apply of what is already there.
Not allowed here: an apply that only adds a field manager, since who owns a field
is a change.
*/
func unchanged(q *question) (verdict, bool) {
	r := q.req
	if r.Operation != Update || r.Old == nil || r.Object == nil || !r.carriesObject() {
		return no()
	}
	if !q.same() || !sameManagers(r.Old, r.Object) {
		return no()
	}
	return allow()
}

// same: the objects differ in nothing but what the API server keeps by itself.
// The answer is the same for every policy. Where managedFields will ask where they
// differ, they are compared once for both.
func (q *question) same() bool {
	if q.req.Object != nil && len(managedFields(q.req.Old)) > 0 {
		return q.differences().alike
	}
	if !q.compared {
		q.alike, q.compared = sameObjects(q.req.Old, q.req.Object), true
	}
	return q.alike
}

// differences of an update's objects, found once a request.
func (q *question) differences() *places {
	if q.where == nil && q.req.Old != nil && q.req.Object != nil {
		q.where = comparing(q.req.Old, q.req.Object)
	}
	return q.where
}

// sameManagers: the same entries, whatever their times and order.
func sameManagers(a, b map[string]any) bool {
	x, y := managedFields(a), managedFields(b)
	if len(x) != len(y) {
		return false
	}
	for _, v := range x {
		e, ok := readEntry(v)
		if !ok {
			return false
		}
		o := findEntry(b, &e)
		if o.manager != e.manager || e.fields == nil || !equalMaps(e.fields, o.fields) {
			return false
		}
	}
	return true
}
