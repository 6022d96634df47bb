package policy

import (
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
Forging is out-of-band, inside a break-glass window too: writing under a sync
field manager's name, dropping its entries otherwise than by an honest change, and
for persons a tracking mark or a key of Gitlatch's own.

Allowed: an honest edit in a window, after which the API server takes the path
from the sync's entry by itself; an operator that copies a mark to its child.
Not allowed: kubectl apply --server-side --field-manager=kustomize-controller;
clearing managedFields; adding kustomize.toolkit.fluxcd.io/name by hand.
*/
func forgedManager(q *question) (verdict, bool) {
	r := q.req
	if q.policy.syncManager(r.FieldManager) {
		return q.forged("may not be written under the sync's field manager " + r.FieldManager)
	}
	if !r.carriesObject() || r.Operation != Create && r.Operation != Update {
		return no()
	}
	if path := q.declared().forged; path != "" {
		return q.forged("has managedFields of a sync identity that this request changes (" + unvalued(path) + ")")
	}
	return no()
}

// forgery asks both rules, for a class that stands before them.
func (q *question) forgery() (verdict, bool) {
	if v, ok := forgedManager(q); ok {
		return v, true
	}
	if q.req.User.podBound() { // a controller that copies a mark forges nothing
		return no()
	}
	return forgedMark(q)
}

func (q *question) forged(detail string) (verdict, bool) {
	v := q.byMode(v1alpha1.ReasonForged, detail)
	v.class = v1alpha1.ClassOutOfBand
	return v, true
}

func forgedMark(q *question) (verdict, bool) {
	r := q.req
	if r.Operation != Create && r.Operation != Update || !r.carriesObject() {
		return no()
	}
	before, after := meta(r.Old), meta(r.Object)
	for _, where := range []string{"labels", "annotations"} {
		was, is := child(before, where), child(after, where)
		if key := q.forgedKey(was, is); key != "" {
			return q.forged("has the mark " + key + ", which only its owner sets or removes: leave it as it was")
		}
		if key := q.forgedKey(is, was); key != "" {
			return q.forged("has the mark " + key + ", which only its owner sets or removes: leave it as it was")
		}
	}
	return no()
}

// forgedKey returns the first (by name) mark in a that differs in b.
func (q *question) forgedKey(a, b map[string]any) string {
	found := ""
	for k, v := range a {
		if !isMark(k) || found != "" && k >= found {
			continue
		}
		w, ok := b[k]
		if ok && equal(v, w) || q.honestStamp(k) {
			continue
		}
		found = k
	}
	return found
}

// isMark: a key by which a sync identity tracks its objects, or one of
// Gitlatch's own that no person sets.
func isMark(key string) bool {
	switch key {
	case v1alpha1.AnnotationBreakGlass, v1alpha1.AnnotationBreakGlassFor, v1alpha1.AnnotationRequestedAt:
		return false
	case "argocd.argoproj.io/tracking-id":
		return true
	}
	return hasPrefixAny(key, "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/", v1alpha1.Group+"/")
}

const fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"

// honestStamp: the gate's own stamps change within a request of the person whose
// window they copy (the validating call and a re-invocation see them), and go
// with the annotation when the window ends.
func (q *question) honestStamp(key string) bool {
	switch key {
	case v1alpha1.AnnotationBreakGlassBy, v1alpha1.AnnotationBreakGlassUntil,
		v1alpha1.AnnotationBreakGlassRecord, fluxReconcile:
	default:
		return false
	}
	is := child(q.req.Object, "metadata", "annotations")
	if _, asked := is[v1alpha1.AnnotationBreakGlass]; !asked {
		_, present := is[key]
		return q.req.breakGlassRemoved() && !present
	}
	record := text(is, v1alpha1.AnnotationBreakGlassRecord)
	for i := range q.facts.Windows {
		w := &q.facts.Windows[i]
		if w.Record == record && w.User == q.req.User.Name && w.covers(q.req) &&
			text(is, v1alpha1.AnnotationBreakGlassBy) == w.User &&
			text(is, v1alpha1.AnnotationBreakGlassUntil) == w.Until.UTC().Format(time.RFC3339) {
			return key != fluxReconcile || text(is, key) == "disabled"
		}
	}
	if record != "" && !q.facts.WindowsLive && text(is, v1alpha1.AnnotationBreakGlassBy) == q.req.User.Name {
		q.missing |= NeedWindows
	}
	return false
}

// unvalued cuts a path before the item of a set, which is a value.
func unvalued(path string) string {
	before, _, _ := strings.Cut(path, "[=")
	return before
}
