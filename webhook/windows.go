package webhook

import (
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// windowTarget is the object that a request or a record is about. A subresource
// counts for its parent, so none is kept.
type windowTarget struct{ group, resource, namespace, name string }

func newWindowTarget(group, resource, namespace, name string) windowTarget {
	// A Namespace is asked for by name, and stands in itself: authorization and
	// admission both say so, whatever the record's writer kept of it.
	if group == "" && resource == "namespaces" {
		namespace = name
	}
	return windowTarget{group, resource, namespace, name}
}

func requestTarget(req *policy.Request) windowTarget {
	return newWindowTarget(req.Resource.Group, req.Resource.Resource, req.Namespace, req.Name)
}

// recordTarget is the target of a record, with its generated name where that is
// known by now.
func recordTarget(rec *v1alpha1.ChangeRecord) windowTarget {
	r := &rec.Spec.Request
	name := r.Name
	if generated(name) && rec.Status.Name != "" {
		name = rec.Status.Name
	}
	return newWindowTarget(r.Group, r.Resource, r.Namespace, name)
}

// generated says that this is the prefix of a name which the API server is yet
// to generate. It is nobody's name: a window on it would cover every object
// that is created with the same prefix.
func generated(name string) bool { return strings.HasSuffix(name, "*") }

// windowOf is the window that a record opened. ok is false where it opened none;
// one that has been ended, or whose time is over, is still one, see [indexedWindow].
func windowOf(rec *v1alpha1.ChangeRecord) (w policy.Window, ok bool) {
	bg := rec.Spec.BreakGlass
	if rec.Spec.Outcome != v1alpha1.OutcomeBreakGlass || bg == nil || bg.Window != "" {
		return policy.Window{}, false
	}
	t := recordTarget(rec)
	w = policy.Window{
		Record:    rec.Name,
		User:      rec.Spec.Requester.Username,
		Scope:     bg.Scope,
		Namespace: t.namespace,
		Reason:    bg.Reason,
		Until:     bg.Until.Time,
	}
	switch bg.Scope {
	case v1alpha1.WindowNamespace:
		return w, w.User != "" && w.Namespace != ""
	case v1alpha1.WindowObject:
		w.Group, w.Resource, w.Name = t.group, t.resource, t.name
		return w, w.User != "" && w.Name != ""
	}
	return policy.Window{}, false // a scope of a later version covers nothing that we know
}

// openAt says that the window's time is not over.
func openAt(w *policy.Window, now time.Time) bool { return now.Before(w.Until) }

// bearer is the object that carries the window's annotation.
func bearer(w *policy.Window) windowTarget {
	if w.Scope == v1alpha1.WindowNamespace {
		return newWindowTarget("", "namespaces", w.Namespace, w.Namespace)
	}
	return newWindowTarget(w.Group, w.Resource, w.Namespace, w.Name)
}

// covers says that the target lies inside the window; whose it is, is not asked.
func covers(w *policy.Window, t windowTarget) bool {
	if w.Scope == v1alpha1.WindowNamespace {
		return t.namespace != "" && t.namespace == w.Namespace && !generated(t.namespace)
	}
	return bearer(w) == t && !generated(t.name)
}

// ownBirth is the place of a window that the request's mutating call opened while
// the object had no name yet. By the validating call it has one, and the stamp
// says which record it was; the place is the prefix, under which nothing else is
// covered.
func ownBirth(req *policy.Request) (place windowTarget, record string, ok bool) {
	prefix := metaString(req.Object, "generateName")
	if !req.Final || req.Operation != policy.Create || req.Subresource != "" || prefix == "" || generated(req.Name) {
		return windowTarget{}, "", false
	}
	place = newWindowTarget(req.Resource.Group, req.Resource.Resource, req.Namespace, prefix+"*")
	return place, annotation(req.Object, v1alpha1.AnnotationBreakGlassRecord), true
}

// born is the window under the name that its object has got by now; ok is false
// where it is not the request's own.
func born(w policy.Window, req *policy.Request) (_ policy.Window, ok bool) {
	place, record, ok := ownBirth(req)
	if !ok || w.Record != record || w.User != req.User.Name || bearer(&w) != place {
		return policy.Window{}, false
	}
	if w.Scope == v1alpha1.WindowNamespace {
		w.Namespace = req.Name
	} else {
		w.Name = req.Name
	}
	return w, true
}
