package registration

import (
	"fmt"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// mastersGroup may always break glass on what keeps the gate standing.
const mastersGroup = "system:masters"

// birth: what is Gitlatch's, which the built-in rules judge and no policy does. It is
// exact, unlike the condition that sends to the webhook.
func (b *backstop) birth() string {
	name, home := b.name(), b.o.Install.Namespace
	ownName := b.ownName()
	return b.let("birth", anyOf(
		isOurs,
		allOf(isKind(crdGroup, crdResource), "("+name+".endsWith("+quote("."+v1alpha1.Group)+"))"),
		allOf(among(celGroup, []string{"flowcontrol.apiserver.k8s.io", "scheduling.k8s.io"}), ownName),
		allOf("("+celGroup+` == "rbac.authorization.k8s.io")`, "("+celNamespace+` == "")`, ownName),
		"("+b.namespace()+" == "+quote(home)+")",
	))
}

func (b *backstop) ownName() string {
	name := b.name()
	return b.let("ownName", anyOf("("+name+" == "+quote(Name)+")",
		name+".startsWith("+quote(Name+"-")+")", name+".startsWith("+quote(Name+":")+")"))
}

// builtInValidation guards what keeps the gate standing. With no policy in Enforce it
// refuses only what would lose evidence, as the judge does.
func (b *backstop) builtInValidation() admissionv1.Validation {
	records := isKind(v1alpha1.Group, "changerecords")
	enforced := "true"
	if len(enforcing(b.policies)) == 0 {
		enforced = anyOf(records, allOf(isKind(crdGroup, crdResource), b.operation("DELETE")))
	}
	outside := b.outside("outsideBuiltIn", "built-in", allOf(
		b.birth(),
		not(b.ownsIt()),
		not(allOf(not(records), b.synced())),
		not(anyOf(
			b.unchanged(),
			allOf(not(isOurs), b.service(b.untrusted("untrusted", untrustedOf(b.policies)), "false")),
			allOf(not(isOurs), "("+celNamespace+` != "")`, not(isKind("", "namespaces")), b.trustedByAny()),
			b.bystander(),
			b.operations(joinedOperations(b.policies)),
			b.review(),
		)),
	))
	return validation(allOf(outside, enforced), b.glassFor(b.builtInGroups()),
		"BuiltIn: this keeps the gate standing, and is changed by a sync identity or break-glass only", "change it in git")
}

// builtInGroups may break glass on what keeps the gate standing.
func (b *backstop) builtInGroups() []string { return append(glassGroups(b.policies), mastersGroup) }

// glassGroups are those that any of the policies lets break glass.
func glassGroups(policies []*policy.Policy) []string {
	var out []string
	for _, p := range policies {
		if p.Spec.BreakGlass != nil {
			out = append(out, p.Spec.BreakGlass.AllowedGroups...)
		}
	}
	return sorted(out)
}

// ownsIt: a component writes what it owns.
func (b *backstop) ownsIt() string {
	home := "(" + celNamespace + " == " + quote(b.o.Install.Namespace) + ")"
	return allOf(b.own(), anyOf(isOurs, allOf(home, isKind("", "secrets")), allOf(home, isKind("", "configmaps"), b.ownName())))
}

func (b *backstop) trustedByAny() string {
	var terms []string
	for _, p := range b.policies {
		terms = append(terms, b.trusted(p))
	}
	return b.union("trusted", terms)
}

// bystander: a pod-bound controller writes a ConfigMap or a custom resource in Gitlatch's
// namespace, on which the gate does not stand.
func (b *backstop) bystander() string {
	if slices.ContainsFunc(b.policies, func(p *policy.Policy) bool { return p.Spec.Controllers == v1alpha1.ControllersNone }) {
		return "false"
	}
	custom := allOf(celGroup+`.contains(".")`, "!"+celGroup+`.endsWith(".k8s.io")`, not(isOurs))
	return allOf(b.podBound(), not(b.untrusted("untrusted", untrustedOf(b.policies))), "("+celNamespace+` != "")`,
		anyOf(isKind("", "configmaps"), custom), b.touchesNothing(managersOf(b.policies...)))
}

// joinedOperations are as strict as the strictest policy has them.
func joinedOperations(policies []*policy.Policy) *v1alpha1.Operations {
	o := &v1alpha1.Operations{EphemeralContainers: v1alpha1.VerdictDeny}
	for _, p := range policies {
		s := &p.Spec.Operations
		for _, v := range []struct {
			own   *v1alpha1.Verdict
			other v1alpha1.Verdict
		}{
			{&o.Evict, s.Evict}, {&o.DeletePod, s.DeletePod}, {&o.Cordon, s.Cordon}, {&o.Restart, s.Restart},
			{&o.Reconcile, s.Reconcile}, {&o.Suspend, s.Suspend}, {&o.Exec, s.Exec}, {&o.Proxy, s.Proxy},
		} {
			if v.other == v1alpha1.VerdictDeny {
				*v.own = v.other
			}
		}
	}
	return o
}

// review: somebody reviews a record in their own name, and it is not of their own doing.
// With no webhook nobody signs for them, so it passes only as the webhook leaves it.
func (b *backstop) review() string {
	was, now := b.child("was", "status", "review"), b.child("now", "status", "review")
	mine := func(v string) string { return "(" + v + " == " + celUser + ")" }
	fields := fmt.Sprintf(`["verdict", "reviewer", "comment", "at"].all(f, (f in %[1]s ? %[1]s[f] : "") == (f in %[2]s ? %[2]s[f] : ""))`, was, now)
	unruled := anyOf("("+text(now, "verdict")+` == "")`, allOf(fields, "("+text(now, "reviewer")+` != "")`))
	theirs := anyOf(mine(text(b.child("was", "spec", "requester"), "username")), mine(text(b.child("was", "spec", "origin"), "impersonator")))
	honest := allOf(mine(text(now, "reviewer")), not(allOf("("+celUser+` != "")`, theirs)))
	said := fmt.Sprintf("%s.all(c, c in %s || type(c) == map && (%s || %s == %s))", list(now, "comments"), list(was, "comments"),
		mine(text("c", "author")), text("c", "author"), text(was, "reviewer"))
	return b.let("review", allOf(isKind(v1alpha1.Group, "changerecords"), "("+b.sub()+` == "status")`,
		b.same("sameButReview", but([]string{"status", "review"})), anyOf(unruled, honest), said))
}
