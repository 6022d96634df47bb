package live

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// beforeFirstApply holds what was there when an object without managedFields was
// applied for the first time (apimachinery managedfields, skipnonapplied.go).
const beforeFirstApply = "before-first-apply"

// person: the entry is of a person, on the object itself. Our name on anything but a
// server-side apply is not ours.
func (c *Cluster) person(e *metav1.ManagedFieldsEntry) bool {
	if e.Subresource != "" {
		return false
	}
	if e.Manager == v1alpha1.FieldManager {
		return e.Operation != metav1.ManagedFieldsOperationApply
	}
	named := func(name string) bool {
		start, wild := strings.CutSuffix(name, "*")
		return e.Manager == name || wild && strings.HasPrefix(e.Manager, start)
	}
	return e.Manager == beforeFirstApply || policy.ToolOfPeople(e.Manager) || slices.ContainsFunc(c.People, named)
}

// admitted lists what people may leave on an object: what the class "operation" lets
// them do is no change of declared state, and to take a restart's annotation away would
// be to restart again. See policy/class_operation.go.
func admitted(k Key) []string {
	out := []string{"status"}
	switch {
	case k.Group == "apps":
		out = append(out, `spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]`)
	case k.Group == "" && k.Kind == "Node":
		out = append(out, "spec.unschedulable", "spec.taints")
	case k.Group == v1alpha1.Group:
		out = append(out, "spec.suspend", `metadata.annotations["`+v1alpha1.AnnotationRequestedAt+`"]`)
	case strings.HasSuffix(k.Group, ".toolkit.fluxcd.io"):
		out = append(out, "spec.suspend",
			`metadata.annotations["reconcile.fluxcd.io/requestedAt"]`,
			`metadata.annotations["reconcile.fluxcd.io/forceAt"]`,
			`metadata.annotations["reconcile.fluxcd.io/resetAt"]`)
	case k.Group == "argoproj.io":
		out = append(out, "spec.syncPolicy.automated",
			`metadata.annotations["argocd.argoproj.io/refresh"]`,
			`metadata.annotations["argocd.argoproj.io/hydrate"]`,
			`metadata.annotations["argocd.argoproj.io/skip-reconcile"]`)
	}
	return out
}

// spared returns what is left to others on the object.
func (o *Object) spared(e *metav1.ManagedFieldsEntry) []pattern {
	texts := admitted(o.Key)
	if e.Manager == v1alpha1.FieldManager { // our own components keep finalizers by updates
		texts = append(texts, "metadata.finalizers")
	}
	out := slices.Clone(o.ignored)
	for _, text := range texts {
		if p, err := parsePattern(text); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// split divides the fields of a person's entry into those that are taken and those that
// stay: what is spared, and what leads there.
func (o *Object) split(e *metav1.ManagedFieldsEntry, declared map[string]any) (take, stay *fieldpath.Set, err error) {
	all, err := setOf(e)
	if err != nil {
		return nil, nil, err
	}
	take, stay = &fieldpath.Set{}, &fieldpath.Set{}
	spared := o.spared(e)
	var kept []fieldpath.Path
	for path := range all.All() {
		if slices.ContainsFunc(spared, func(p pattern) bool { return p.covers(path, declared) }) {
			kept = append(kept, path.Copy())
		}
	}
	for path := range all.All() {
		leads := func(k fieldpath.Path) bool { return len(path) <= len(k) && path.Equals(k[:len(path)]) }
		if slices.ContainsFunc(kept, leads) {
			stay.Insert(path.Copy())
		} else {
			take.Insert(path.Copy())
		}
	}
	return take, stay, nil
}
