package registration

import (
	"fmt"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// operations are the acts that change no declared state, where the policy allows or
// flags them.
func (b *backstop) operations(set *v1alpha1.Operations) string {
	var terms []string
	admit := func(verdict v1alpha1.Verdict, what func() string) {
		if verdict != v1alpha1.VerdictDeny {
			terms = append(terms, what())
		}
	}
	admit(set.Evict, b.onPods("eviction"))
	admit(set.Exec, b.onPods("exec", "attach", "portforward"))
	admit(set.EphemeralContainers, b.onPods("ephemeralcontainers"))
	admit(set.Proxy, func() string {
		return allOf(among(celKind, []string{"/pods", "/services", "/nodes"}), "("+b.sub()+` == "proxy")`)
	})
	admit(set.DeletePod, b.deletesPod)
	admit(set.Cordon, b.cordons)
	admit(set.Restart, b.restarts)
	admit(set.Reconcile, b.reconciles)
	admit(set.Suspend, b.suspends)
	return anyOf(terms...)
}

func (b *backstop) onPods(subs ...string) func() string {
	return func() string { return allOf(isKind("", "pods"), among(b.sub(), subs)) }
}

// plainly: the object itself is written, and no annotation of break-glass with it.
func (b *backstop) plainly() string {
	return b.let("plainly", allOf("("+b.sub()+` == "")`, not(b.glassTouched())))
}

// deletesPod: one that its controller makes anew.
func (b *backstop) deletesPod() string {
	owners := list(b.child("was", "metadata"), "ownerReferences")
	return b.let("deletesPod", allOf(isKind("", "pods"), b.operation("DELETE"), b.plainly(),
		fmt.Sprintf(`%s.exists(r, type(r) == map && "controller" in r && r.controller == true)`, owners)))
}

func (b *backstop) cordons() string {
	const others = `.filter(t, type(t) == map && !("key" in t && t.key == "node.kubernetes.io/unschedulable" && "effect" in t && t.effect == "NoSchedule"))`
	was, now := list(b.child("was", "spec"), "taints"), list(b.child("now", "spec"), "taints")
	return b.let("cordons", allOf(isKind("", "nodes"), b.plainly(),
		b.same("sameButCordon", but([]string{"spec", "unschedulable"}, []string{"spec", "taints"})),
		"("+was+others+" == "+now+others+")"))
}

func (b *backstop) restarts() string {
	return b.let("restarts", allOf("("+celGroup+` == "apps")`, b.plainly(),
		b.same("sameButRestart", but([]string{"spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"}))))
}

const (
	isFlux = celGroup + `.endsWith(".toolkit.fluxcd.io")`
	isArgo = "(" + celGroup + ` == "argoproj.io")`
	isOurs = "(" + celGroup + ` == "` + v1alpha1.Group + `")`
)

// reconciles: only an annotation that asks for a sync now. The keys are those of
// policy/class_operation.go.
func (b *backstop) reconciles() string {
	annotations := func(keys ...string) apart {
		var paths [][]string
		for _, k := range keys {
			paths = append(paths, []string{"metadata", "annotations", k})
		}
		return but(paths...)
	}
	return b.let("reconciles", allOf(b.plainly(), anyOf(
		allOf(isOurs, b.same("sameButAsked", annotations(v1alpha1.AnnotationRequestedAt))),
		allOf(isFlux, b.same("sameButAskedFlux", annotations("reconcile.fluxcd.io/requestedAt", "reconcile.fluxcd.io/forceAt", "reconcile.fluxcd.io/resetAt"))),
		allOf(isArgo, b.same("sameButAskedArgo", annotations("argocd.argoproj.io/refresh", "argocd.argoproj.io/hydrate"))),
	)))
}

// suspends: only a field that pauses a sync.
func (b *backstop) suspends() string {
	return b.let("suspends", allOf(b.plainly(), anyOf(
		allOf(anyOf(isOurs, isFlux), b.same("sameButSuspend", but([]string{"spec", "suspend"}))),
		allOf(isKind("argoproj.io", "applications"), b.same("sameButAutomated", but(
			[]string{"spec", "syncPolicy", "automated"}, []string{"metadata", "annotations", "argocd.argoproj.io/skip-reconcile"}))),
	)))
}
