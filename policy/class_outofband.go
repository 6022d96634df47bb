package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

/*
out-of-band: everything else, the unknown included. Under Enforce it is denied,
under Warn and Audit admitted and recorded.

Allowed: nothing. Recorded only: the same under Audit.
Not allowed: alice edits a Deployment.
*/
func outOfBand(q *question) (verdict, bool) {
	if q.policy.builtin && q.req.isResource(v1alpha1.Group, "changerecords") {
		return q.byMode(v1alpha1.ReasonBuiltIn, "is written by Gitlatch alone; a reviewer may set status.review"), true
	}
	if q.policy.builtin {
		return q.byMode(v1alpha1.ReasonBuiltIn, "keeps the gate standing, and is changed by a sync identity or break-glass only"), true
	}
	return q.byMode(v1alpha1.ReasonOutOfBand, "is changed through git only"), true
}
