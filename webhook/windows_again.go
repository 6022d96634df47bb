package webhook

import (
	"cmp"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// closeGrace is how long the write that ended a window may come again. The API server
// admits a write anew whenever it conflicts, on any replica, and the first try has
// ended the window: whoever ends their emergency would be told that they may not. By
// then the window is finished, and no replica finds it any more.
const closeGrace = settlePeriod

// closesAgain says that the request ended this window on its first try: it takes away
// the annotation that the object still carries, and nothing but the marks beside it.
// Nothing else is admitted by it, and once such a write is stored there is no annotation
// left to take. Whoever changed something else by the same write, and met a conflict,
// opens a window anew.
func closesAgain(req *policy.Request, w *policy.Window, end *v1alpha1.WindowEnd, now time.Time) bool {
	return end != nil && end.Reason == v1alpha1.WindowRemoved && now.Sub(end.At.Time) < closeGrace &&
		w.User == req.User.Name && openAt(w, now) &&
		req.Subresource == "" && bearer(w) == requestTarget(req) &&
		annotation(req.Old, v1alpha1.AnnotationBreakGlassRecord) == w.Record && req.OnlyUnmarks()
}

// closedBy lists the windows that the request has ended on its first try, as far as
// this replica knows.
func (x *windowIndex) closedBy(req *policy.Request, now time.Time) []policy.Window {
	if annotation(req.Old, v1alpha1.AnnotationBreakGlassRecord) == "" {
		return nil
	}
	x.mu.RLock()
	defer x.mu.RUnlock()
	k := x.windows[annotation(req.Old, v1alpha1.AnnotationBreakGlassRecord)]
	if k == nil || !closesAgain(req, &k.window, k.end, now) {
		return nil
	}
	return []policy.Window{k.window}
}

// usable says whether a record's window, as the API server has it now, is one by which
// the request may be admitted. How it ended here goes before what its record says.
func (g *Grants) usable(req *policy.Request, w *policy.Window, rec *v1alpha1.ChangeRecord, now time.Time) bool {
	end := cmp.Or(g.index.endOf(w.Record), rec.Status.Window)
	return openAt(w, now) && (end == nil || closesAgain(req, w, end, now))
}
