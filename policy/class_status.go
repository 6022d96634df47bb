package policy

/*
status: a service account with a genuine token writes /status, and leaves labels,
annotations, ownerReferences and finalizers as they are.

Allowed: an operator reports the state of a declared object.
Not allowed here: the same write also takes a label away; an account of
untrustedControllers; a token without a pod, on a steering object.
*/
func status(q *question) (verdict, bool) {
	r := q.req
	if !r.User.genuineAccount() || r.Subresource != "status" || r.Operation != Update ||
		r.Old == nil || r.Object == nil || q.ownKind() || q.policy.untrusted(&r.User) {
		return no()
	}
	// What a source or an application reports is what the sync identity applies.
	if q.steering() && !r.User.podBound() {
		return no()
	}
	was, is := meta(r.Old), meta(r.Object)
	for _, k := range []string{"labels", "annotations"} {
		if !equalMaps(child(was, k), child(is, k)) {
			return no()
		}
	}
	if len(identityFields(r)) > 0 {
		return no()
	}
	return allow()
}
