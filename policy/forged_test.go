package policy

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func forgery(detail string, more ...func(*Decision)) Decision {
	return denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonForged, "apps/Deployment prod/web "+detail, more...)
}

func forgedManagerCases() []ruleCase {
	const under = "may not be written under the sync's field manager kustomize-controller"
	changes := func(path string) string {
		return "has managedFields of a sync identity that this request changes (" + path + ")"
	}
	const web = `.spec.template.spec.containers[name="web"]`
	extra := map[string]any{"manager": "kustomize-controller", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:paused": map[string]any{}}}}
	second := map[string]any{"manager": "kustomize-controller", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": extra["fieldsV1"]}
	add := func(e map[string]any) tweak {
		return func(s *scene) {
			set("metadata|managedFields", append(append([]any{}, managedFields(s.req.Object)...), e))(s)
		}
	}
	label := set("metadata|labels|x", "y")
	claim := func(s *scene) { child(entryOf(s), "fieldsV1", "f:spec")["f:paused"] = map[string]any{} }
	unreadable := map[string]any{"manager": "kustomize-controller", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV2"}
	window := facts(func(f *Facts) {
		f.BreakGlass, f.WindowsLive = Authorized, true
		f.Windows = []Window{webWindow("oncall", noon().Add(time.Minute))}
	})
	return []ruleCase{
		{name: "alice writes under the sync's field manager", when: []tweak{manager("kustomize-controller"), label}, fits: true, want: forgery(under)},
		{name: "the same under Audit", when: []tweak{manager("kustomize-controller"), label, mode(v1alpha1.ModeAudit)}, fits: true, want: forgery(under, recordedOnly(v1alpha1.ModeAudit))},
		{name: "an operator writes under it", when: []tweak{by(operatorPod()), manager("kustomize-controller"), label}, fits: true, want: forgery(under)},
		{name: "a window does not cover it", when: []tweak{by(oncall()), window, manager("kustomize-controller"), label}, fits: true, want: forgery(under)},
		{name: "alice creates under it", when: []tweak{manager("kustomize-controller"), creates(`{metadata: {name: web}}`)}, fits: true, want: forgery(under)},
		{name: "alice clears managedFields", when: []tweak{set("metadata|managedFields", []any{map[string]any{}})}, fits: true,
			want: forgery(changes(".metadata.labels.app"), touches(".metadata.labels.app", ".spec.replicas", web, web+".image", web+".name"))},
		{name: "alice drops one path whose value stays", when: []tweak{label, func(s *scene) { delete(child(entryOf(s), "fieldsV1", "f:spec"), "f:replicas") }}, fits: true,
			want: forgery(changes(".spec.replicas"), touches(".spec.replicas"))},
		{name: "alice makes the sync own another path", when: []tweak{label, claim}, fits: true, want: forgery(changes("kustomize-controller"))},
		{name: "alice adds an entry of the sync", when: []tweak{label, add(extra)}, fits: true, want: forgery(changes("kustomize-controller"))},
		{name: "alice adds a second entry of the same name", when: []tweak{label, add(second)}, fits: true, want: forgery(changes("kustomize-controller"))},
		{name: "alice adds one that can't be read", when: []tweak{label, add(unreadable)}, fits: true, want: forgery(changes("kustomize-controller"))},
		{name: "alice creates an object with an entry of the sync", when: []tweak{creates(deployment)}, fits: true, want: forgery(changes("kustomize-controller"))},
		{name: "an operator creates one with an entry of the sync", when: []tweak{by(operatorPod()), creates(deployment)}, fits: true, want: forgery(changes("kustomize-controller"))},
		{name: "an honest change", when: []tweak{image}, want: webDenied(touches(`.spec.template.spec.containers[name="web"].image`))},
		{name: "another manager shares a path", when: []tweak{by(operatorPod()), add(map[string]any{"manager": "ops", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}}})},
			want: allowed(v1alpha1.ClassController)},
		{name: "the sync writes under its own", when: []tweak{by(fluxPod()), manager("kustomize-controller"), image}, want: allowed(v1alpha1.ClassSync)},
	}
}

func webWindow(user string, until time.Time) Window {
	return Window{Record: "cr-1", User: user, Scope: v1alpha1.WindowObject, Group: "apps", Resource: "deployments", Namespace: "prod", Name: "web", Reason: "INC-42: database failover", Until: until}
}

// stamped sets the three stamps of a window on the new object.
func stamped(by, until, record string) tweak {
	return func(s *scene) {
		set("metadata|annotations|"+v1alpha1.AnnotationBreakGlassBy, by)(s)
		set("metadata|annotations|"+v1alpha1.AnnotationBreakGlassUntil, until)(s)
		set("metadata|annotations|"+v1alpha1.AnnotationBreakGlassRecord, record)(s)
	}
}

func forgedMarkCases() []ruleCase {
	mark := func(key string, more ...func(*Decision)) Decision {
		return forgery("has the mark "+key+", which only its owner sets or removes: leave it as it was", more...)
	}
	annotate := func(key string, v any) tweak { return set("metadata|annotations|"+key, v) }
	label := func(key string, v any) tweak { return set("metadata|labels|"+key, v) }
	const flux, helm, argo = "kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name", "argocd.argoproj.io/tracking-id"
	window := facts(func(f *Facts) {
		f.BreakGlass, f.WindowsLive = Authorized, true
		f.Windows = []Window{webWindow("oncall", noon().Add(time.Minute))}
	})
	asks := annotate(v1alpha1.AnnotationBreakGlass, "INC-42: database failover")
	within := func(d *Decision) {
		w := webWindow("oncall", noon().Add(time.Minute))
		d.Within, d.Record = &w, v1alpha1.OutcomeBreakGlass
	}
	const until = "2026-05-04T12:01:00Z"
	return []ruleCase{
		{name: "alice adds Flux's mark", when: []tweak{label(flux, "apps")}, fits: true, want: mark(flux)},
		{name: "alice changes it", when: []tweak{both("metadata|labels|"+flux, "apps"), label(flux, "other")}, fits: true, want: mark(flux)},
		{name: "alice removes it", when: []tweak{was("metadata|labels|"+flux, "apps")}, fits: true, want: mark(flux)},
		{name: "alice adds it as an annotation", when: []tweak{annotate(flux, "apps")}, fits: true, want: mark(flux)},
		{name: "alice adds Helm's mark", when: []tweak{label(helm, "apps")}, fits: true, want: mark(helm)},
		{name: "alice adds Argo CD's mark", when: []tweak{annotate(argo, "apps")}, fits: true, want: mark(argo)},
		{name: "alice adds a key of Gitlatch's own", when: []tweak{annotate("gitlatch.dev/anything", "x")}, fits: true, want: mark("gitlatch.dev/anything")},
		{name: "of two marks the first by name is told", when: []tweak{label(flux, "x"), label(helm, "x")}, fits: true, want: mark(helm)},
		{name: "alice creates with a mark", when: []tweak{creates(`{metadata: {labels: {kustomize.toolkit.fluxcd.io/name: apps}}}`)}, fits: true, want: mark(flux)},
		{name: "the mark is no text", when: []tweak{annotate(argo, int64(1))}, fits: true, want: mark(argo)},
		{name: "a pipeline without a pod", when: []tweak{by(pipeline()), label(flux, "apps")}, fits: true, want: mark(flux)},
		{name: "a window does not cover it", when: []tweak{by(oncall()), window, label(flux, "apps")}, fits: true, want: mark(flux)},
		{name: "under Audit it is recorded", when: []tweak{label(flux, "apps"), mode(v1alpha1.ModeAudit)}, fits: true, want: mark(flux, recordedOnly(v1alpha1.ModeAudit))},
		{name: "it is guarded even where only declared objects are", when: []tweak{declaredOnly, undeclaredObject, label(flux, "apps")}, fits: true, want: mark(flux)},
		{name: "stamps sent with the request", when: []tweak{by(oncall()), asks, stamped("oncall", until, "cr-9"), facts(func(f *Facts) { f.WindowsLive = true })}, fits: true, want: mark(v1alpha1.AnnotationBreakGlassBy)},
		{name: "stamps of an opened window with another end", when: []tweak{by(oncall()), window, asks, stamped("oncall", "2030-01-01T00:00:00Z", "cr-1")}, fits: true, want: mark(v1alpha1.AnnotationBreakGlassBy)},
		{name: "stamps of an opened window in another's name", when: []tweak{by(oncall()), window, asks, stamped("alice", until, "cr-1")}, fits: true, want: mark(v1alpha1.AnnotationBreakGlassBy)},
		{name: "stamps of a window that this replica does not know yet", when: []tweak{by(oncall()), asks, stamped("oncall", until, "cr-1")}, fits: true, want: mark(v1alpha1.AnnotationBreakGlassBy, missing(NeedWindows))},
		{name: "alice removes the stamps and leaves the annotation", when: []tweak{both("metadata|annotations|"+v1alpha1.AnnotationBreakGlass, "x"), was("metadata|annotations|"+v1alpha1.AnnotationBreakGlassBy, "oncall")}, fits: true, want: mark(v1alpha1.AnnotationBreakGlassBy)},
		{name: "the stamps of the window that the mutating call opened", when: []tweak{by(oncall()), window, asks, stamped("oncall", until, "cr-1"), request(func(r *Request) { r.Final = true })},
			want: flagged(v1alpha1.ClassBreakGlass, v1alpha1.ReasonBreakGlass, "apps/Deployment prod/web is changed under break-glass", within)},
		{name: "a label of alice's own", when: []tweak{label("x", "y")}, want: webDenied()},
		{name: "a mark that stays", when: []tweak{both("metadata|labels|"+flux, "apps"), label("x", "y")}, want: webDenied()},
		{name: "an operator copies a mark to its child", when: []tweak{by(operatorPod()), undeclaredObject, label(flux, "apps")}, want: allowed(v1alpha1.ClassController)},
		{name: "a request to sync now is no mark", when: []tweak{annotate(v1alpha1.AnnotationRequestedAt, "now")}, want: webDenied()},
	}
}
