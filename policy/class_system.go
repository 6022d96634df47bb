package policy

/*
system: a named identity of the control plane, proven: its service accounts by a
genuine token, its users and nodes by a uid or a credential-id.

Allowed: the garbage collector deletes a ReplicaSet; a node posts a pod's status.
Not allowed here: --as system:serviceaccount:kube-system:generic-garbage-collector;
an add-on's account in kube-system.
*/
func system(q *question) (verdict, bool) {
	if q.isSystem() {
		return allow()
	}
	return no()
}

func (q *question) isSystem() bool {
	u := &q.req.User
	return isControlPlaneUser(u) || isNode(u) || isBootstrap(u, q.req) ||
		u.genuineAccount() && isControlPlaneAccount(q.policy.system, u)
}
