package policy

/*
finalizer: a service account with a genuine token takes finalizers, and nothing
else, from an object that is being deleted. Without it nothing that a controller
cleans up after would ever go.

Allowed: an operator removes its finalizer from a deleted declared object.
Not allowed here: a person does; a service account does on a living object.
*/
func finalizer(q *question) (verdict, bool) {
	r := q.req
	if !r.User.genuineAccount() || r.Operation != Update || r.Old == nil || r.Object == nil ||
		r.Subresource != "" || q.ownKind() || q.policy.untrusted(&r.User) || text(meta(r.Old), "deletionTimestamp") == "" {
		return no()
	}
	was, is := list(meta(r.Old), "finalizers"), list(meta(r.Object), "finalizers")
	if len(is) >= len(was) || !subset(is, was) ||
		!sameBut(r.Old, r.Object, bookkeeping().plus("metadata", "finalizers")) {
		return no()
	}
	return allow()
}

func subset(inner, outer []any) bool {
	for _, x := range inner {
		found := false
		for _, y := range outer {
			found = found || equal(x, y)
		}
		if !found {
			return false
		}
	}
	return true
}
