package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

/*
operation: an act that changes no declared state, with a verdict of the policy's
own. A Deny is lifted by break-glass, and only recorded under Warn and Audit.

Allowed, flagged or denied as set: eviction, deletion of a controller's pod,
cordon, rollout restart, a sync on request, suspension, exec, proxy, a debug
container.
Not an operation: a restart that changes an image too; the deletion of a bare pod.
*/
func operation(q *question) (verdict, bool) {
	name, set := q.operation()
	switch set {
	case "":
		return no()
	case v1alpha1.VerdictAllow:
		return allow()
	case v1alpha1.VerdictFlag:
		return verdict{
			action: Flag, reason: v1alpha1.ReasonOperation, outcome: v1alpha1.OutcomeFlagged,
			detail: "is " + name + ", which this policy flags",
		}, true
	}
	if v, ok := breakGlass(q); ok {
		v.class = v1alpha1.ClassBreakGlass
		return v, true
	}
	return q.byMode(v1alpha1.ReasonOperation, "is "+name+", which this policy denies"), true
}

// operation returns the operation that the request is, as people call it, and
// its verdict; "" for none.
func (q *question) operation() (string, v1alpha1.Verdict) {
	r, set := q.req, &q.policy.Spec.Operations
	switch {
	case r.isResource("", "pods") && r.Subresource != "":
		return podOperation(r, set)
	case r.Subresource == "proxy" && (r.isResource("", "services") || r.isResource("", "nodes")):
		return "a proxy", set.Proxy
	case r.Subresource != "" || r.breakGlassTouched():
		return "", ""
	case r.isResource("", "pods") && r.Operation == Delete:
		if controlled(r.Old) {
			return "a deletion of a pod that its controller makes anew", set.DeletePod
		}
		return "", ""
	case r.Operation != Update || r.Old == nil || r.Object == nil:
		return "", ""
	case q.same(): // but for who owns a field, which is no operation
		return "", ""
	case r.isResource("", "nodes"):
		if cordons(r) {
			return "a cordon", set.Cordon
		}
		return "", ""
	case restarts(r):
		return "a rollout restart", set.Restart
	case reconciles(r):
		return "a request to sync now", set.Reconcile
	case suspends(r):
		return "a suspension", set.Suspend
	}
	return "", ""
}

func podOperation(r *Request, set *v1alpha1.Operations) (string, v1alpha1.Verdict) {
	switch r.Subresource {
	case "eviction":
		return "an eviction", set.Evict
	case "exec", "attach", "portforward":
		return "an open door into a running pod", set.Exec
	case "proxy":
		return "a proxy", set.Proxy
	case "ephemeralcontainers":
		return "a debug container in a running pod", set.EphemeralContainers
	}
	return "", ""
}

// controlled: a controller owns the pod and makes another.
func controlled(pod map[string]any) bool {
	for _, v := range list(meta(pod), "ownerReferences") {
		ref, _ := v.(map[string]any)
		if yes, _ := ref["controller"].(bool); yes {
			return true
		}
	}
	return false
}

const unschedulable = "node.kubernetes.io/unschedulable"

func cordons(r *Request) bool {
	return sameBut(r.Old, r.Object, bookkeeping().plus("spec", "unschedulable").plus("spec", "taints")) &&
		equalLists(otherTaints(r.Old), otherTaints(r.Object))
}

func otherTaints(node map[string]any) []any {
	var out []any
	for _, v := range list(child(node, "spec"), "taints") {
		t, _ := v.(map[string]any)
		if text(t, "key") != unschedulable || text(t, "effect") != "NoSchedule" {
			out = append(out, v)
		}
	}
	return out
}

func restarts(r *Request) bool {
	const at = "kubectl.kubernetes.io/restartedAt"
	was, is := child(r.Old, "spec", "template", "metadata", "annotations"), child(r.Object, "spec", "template", "metadata", "annotations")
	if r.Resource.Group != appsGroup || equal(was[at], is[at]) {
		return false
	}
	return sameBut(r.Old, r.Object, bookkeeping().
		plus("spec", "template", "metadata", "annotations", at))
}

// reconciles: only an annotation that asks for a sync now. Sources:
// fluxcd/pkg/apis/meta (ReconcileRequestAnnotation, ForceRequestAnnotation,
// ResetRequestAnnotation), argoproj/argo-cd common (AnnotationKeyRefresh, and
// AnnotationKeyHydrate, which its server sets beside it).
func reconciles(r *Request) bool {
	switch {
	case r.Resource.Group == v1alpha1.Group:
		return sameBut(r.Old, r.Object, bookkeeping().plus("metadata", "annotations", v1alpha1.AnnotationRequestedAt))
	case isFlux(r.Resource.Group):
		return sameBut(r.Old, r.Object, bookkeeping().
			plus("metadata", "annotations", "reconcile.fluxcd.io/requestedAt").
			plus("metadata", "annotations", "reconcile.fluxcd.io/forceAt").
			plus("metadata", "annotations", "reconcile.fluxcd.io/resetAt"))
	case r.Resource.Group == argoGroup:
		return sameBut(r.Old, r.Object, bookkeeping().
			plus("metadata", "annotations", "argocd.argoproj.io/refresh").
			plus("metadata", "annotations", "argocd.argoproj.io/hydrate"))
	}
	return false
}

// suspends: only a field that pauses a sync.
func suspends(r *Request) bool {
	switch {
	case r.Resource.Group == v1alpha1.Group || isFlux(r.Resource.Group):
		return sameBut(r.Old, r.Object, bookkeeping().plus("spec", "suspend"))
	case r.isResource(argoGroup, "applications"):
		return sameBut(r.Old, r.Object, bookkeeping().
			plus("spec", "syncPolicy", "automated").
			plus("metadata", "annotations", "argocd.argoproj.io/skip-reconcile"))
	}
	return false
}

const argoGroup = "argoproj.io"

func isFlux(group string) bool {
	const suffix = ".toolkit.fluxcd.io"
	return len(group) > len(suffix) && group[len(group)-len(suffix):] == suffix
}
