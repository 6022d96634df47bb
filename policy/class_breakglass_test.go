package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

const (
	glass    = "metadata|annotations|" + v1alpha1.AnnotationBreakGlass
	glassFor = "metadata|annotations|" + v1alpha1.AnnotationBreakGlassFor
	incident = "INC-42: database failover"
)

func authorized(f *Facts) { f.BreakGlass, f.WindowsLive = Authorized, true }

func windows(w ...Window) tweak { return facts(func(f *Facts) { f.Windows = w }) }

func namespaceWindow(user string, until time.Time) Window {
	return Window{Record: "cr-2", User: user, Scope: v1alpha1.WindowNamespace, Resource: "namespaces", Namespace: "prod", Name: "prod", Reason: incident, Until: until}
}

// broken is the answer to a write inside a window.
func broken(message string, w *Window, more ...func(*Decision)) Decision {
	d := flagged(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlass, message, more...)
	d.Record, d.Within = v1alpha1.OutcomeBreakGlass, w
	return d
}

func webBroken(w *Window, more ...func(*Decision)) Decision {
	return broken("apps/Deployment prod/web is changed under break-glass", w, more...)
}

func opens(w Window) func(*Decision) { return func(d *Decision) { d.Opens = &w } }

func opened(until time.Time) Window {
	w := webWindow("oncall", until)
	w.Record, w.Reason = "", incident
	return w
}

func refused(reason v1alpha1.Reason, detail string, more ...func(*Decision)) Decision {
	return denied(v1alpha1.ClassBreakGlass, reason, "apps/Deployment prod/web "+detail, more...)
}

func breakGlassCases() []ruleCase {
	asks := func(more ...tweak) []tweak {
		return append([]tweak{by(oncall()), set(glass, incident), facts(authorized)}, more...)
	}
	const (
		noGroup  = "may be opened by group oncall only"
		noVerb   = "needs the verb breakglass on deployments, which you do not hold"
		noAnswer = "could not be opened: whether you hold the verb breakglass could not be asked"
		noReason = `needs a reason that matches ^(INC|OPS)-[0-9]+: .{10,}`
		noSpan   = "needs a duration such as 30m under gitlatch.dev/break-glass-for"
		tooLong  = "may be opened for at most 1h"
	)
	auth := func(a Authorization) tweak { return facts(func(f *Facts) { f.BreakGlass = a }) }
	none := spec(func(s *v1alpha1.ChangePolicySpec) { s.BreakGlass = nil })
	hour := opens(opened(noon().Add(time.Hour)))
	namespace := []tweak{of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), objects(`{metadata: {name: prod}}`)}
	nsWindow := namespaceWindow("oncall", noon().Add(time.Hour))
	nsOpened := nsWindow
	nsOpened.Record, nsOpened.Group = "", ""
	unauthorized := func(detail string, more ...func(*Decision)) Decision {
		return refused(v1alpha1.ReasonBreakGlassUnauthorized, detail, more...)
	}
	return []ruleCase{
		{name: "oncall opens a window", when: asks(), fits: true, want: webBroken(nil, hour)},
		{name: "oncall opens a shorter one and changes at once", when: asks(set(glassFor, "30m"), image), fits: true,
			want: webBroken(nil, opens(opened(noon().Add(30*time.Minute))), touches(`.spec.template.spec.containers[name="web"].image`))},
		{name: "exactly the maximum", when: asks(set(glassFor, "60m")), fits: true, want: webBroken(nil, hour)},
		{name: "a creation carries its own", when: asks(creates(`{metadata: {name: web}}`), set(glass, incident)), fits: true, want: webBroken(nil, hour)},
		{name: "the end is cut to seconds", when: asks(facts(func(f *Facts) { f.Now = noon().Add(1500 * time.Millisecond) })), fits: true, want: webBroken(nil, opens(opened(noon().Add(time.Hour+time.Second))))},
		{name: "a window on a namespace", when: append(asks(), append(namespace, set(glass, incident))...), fits: true,
			want: broken("Namespace prod is changed under break-glass", nil, opens(nsOpened))},
		{name: "before the verb was asked", when: asks(auth(NotAsked)), fits: true, want: unauthorized(noVerb, emergency, missing(NeedBreakGlass))},
		{name: "without the verb", when: asks(auth(Unauthorized)), fits: true, want: unauthorized(noVerb)},
		{name: "the question failed", when: asks(auth(AuthorizationFailed)), fits: true, want: unauthorized(noAnswer, emergency)},
		{name: "without the group", when: asks(by(alice())), fits: true, want: unauthorized(noGroup)},
		{name: "cluster-admin is not the group", when: asks(by(admin())), fits: true, want: unauthorized(noGroup)},
		{name: "without break-glass in the policy", when: asks(none), fits: true, want: refused(v1alpha1.ReasonBreakGlassDisabled, "is governed by a policy without break-glass")},
		{name: "an empty reason", when: asks(set(glass, "")), fits: true, want: refused(v1alpha1.ReasonBreakGlassReason, noReason, emergency)},
		{name: "a reason of another form", when: asks(set(glass, "because")), fits: true, want: refused(v1alpha1.ReasonBreakGlassReason, noReason, emergency)},
		{name: "a reason that is no text", when: asks(set(glass, int64(42))), fits: true, want: refused(v1alpha1.ReasonBreakGlassReason, noReason, emergency)},
		{name: "too long", when: asks(set(glassFor, "61m")), fits: true, want: refused(v1alpha1.ReasonBreakGlassDuration, tooLong, emergency)},
		{name: "no duration", when: asks(set(glassFor, "soon")), fits: true, want: refused(v1alpha1.ReasonBreakGlassDuration, noSpan, emergency)},
		{name: "a duration of nothing", when: asks(set(glassFor, "0s")), fits: true, want: refused(v1alpha1.ReasonBreakGlassDuration, noSpan, emergency)},
		{name: "a negative duration", when: asks(set(glassFor, "-5m")), fits: true, want: refused(v1alpha1.ReasonBreakGlassDuration, noSpan, emergency)},
		{name: "the namespace's window ends sooner than a refusal under Audit matters", when: asks(by(alice()), mode(v1alpha1.ModeAudit)), fits: true, want: unauthorized(noGroup, recordedOnly(v1alpha1.ModeAudit))},
		{name: "alice without a reason", when: []tweak{set("metadata|labels|x", "y")}, want: webDenied()},
	}
}

func TestWindows(t *testing.T) {
	later := noon().Add(time.Minute)
	label := set("metadata|labels|x", "y")
	mine, whole := webWindow("oncall", later), namespaceWindow("oncall", later)
	longer := mine
	longer.Record, longer.Until = "cr-3", later.Add(time.Minute)
	window := func(f func(*Window)) tweak { w := mine; f(&w); return windows(w) }
	scaled := []tweak{sub("scale"), objects(`{kind: Scale, spec: {replicas: 1}}`), set("spec|replicas", int64(2))}
	pod := []tweak{of("", "v1", "pods", "Pod"), connects("exec", `{}`), facts(func(f *Facts) { f.Pod = &PodFact{Found: true, ServiceAccount: "kustomize-controller"} }), named("flux-system", "web")}
	extended := func(d *Decision) {
		w := opened(noon().Add(time.Hour))
		w.Reason = "INC-42: still not over it"
		d.Opens = &w
	}
	closed := func(ws ...Window) func(*Decision) { return func(d *Decision) { d.Closes = ws } }
	tidied := flagged(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlass, "apps/Deployment prod/web is freed of the marks of a window that is over")
	unheardOf := flagged(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlass, "apps/Deployment prod/web is freed of an annotation that opened no window")
	unheard := was(glass, incident)
	dead := func(s *scene) {
		was(glass, incident)(s)
		was("metadata|annotations|"+v1alpha1.AnnotationBreakGlassUntil, "2026-05-04T11:00:00Z")(s)
		was("metadata|annotations|"+v1alpha1.AnnotationBreakGlassBy, "oncall")(s)
		was("metadata|annotations|"+fluxReconcile, "disabled")(s)
		set("metadata|annotations", map[string]any{})(s)
	}
	for _, c := range []ruleCase{
		{name: "a write in the window", when: []tweak{windows(mine), label}, want: webBroken(&mine)},
		{name: "a deletion in the window", when: []tweak{windows(mine), deletes}, want: webBroken(&mine)},
		{name: "a scale in the window", when: append(scaled, windows(mine)), want: broken("apps/deployments/scale prod/web is changed under break-glass", &mine)},
		{name: "a write in the namespace's window", when: []tweak{windows(whole), label}, want: webBroken(&whole)},
		{name: "a creation in the namespace's window", when: []tweak{windows(whole), creates(`{metadata: {name: web}}`)}, want: webBroken(&whole)},
		{name: "the deletion of the namespace in its window", when: []tweak{windows(whole), of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), deletes}, want: broken("Namespace prod is changed under break-glass", &whole)},
		{name: "the window that ends last is told", when: []tweak{windows(mine, longer, whole), label}, want: webBroken(&longer)},
		{name: "of two that end together the first by name is told", when: []tweak{windows(whole, mine), label}, want: webBroken(&mine)},
		{name: "a door into the sync's pod in its namespace's window", when: append(pod, windows(Window{Record: "cr-4", User: "oncall", Scope: v1alpha1.WindowNamespace, Namespace: "flux-system", Until: later})),
			want: broken("pods/exec flux-system/web is changed under break-glass", &Window{Record: "cr-4", User: "oncall", Scope: v1alpha1.WindowNamespace, Namespace: "flux-system", Until: later})},
		{name: "at its end it is closed", when: []tweak{windows(webWindow("oncall", noon())), label}, want: webDenied(emergency)},
		{name: "a nanosecond before it is open", when: []tweak{windows(webWindow("oncall", noon().Add(1))), label}, want: webBroken(ptrTo(webWindow("oncall", noon().Add(1))))},
		{name: "alice's window is not oncall's", when: []tweak{windows(webWindow("alice", later)), label}, want: webDenied(emergency)},
		{name: "oncall's window is not that of another in the group", when: []tweak{windows(mine), label, by(User{Name: "bob", Groups: []string{"oncall"}})}, want: webDenied(emergency)},
		{name: "in another namespace", when: []tweak{window(func(w *Window) { w.Namespace = "dev" }), label}, want: webDenied(emergency)},
		{name: "of another name", when: []tweak{window(func(w *Window) { w.Name = "api" }), label}, want: webDenied(emergency)},
		{name: "of another resource", when: []tweak{window(func(w *Window) { w.Resource = "daemonsets" }), label}, want: webDenied(emergency)},
		{name: "of another group", when: []tweak{window(func(w *Window) { w.Group = "example.com" }), label}, want: webDenied(emergency)},
		{name: "a window without a name covers nothing without a name", when: []tweak{window(func(w *Window) { w.Name = "" }), named("prod", ""), label},
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/Deployment prod/ is changed through git only", emergency)},
		{name: "a namespace's window without a namespace covers nothing cluster-scoped", when: []tweak{windows(Window{User: "oncall", Scope: v1alpha1.WindowNamespace, Until: later}), named("", "web"), label},
			want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonOutOfBand, "apps/Deployment web is changed through git only", emergency)},
		{name: "the group was lost meanwhile", when: []tweak{windows(mine), label, by(User{Name: "oncall"})}, want: webDenied()},
		{name: "the verb was lost meanwhile", when: []tweak{windows(mine), label, facts(func(f *Facts) { f.BreakGlass = Unauthorized })},
			want: refused(v1alpha1.ReasonBreakGlassUnauthorized, "needs the verb breakglass on deployments, which you do not hold")},
		{name: "the verb is not asked yet", when: []tweak{windows(mine), label, facts(func(f *Facts) { f.BreakGlass = NotAsked })},
			want: refused(v1alpha1.ReasonBreakGlassUnauthorized, "needs the verb breakglass on deployments, which you do not hold", emergency, missing(NeedBreakGlass))},
		{name: "windows were not read live", when: []tweak{label, facts(func(f *Facts) { f.WindowsLive = false })}, want: webDenied(emergency, missing(NeedWindows))},
		{name: "the same for somebody whom no window would help", when: []tweak{by(alice()), label, facts(func(f *Facts) { f.WindowsLive = false })}, want: webDenied()},
		{name: "under Audit a window would make another record of it", when: []tweak{label, mode(v1alpha1.ModeAudit), facts(func(f *Facts) { f.WindowsLive = false })}, want: webDenied(missing(NeedWindows), recordedOnly(v1alpha1.ModeAudit))},
		{name: "an allow asks for nothing", when: []tweak{declaredFields, label, facts(func(f *Facts) { *f = Facts{Now: noon(), Install: f.Install} })}, want: allowed(v1alpha1.ClassUngoverned)},
		{name: "a longer window with a new reason", when: []tweak{windows(mine), both(glass, incident), set(glass, "INC-42: still not over it")}, want: webBroken(nil, extended)},
		{name: "the final call finds the window that the mutating call opened", when: []tweak{windows(mine), set(glass, incident), request(func(r *Request) { r.Final = true })}, want: webBroken(&mine)},
		{name: "the final call, and the window is not known here yet", when: []tweak{set(glass, incident), request(func(r *Request) { r.Final = true }), facts(func(f *Facts) { f.WindowsLive = false })},
			want: webBroken(nil, opens(opened(noon().Add(time.Hour))), missing(NeedWindows))},
		{name: "the final call where the mutating one failed open", when: []tweak{set(glass, incident), request(func(r *Request) { r.Final = true })}, want: webBroken(nil, opens(opened(noon().Add(time.Hour))))},
		{name: "the annotation is removed", when: []tweak{windows(mine, whole, webWindow("alice", later)), was(glass, incident)}, want: webBroken(&mine, closed(mine, webWindow("alice", later)))},
		{name: "the annotation of a namespace is removed", when: []tweak{windows(whole), of("", "v1", "namespaces", "Namespace"), named("prod", "prod"), was(glass, incident)}, want: broken("Namespace prod is changed under break-glass", &whole, closed(whole))},
		{name: "alice removes the annotation", when: []tweak{by(alice()), windows(mine), was(glass, incident)}, want: webDenied()},
		{name: "dead marks are tidied away", when: []tweak{dead}, want: tidied},
		{name: "dead marks by alice", when: []tweak{by(alice()), dead}, want: webDenied()},
		{name: "dead marks and something else", when: []tweak{dead, label}, want: webDenied(emergency)},
		{name: "an annotation that nobody heard is taken away", when: []tweak{unheard}, want: unheardOf},
		{name: "an annotation that nobody heard, before the windows were looked for", when: []tweak{unheard, facts(func(f *Facts) { f.WindowsLive = false })}, want: webDenied(emergency, missing(NeedWindows))},
		{name: "an annotation that nobody heard, without the verb", when: []tweak{unheard, facts(func(f *Facts) { f.BreakGlass = Unauthorized })}, want: refused(v1alpha1.ReasonBreakGlassUnauthorized, "needs the verb breakglass on deployments, which you do not hold")},
		{name: "an annotation that nobody heard, by alice", when: []tweak{by(alice()), unheard}, want: webDenied()},
		{name: "an annotation that nobody heard, and something else", when: []tweak{unheard, label}, want: webDenied(emergency)},
		{name: "an annotation on which somebody else's window stands", when: []tweak{unheard, windows(webWindow("carol", later))}, want: webDenied(emergency)},
		{name: "marks of a window that is not over", when: []tweak{dead, was("metadata|annotations|"+v1alpha1.AnnotationBreakGlassUntil, "2026-05-04T12:00:01Z")}, want: webDenied(emergency)},
		{name: "marks whose end can't be read", when: []tweak{dead, was("metadata|annotations|"+v1alpha1.AnnotationBreakGlassUntil, "soon")}, want: webDenied(emergency)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(append([]tweak{by(oncall()), facts(authorized)}, c.when...)...)
			if diff := cmp.Diff(c.want, s.decide(t)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func ptrTo[T any](v T) *T { return &v }
