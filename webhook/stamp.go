package webhook

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// Flux leaves an object alone while it carries this annotation with this value.
const (
	fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"
	fluxDisabled  = "disabled"
)

// fluxLabels mark the objects that Flux carries.
var fluxLabels = [...]string{"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"}

// stampKeys are the annotations that are ours alone.
var stampKeys = [...]string{
	v1alpha1.AnnotationBreakGlassBy,
	v1alpha1.AnnotationBreakGlassUntil,
	v1alpha1.AnnotationBreakGlassRecord,
}

// Stamps returns the JSON patch that gives the object of an admitted request the
// marks that it must carry: those of the window that it opens, those of the open
// window whose marks the request dropped or changed, or none where the annotation
// was taken away. record is the name of the record that was written. A dry run,
// a denial and a request without a full object get none. Call it after
// [Grants.Opened], so that the marks say what the record says.
func (g *Grants) Stamps(req *policy.Request, d *policy.Decision, record string) []PatchOp {
	if req.DryRun || d.Action == policy.Deny || !carriesObject(req) {
		return nil
	}
	return annotationPatch(req.Object, g.wantStamps(req, d, record))
}

// wantStamps says which annotations the object must carry (nil: must not). A nil
// map wants nothing.
func (g *Grants) wantStamps(req *policy.Request, d *policy.Decision, record string) map[string]*string {
	_, asks := metaMap(req.Object, "annotations")[v1alpha1.AnnotationBreakGlass]
	_, asked := metaMap(req.Old, "annotations")[v1alpha1.AnnotationBreakGlass]
	switch {
	case asks && d.Opens != nil:
		return openStamps(req, g.recorded(req, d.Opens, record))
	case asks:
		if w := g.standing(req, d); w != nil {
			return standingStamps(req, *w)
		}
	case asked && req.Operation == policy.Update:
		return closedStamps(req)
	}
	return nil
}

// recorded is the window that a decision opens as its record has it: a repeat of
// a request is decided later than the record was written, and would end later.
func (g *Grants) recorded(req *policy.Request, opens *policy.Window, record string) policy.Window {
	w := *opens
	w.Record = record
	for _, known := range g.index.on(requestTarget(req), g.Clock.Now()) {
		if known.Record == record {
			w.Until = known.Until
		}
	}
	return w
}

// standing is the open window whose marks belong on an object that carries the
// annotation: the one that the old object was marked with, else the one that the
// request was admitted by, else the requester's own that ends last. nil: none. A
// mark that the old object lacked is never added to somebody else's write: by the
// validating call it would look like theirs.
func (g *Grants) standing(req *policy.Request, d *policy.Decision) *policy.Window {
	target := requestTarget(req)
	open := g.index.on(target, g.Clock.Now())
	before := annotation(req.Old, v1alpha1.AnnotationBreakGlassRecord)
	for i := range open {
		if open[i].Record == before {
			return &open[i]
		}
	}
	if d.Within != nil && bearer(d.Within) == target {
		return d.Within
	}
	for i := range open {
		if open[i].User == req.User.Name {
			return &open[i]
		}
	}
	return nil
}

// standingStamps are the marks of a window that is open already.
func standingStamps(req *policy.Request, w policy.Window) map[string]*string {
	want := openStamps(req, w)
	if w.User != req.User.Name && annotation(req.Old, fluxReconcile) != fluxDisabled {
		delete(want, fluxReconcile)
	}
	return want
}

// openStamps are the marks of a window. Flux is told to leave the object alone, or
// it would undo the emergency at once.
func openStamps(req *policy.Request, w policy.Window) map[string]*string {
	until := w.Until.UTC().Format(time.RFC3339)
	want := map[string]*string{
		v1alpha1.AnnotationBreakGlassBy:     &w.User,
		v1alpha1.AnnotationBreakGlassUntil:  &until,
		v1alpha1.AnnotationBreakGlassRecord: &w.Record,
	}
	if fluxTracked(req.Object) || fluxTracked(req.Old) {
		disabled := fluxDisabled
		want[fluxReconcile] = &disabled
	}
	return want
}

// closedStamps takes every mark away, the duration included: the next window
// should not be short because this one was. What git itself told Flux stays.
func closedStamps(req *policy.Request) map[string]*string {
	want := map[string]*string{v1alpha1.AnnotationBreakGlassFor: nil}
	for _, key := range stampKeys {
		want[key] = nil
	}
	paused := annotation(req.Object, fluxReconcile) == fluxDisabled
	if paused && fluxTracked(req.Old) && !applied(req.Old, fluxReconcile) {
		want[fluxReconcile] = nil
	}
	return want
}

func fluxTracked(object map[string]any) bool {
	labels := metaMap(object, "labels")
	for _, key := range fluxLabels {
		if name, _ := labels[key].(string); name != "" {
			return true
		}
	}
	return false
}

// carriesObject says that the request's object is the target itself. /scale,
// /eviction and the like carry another kind, and a CONNECT carries options.
func carriesObject(req *policy.Request) bool {
	switch req.Operation {
	case policy.Create, policy.Update:
	default:
		return false
	}
	switch req.Subresource {
	case "", "status", "finalize", "ephemeralcontainers", "resize", "approval":
		return req.Object != nil
	}
	return false
}
