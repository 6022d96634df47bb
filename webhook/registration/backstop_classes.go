package registration

import (
	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

/*
The classes of policy.Decide that let through, each as far as identity and what the
request shows can tell, and wider where they can't:

	exact   sync, finalizer, status
	wider   unchanged    but for entries of managedFields that declare nothing
	        trusted      which of its fields changed is not looked at
	        controller   declared values under an entry that stayed, and every /scale
	        operation    a door into a pod may be that of a guarded account
	        undeclared   as controller
*/

// outsideOf: the policy governs the request, and no class of it lets it through but
// break-glass.
func (b *backstop) outsideOf(p *policy.Policy) string {
	return allOf(
		not(b.birth()),
		b.governed(p),
		not(b.sync(p)),
		not(anyOf(
			b.unchanged(),
			b.controller(p),
			b.service(b.untrusted(b.of("untrusted", p), p.Spec.UntrustedControllers), b.steering(p)),
			b.operations(&p.Spec.Operations),
			b.undeclared(p),
			b.trusted(p),
		)),
	)
}

// unchanged: but for the entries of managedFields that declare nothing.
func (b *backstop) unchanged() string {
	return allOf(b.same("alike", but()), b.kept(managersOf(b.policies...)))
}

// service: what a service account with a genuine token may do on any object: take
// finalizers from what is going, and report a status.
func (b *backstop) service(untrusted, steering string) string {
	was, now := b.child("was", "metadata"), b.child("now", "metadata")
	finalizers := allOf("("+b.sub()+` == "")`, `"deletionTimestamp" in `+was,
		"(size("+list(now, "finalizers")+") < size("+list(was, "finalizers")+"))",
		list(now, "finalizers")+".all(f, f in "+list(was, "finalizers")+")",
		b.finalizersOnly())
	status := allOf("("+b.sub()+` == "status")`, anyOf(not(steering), b.podBound()),
		"("+b.child("now", "metadata", "labels")+" == "+b.child("was", "metadata", "labels")+")",
		"("+b.child("now", "metadata", "annotations")+" == "+b.child("was", "metadata", "annotations")+")",
		b.sameList("ownerReferences"), b.sameList("finalizers"))
	return allOf(b.genuine(), not(untrusted), b.update(), anyOf(
		b.let("finalizer", finalizers),
		status,
	))
}

// sameList: a list of the metadata is as it was.
func (b *backstop) sameList(name string) string {
	return "(" + list(b.child("now", "metadata"), name) + " == " + list(b.child("was", "metadata"), name) + ")"
}

func (b *backstop) finalizersOnly() string {
	return b.same("sameButFinalizers", but([]string{"metadata", "finalizers"}))
}

func (b *backstop) steering(p *policy.Policy) string { return b.anyRule(p.Spec.Steering) }

// finalizersSteered: nothing but finalizers change of what tells a sync identity what to
// apply. They are a controller's, those that git declared too.
func (b *backstop) finalizersSteered(p *policy.Policy) string {
	return allOf(b.steering(p), "("+b.sub()+` == "")`, b.finalizersOnly())
}

// controller: a pod-bound service account.
func (b *backstop) controller(p *policy.Policy) string {
	if p.Spec.Controllers != v1alpha1.ControllersUndeclared {
		return "false"
	}
	return allOf(b.podBound(), not(b.untrusted(b.of("untrusted", p), p.Spec.UntrustedControllers)), not(b.holdsOthers()), not(b.leaves(p)),
		anyOf(b.finalizersSteered(p), allOf(not(b.steering(p)), b.touchesNothing(managersOf(p)))))
}

// touchesNothing: nothing declared, as far as can be told.
func (b *backstop) touchesNothing(managers []string) string {
	return anyOf(
		b.operation("CONNECT"),
		b.actsOnly(),
		"("+b.sub()+` == "scale")`,
		allOf(b.carries(), anyOf(
			allOf(b.operation("UPDATE"), "oldObject != null", anyOf(not(b.declared(managers)), allOf(b.kept(managers), b.sameList("ownerReferences")))),
			allOf(b.operation("CREATE"), "("+b.sub()+` == "")`),
			allOf(b.operation("DELETE"), "oldObject != null", not(b.declared(managers))),
		)),
	)
}

// actsOnly: an eviction or a request for a token.
func (b *backstop) actsOnly() string {
	return anyOf(
		allOf(isKind("", "pods"), "("+b.sub()+` == "eviction")`),
		allOf(isKind("", "serviceaccounts"), "("+b.sub()+` == "token")`),
	)
}

// undeclared: the policy guards what git declared only, and this is not it, as far as can
// be told.
func (b *backstop) undeclared(p *policy.Policy) string {
	objects, fields := p.Spec.Objects == v1alpha1.ScopeDeclared, p.Spec.Fields == v1alpha1.ScopeDeclared
	if !objects && !fields {
		return "false"
	}
	declared := b.declared(managersOf(p))
	created, token, deleted := "false", "false", "false"
	updated := anyOf(not(declared), allOf(b.kept(managersOf(p)), b.sameList("ownerReferences"), b.sameList("finalizers")))
	if objects {
		created = allOf(b.operation("CREATE"), "("+b.sub()+` == "")`)
		token = allOf(isKind("", "serviceaccounts"), "("+b.sub()+` == "token")`)
		deleted = allOf(b.operation("DELETE"), "oldObject != null", not(declared))
	}
	if !fields {
		updated = not(declared)
	}
	return allOf(not(b.holdsOthers()), not(b.leaves(p)), not(b.steering(p)), not(b.glassTouched()), anyOf(
		token,
		"("+b.sub()+` == "scale")`,
		allOf(b.carries(), "("+b.sub()+` != "ephemeralcontainers")`, anyOf(
			created,
			deleted,
			allOf(b.operation("UPDATE"), "oldObject != null", updated),
		)),
	))
}

// trusted: a subject with a right on the resource. Which fields it may change is the
// webhook's to judge.
func (b *backstop) trusted(p *policy.Policy) string {
	var terms []string
	for i := range p.Spec.Trusted {
		t := &p.Spec.Trusted[i]
		what := "true"
		if len(t.Fields) > 0 {
			what = b.update()
		}
		terms = append(terms, allOf(b.anyRule(t.Resources), isSubject(&t.Subject), what))
	}
	return b.union(b.of("trusted", p), terms)
}
