package registration

import (
	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Who is asking, as variables: the proofs are those of identities.go.

func (b *backstop) podBound() string {
	return b.let("podBound", allOf("("+celUser+".matches("+quote("^"+accountPrefix+"[^:]+:.+")+"))", celPodBound()))
}

// genuine: a token of a service account itself, bound to a pod or not.
func (b *backstop) genuine() string {
	return b.let("genuine", allOf("("+celUser+".matches("+quote("^"+accountPrefix+"[^:]+:.+")+"))", celUID, extra(policy.ExtraCredentialID)))
}

// own: one of Gitlatch's components, by its pod.
func (b *backstop) own() string {
	i := &b.o.Install
	return b.let("own", isOwn(i.Webhook, i.Applier, i.Reporter)(i.Namespace))
}

// sync: a sync identity of the policy.
func (b *backstop) sync(p *policy.Policy) string {
	var terms []string
	for i := range p.Spec.Sync {
		terms = append(terms, isSyncIdentity(&p.Spec.Sync[i]))
	}
	return b.union(b.of("sync", p), terms)
}

// synced: a sync identity of any policy.
func (b *backstop) synced() string {
	var terms []string
	for _, p := range b.policies {
		terms = append(terms, b.sync(p))
	}
	return b.union("synced", terms)
}

// glass: the requester is in one of the groups, and holds the verb; or tidies away the
// marks of a window, which the group alone may. It holds for a policy without break-glass
// that nobody does.
func (b *backstop) glass(of *v1alpha1.BreakGlass) string {
	if of == nil {
		return "false"
	}
	return b.glassFor(of.AllowedGroups)
}

func (b *backstop) glassFor(groups []string) string {
	return allOf(b.member(groups), anyOf(b.marksOnly(), b.mayBreakGlass()))
}

// mayBreakGlass asks the authorizer what the webhook asks by a SubjectAccessReview: the
// same user, verb and attributes. The API version is not among those that CEL can name.
func (b *backstop) mayBreakGlass() string {
	name := b.name()
	return b.let("mayBreakGlass", "authorizer.group("+celGroup+").resource("+celResource+").namespace("+b.namespace()+").name("+
		name+`.endsWith("*") ? "" : `+name+`).check("breakglass").allowed()`)
}

// marksOnly: nothing but the marks of a window go.
func (b *backstop) marksOnly() string {
	at := func(key string) []string { return []string{"metadata", "annotations", key} }
	was, now := b.child("was", "metadata", "annotations"), b.child("now", "metadata", "annotations")
	glass := quote(v1alpha1.AnnotationBreakGlass)
	return b.let("marksOnly", allOf(glass+" in "+was, "!("+glass+" in "+now+")", b.same("sameButMarks", but(
		at(v1alpha1.AnnotationBreakGlass), at(v1alpha1.AnnotationBreakGlassFor), at(v1alpha1.AnnotationBreakGlassBy),
		at(v1alpha1.AnnotationBreakGlassUntil), at(v1alpha1.AnnotationBreakGlassRecord), at("kustomize.toolkit.fluxcd.io/reconcile"),
	))))
}
