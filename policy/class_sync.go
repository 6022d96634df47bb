package policy

/*
sync: an identity that the policy names as git's carrier, proven: a service
account by the token of a living pod (or by Gitlatch's own mark where its applier
impersonates, or by name where the policy accepts that), a user or group by name.

Allowed: flux-system/kustomize-controller's pod applies a Deployment.
Not allowed here: the same name under --as, or with a token minted by a person.
*/
func sync(q *question) (verdict, bool) {
	if q.policy.syncOf(&q.req.User) != nil {
		return allow()
	}
	return no()
}
