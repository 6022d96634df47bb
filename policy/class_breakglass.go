package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

/*
break-glass: an authorised, reasoned, time-boxed, recorded exception. A request
opens a window by setting the annotation, or is covered by one that its own user
opened on the target or its namespace. The user is authorised again on each
request, by a group of the policy and by the verb "breakglass" on the target.

Allowed: oncall annotates a Deployment with a reason of the asked form; scales,
execs into and deletes it until the window ends.
Not allowed: a reason that is missing or of another form; too long; without the
group or the verb; alice, in oncall's window.
*/
func breakGlass(q *question) (verdict, bool) {
	reason, asks := q.req.breakGlassAsked()
	group := q.glassGroup()
	if group == "" {
		if !asks {
			return no()
		}
		return q.refuseGroup(), true
	}
	if asks {
		return q.open(reason), true
	}
	return q.inside()
}

// glassGroup returns the group by which the requester may break glass; "" for
// none.
func (q *question) glassGroup() string {
	b := q.policy.Spec.BreakGlass
	if b == nil {
		return ""
	}
	for _, g := range b.AllowedGroups {
		if q.req.User.inGroup(g) {
			return g
		}
	}
	return ""
}

func (q *question) refuseGroup() verdict {
	b := q.policy.Spec.BreakGlass
	if b == nil {
		return q.byMode(v1alpha1.ReasonBreakGlassDisabled, "is governed by a policy without break-glass")
	}
	return q.byMode(v1alpha1.ReasonBreakGlassUnauthorized, "may be opened by group "+strings.Join(b.AllowedGroups, ", ")+" only")
}

// open judges a request that sets the annotation.
func (q *question) open(reason string) verdict {
	b, r := q.policy.Spec.BreakGlass, q.req
	if !q.policy.reason.MatchString(reason) {
		return q.byMode(v1alpha1.ReasonBreakGlassReason, fmt.Sprintf("needs a reason that matches %s", b.ReasonPattern))
	}
	span, err := q.span()
	if err != nil {
		return q.byMode(v1alpha1.ReasonBreakGlassDuration, err.Error())
	}
	if w := q.window(); w != nil && r.Final {
		return q.admitted(w) // the mutating call opened it
	}
	if r.Final && !q.facts.WindowsLive {
		q.missing |= NeedWindows
	}
	if v, refused := q.unauthorized(); refused {
		return v
	}
	v := q.admitted(nil)
	v.opens = q.newWindow(reason, span)
	return v
}

func (q *question) span() (time.Duration, error) {
	most := q.policy.Spec.BreakGlass.MaxDuration.Duration
	asked := annotation(q.req.Object, v1alpha1.AnnotationBreakGlassFor)
	if asked == "" {
		return most, nil
	}
	d, err := time.ParseDuration(asked)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("needs a duration such as 30m under %s", v1alpha1.AnnotationBreakGlassFor)
	}
	if d > most {
		return 0, fmt.Errorf("may be opened for at most %s", shortDuration(most))
	}
	return d, nil
}

func (q *question) newWindow(reason string, span time.Duration) *Window {
	r := q.req
	w := &Window{
		User: r.User.Name, Scope: v1alpha1.WindowObject, Group: r.Resource.Group, Resource: r.Resource.Resource,
		Namespace: r.Namespace, Name: r.Name, Reason: reason, Until: q.facts.Now.Add(span).Truncate(time.Second),
	}
	if r.isNamespace() {
		w.Scope, w.Namespace = v1alpha1.WindowNamespace, r.Name
	}
	return w
}

// inside judges a request that may be covered by an open window.
func (q *question) inside() (verdict, bool) {
	w := q.window()
	if w == nil {
		if v, dead := q.deadMarks(); dead {
			return v, true
		}
		if !q.facts.WindowsLive { // another replica may just have opened one
			q.missing |= NeedWindows
		}
		return no()
	}
	if v, refused := q.unauthorized(); refused {
		return v, true
	}
	return q.admitted(w), true
}

func (q *question) admitted(w *Window) verdict {
	if q.facts.BreakGlass != Authorized {
		v, _ := q.unauthorized()
		return v
	}
	v := verdict{
		action: Flag, class: v1alpha1.ClassBreakGlass, reason: v1alpha1.ReasonBreakGlass,
		outcome: v1alpha1.OutcomeBreakGlass, within: w, detail: "is changed under break-glass",
	}
	if q.req.breakGlassRemoved() {
		v.closes = q.closing()
	}
	return v
}

// unauthorized asks for the verb; refused is true until the API server said yes.
func (q *question) unauthorized() (verdict, bool) {
	switch q.facts.BreakGlass {
	case Authorized:
		return verdict{}, false
	case NotAsked:
		q.missing |= NeedBreakGlass
	case AuthorizationFailed:
		return q.byMode(v1alpha1.ReasonBreakGlassUnauthorized, "could not be opened: whether you hold the verb breakglass could not be asked"), true
	}
	return q.byMode(v1alpha1.ReasonBreakGlassUnauthorized, "needs the verb breakglass on "+q.req.Resource.Resource+", which you do not hold"), true
}

// window returns the requester's open window that covers the target and ends
// last.
func (q *question) window() *Window {
	var best *Window
	for i := range q.facts.Windows {
		w := &q.facts.Windows[i]
		if w.User != q.req.User.Name || !w.Until.After(q.facts.Now) || !w.covers(q.req) {
			continue
		}
		if best == nil || w.Until.After(best.Until) || w.Until.Equal(best.Until) && w.Record < best.Record {
			best = w
		}
	}
	return best
}

// covers: the request's target is the window's object, or in its namespace.
func (w *Window) covers(r *Request) bool {
	if w.Scope == v1alpha1.WindowNamespace {
		return w.Namespace != "" && w.Namespace == r.Namespace
	}
	return w.Group == r.Resource.Group && w.Resource == r.Resource.Resource &&
		w.Namespace == r.Namespace && w.Name == r.Name && w.Name != ""
}

// closing lists the windows that stand on this very object, whoever opened them:
// their annotation is one.
func (q *question) closing() []Window {
	var out []Window
	for _, w := range q.facts.Windows {
		onIt := w.Scope == v1alpha1.WindowObject || q.req.isNamespace()
		if onIt && w.covers(q.req) {
			out = append(out, w)
		}
	}
	return out
}

// deadMarks: somebody who could break glass tidies away the marks of a window
// that is over, or the annotation of one that never was, and changes nothing else.
func (q *question) deadMarks() (verdict, bool) {
	r := q.req
	if !r.OnlyUnmarks() {
		return verdict{}, false
	}
	v := verdict{
		action: Flag, class: v1alpha1.ClassBreakGlass, reason: v1alpha1.ReasonBreakGlass,
		outcome: v1alpha1.OutcomeFlagged, detail: "is freed of the marks of a window that is over",
	}
	until, err := time.Parse(time.RFC3339, annotation(r.Old, v1alpha1.AnnotationBreakGlassUntil))
	if err == nil {
		return v, !until.After(q.facts.Now)
	}
	if !q.unheard() {
		return verdict{}, false
	}
	if denial, refused := q.unauthorized(); refused {
		return denial, true
	}
	v.detail = "is freed of an annotation that opened no window"
	return v, true
}

// unheard: the annotation came while the gate was not asked. It bears no stamp, no
// window stands on the object, and to set it again would change nothing: whoever could
// not take it away could not open a window with it either.
func (q *question) unheard() bool {
	for _, stamp := range []string{v1alpha1.AnnotationBreakGlassBy, v1alpha1.AnnotationBreakGlassUntil, v1alpha1.AnnotationBreakGlassRecord} {
		if _, stamped := child(q.req.Old, "metadata", "annotations")[stamp]; stamped {
			return false
		}
	}
	return q.facts.WindowsLive && len(q.closing()) == 0
}

// OnlyUnmarks says that the request takes the break-glass annotation away, and changes
// nothing but the marks of a window beside it.
func (r *Request) OnlyUnmarks() bool {
	if !r.breakGlassRemoved() {
		return false
	}
	skip := bookkeeping()
	for _, k := range []string{
		v1alpha1.AnnotationBreakGlass, v1alpha1.AnnotationBreakGlassFor, v1alpha1.AnnotationBreakGlassBy,
		v1alpha1.AnnotationBreakGlassUntil, v1alpha1.AnnotationBreakGlassRecord, fluxReconcile,
	} {
		skip = skip.plus("metadata", "annotations", k)
	}
	return sameBut(r.Old, r.Object, skip)
}

func shortDuration(d time.Duration) string {
	s := d.String()
	for _, tail := range []string{"m0s", "h0m"} {
		if len(s) > len(tail) && s[len(s)-len(tail):] == tail {
			s = s[:len(s)-2]
		}
	}
	return s
}
