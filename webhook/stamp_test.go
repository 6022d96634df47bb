package webhook

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

const (
	keyBreakGlass = "gitlatch.dev/break-glass"
	keyFor        = "gitlatch.dev/break-glass-for"
	keyBy         = "gitlatch.dev/break-glass-by"
	keyUntil      = "gitlatch.dev/break-glass-until"
	keyRecord     = "gitlatch.dev/break-glass-record"
	keyFlux       = "kustomize.toolkit.fluxcd.io/reconcile"
)

var (
	asked   = map[string]any{keyBreakGlass: "INC-42: db failover"}
	stamped = map[string]any{
		keyBreakGlass: "INC-42: db failover", keyBy: "oncall", keyUntil: "2026-03-01T12:30:00Z", keyRecord: "cr-open",
	}
	carriedByFlux = map[string]any{"kustomize.toolkit.fluxcd.io/name": "apps"}
	carriedByHelm = map[string]any{"helm.toolkit.fluxcd.io/name": "web"}
)

// web is Deployment prod/web with these annotations and labels; nil: no map.
func web(annotations, labels map[string]any) map[string]any {
	meta := map[string]any{"name": "web", "namespace": "prod"}
	if annotations != nil {
		meta["annotations"] = maps.Clone(annotations)
	}
	if labels != nil {
		meta["labels"] = labels
	}
	return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta}
}

// with is the annotations and more; a nil value takes one away.
func with(annotations map[string]any, more map[string]any) map[string]any {
	out := maps.Clone(annotations)
	for k, v := range more {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	return out
}

// declaredPause is an object in which Flux applied its own pause.
func declaredPause(object map[string]any) map[string]any {
	object["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{
		"manager": "kustomize-controller", "operation": "Apply",
		"fieldsV1": map[string]any{"f:metadata": map[string]any{"f:annotations": map[string]any{"f:" + keyFlux: map[string]any{}}}},
	}}
	return object
}

func stampAdd(key, value string) PatchOp {
	return PatchOp{Op: "add", Path: "/metadata/annotations/" + key, Value: value}
}

func stampRemove(key string) PatchOp {
	return PatchOp{Op: "remove", Path: "/metadata/annotations/" + key}
}

// The same keys as JSON pointers.
const (
	pathFor    = "gitlatch.dev~1break-glass-for"
	pathBy     = "gitlatch.dev~1break-glass-by"
	pathUntil  = "gitlatch.dev~1break-glass-until"
	pathRecord = "gitlatch.dev~1break-glass-record"
	pathFlux   = "kustomize.toolkit.fluxcd.io~1reconcile"
)

var stampOpen = []PatchOp{
	stampAdd(pathBy, "oncall"), stampAdd(pathRecord, "cr-open"), stampAdd(pathUntil, "2026-03-01T12:30:00Z"),
}

func admits(tweaks ...func(*policy.Decision)) *policy.Decision {
	d := &policy.Decision{Action: policy.Flag}
	for _, tweak := range tweaks {
		tweak(d)
	}
	return d
}

func opening(d *policy.Decision) {
	w := objectWindow(func(w *policy.Window) { w.Record = "" })
	d.Opens = &w
}

func TestStamps(t *testing.T) {
	update := func(old, object map[string]any, tweaks ...func(*policy.Request)) *policy.Request {
		return writeToWeb(append([]func(*policy.Request){func(r *policy.Request) { r.Old, r.Object = old, object }}, tweaks...)...)
	}
	forged := map[string]any{keyBy: "alice", keyUntil: "2099-01-01T00:00:00Z", keyRecord: "cr-mine"}
	paused := map[string]any{keyFlux: "disabled"}
	for _, tt := range []struct {
		name string
		open []*v1alpha1.ChangeRecord // known from the watch
		req  *policy.Request
		d    *policy.Decision
		want []PatchOp
		then map[string]any // the object's annotations afterwards
	}{
		{name: "a request that opens a window is stamped", d: admits(opening),
			req: update(web(nil, nil), web(asked, nil)), want: stampOpen, then: stamped},
		{name: "a create that opens a window is stamped", d: admits(opening),
			req:  update(nil, web(asked, nil), func(r *policy.Request) { r.Operation = policy.Create }),
			want: stampOpen, then: stamped},
		{name: "what a user sends under our keys is overwritten", d: admits(opening),
			req: update(web(nil, nil), web(with(asked, forged), nil)), want: stampOpen, then: stamped},
		{name: "what is right already is left alone", d: admits(opening),
			req: update(web(nil, nil), web(stamped, nil)), then: stamped},
		{name: "Flux is told to leave its object alone", d: admits(opening),
			req:  update(web(nil, carriedByFlux), web(asked, carriedByFlux)),
			want: append(stampOpen[:3:3], stampAdd(pathFlux, "disabled")), then: with(stamped, paused)},
		{name: "and its release's object", d: admits(opening),
			req:  update(web(nil, carriedByHelm), web(asked, carriedByHelm)),
			want: append(stampOpen[:3:3], stampAdd(pathFlux, "disabled")), then: with(stamped, paused)},
		{name: "a second window takes over the marks", open: []*v1alpha1.ChangeRecord{openingRecord(recordNamed("cr-first"))},
			d: admits(opening), req: update(web(with(stamped, map[string]any{keyRecord: "cr-first"}), nil), web(with(stamped, map[string]any{keyRecord: "cr-first"}), nil)),
			want: []PatchOp{stampAdd(pathRecord, "cr-open")}, then: stamped},
		{name: "a repeat that is decided later says what its record says",
			open: []*v1alpha1.ChangeRecord{openingRecord()},
			d:    admits(opening, func(d *policy.Decision) { d.Opens.Until = noon.Add(31 * 60e9) }),
			req:  update(web(nil, nil), web(asked, nil)), want: stampOpen, then: stamped},

		{name: "marks that a write inside a window drops are put back", open: []*v1alpha1.ChangeRecord{openingRecord()},
			d: admits(), req: update(web(stamped, nil), web(asked, nil)), want: stampOpen, then: stamped},
		{name: "marks that somebody else changes are put back", open: []*v1alpha1.ChangeRecord{openingRecord()},
			d: admits(), req: update(web(stamped, nil), web(with(stamped, map[string]any{keyBy: "alice"}), nil), byUser("alice")),
			want: []PatchOp{stampAdd(pathBy, "oncall")}, then: stamped},
		{name: "of two open windows the marks stay with the one they were of",
			open: []*v1alpha1.ChangeRecord{openingRecord(), openingRecord(recordNamed("cr-later"), func(rec *v1alpha1.ChangeRecord) {
				rec.Spec.BreakGlass.Until.Time = noon.Add(60 * 60e9)
			})},
			d: admits(), req: update(web(stamped, nil), web(asked, nil)), want: stampOpen, then: stamped},
		{name: "a window that only the live read showed counts too",
			d:   admits(func(d *policy.Decision) { w := objectWindow(); d.Within = &w }),
			req: update(web(stamped, nil), web(asked, nil)), want: stampOpen, then: stamped},
		{name: "a namespace's window does not mark what is in it",
			d: admits(func(d *policy.Decision) {
				d.Within = &policy.Window{Record: "cr-ns", User: "oncall", Scope: v1alpha1.WindowNamespace, Namespace: "prod"}
			}),
			req: update(web(nil, carriedByFlux), web(nil, carriedByFlux))},
		{name: "a mark that was never there is not added to somebody else's write", open: []*v1alpha1.ChangeRecord{openingRecord()},
			d: admits(), req: update(web(asked, carriedByFlux), web(asked, carriedByFlux), byUser("alice")), then: asked},
		{name: "nor is the pause of Flux", open: []*v1alpha1.ChangeRecord{openingRecord()},
			d: admits(), req: update(web(stamped, carriedByFlux), web(stamped, carriedByFlux), byUser("alice")), then: stamped},
		{name: "a pause that was there is put back", open: []*v1alpha1.ChangeRecord{openingRecord()},
			d: admits(), req: update(web(with(stamped, paused), carriedByFlux), web(stamped, carriedByFlux), byUser("alice")),
			want: []PatchOp{stampAdd(pathFlux, "disabled")}, then: with(stamped, paused)},
		{name: "marks with no annotation left are not touched", d: admits(),
			req:  update(web(with(stamped, map[string]any{keyBreakGlass: nil}), nil), web(with(stamped, map[string]any{keyBreakGlass: nil}), nil)),
			then: with(stamped, map[string]any{keyBreakGlass: nil})},
		{name: "an annotation that outlived its window gets no marks", d: admits(),
			req: update(web(stamped, nil), web(asked, nil)), then: asked},

		{name: "the marks go with the annotation", d: admits(),
			req:  update(web(with(stamped, map[string]any{keyFor: "30m", "team": "db"}), nil), web(with(stamped, map[string]any{keyBreakGlass: nil, keyFor: "30m", "team": "db"}), nil)),
			want: []PatchOp{stampRemove(pathBy), stampRemove(pathFor), stampRemove(pathRecord), stampRemove(pathUntil)},
			then: map[string]any{"team": "db"}},
		{name: "what the user took away too is not taken away twice", d: admits(),
			req: update(web(stamped, nil), web(nil, nil))},
		{name: "our pause of Flux goes with them", d: admits(),
			req:  update(web(with(stamped, paused), carriedByFlux), web(paused, carriedByFlux)),
			want: []PatchOp{stampRemove(pathFlux)}, then: map[string]any{}},
		{name: "a pause that git declared stays", d: admits(),
			req:  update(declaredPause(web(with(stamped, paused), carriedByFlux)), web(paused, carriedByFlux)),
			then: paused},
		{name: "a pause on what never broke glass is none of ours", d: admits(),
			req:  update(web(paused, carriedByFlux), web(paused, carriedByFlux)),
			then: paused},

		{name: "a dry run leaves nothing", d: admits(opening),
			req:  update(web(nil, nil), web(asked, nil), func(r *policy.Request) { r.DryRun = true }),
			then: asked},
		{name: "a denial stamps nothing", d: admits(opening, func(d *policy.Decision) { d.Action = policy.Deny }),
			req: update(web(nil, nil), web(asked, nil)), then: asked},
		{name: "a Scale is not the object", d: admits(opening), then: asked,
			req: update(web(nil, nil), web(asked, nil), func(r *policy.Request) {
				r.Subresource, r.Kind.Group, r.Kind.Kind = "scale", "autoscaling", "Scale"
			})},
		{name: "the status call carries the whole object", d: admits(opening),
			req:  update(web(nil, nil), web(asked, nil), func(r *policy.Request) { r.Subresource = "status" }),
			want: stampOpen, then: stamped},
		{name: "a deletion has no object", d: admits(),
			req: update(web(stamped, nil), nil, func(r *policy.Request) { r.Operation = policy.Delete })},
		{name: "an ordinary write is left alone", d: admits(),
			req: update(web(nil, nil), web(map[string]any{"team": "db"}, nil)), then: map[string]any{"team": "db"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &Grants{Clock: clocktesting.NewFakePassiveClock(noon)}
			for _, rec := range tt.open {
				g.sawWindow(rec)
			}
			got := g.Stamps(tt.req, tt.d, "cr-open")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("patch (-want +got):\n%s", diff)
			}
			if tt.req.Object == nil {
				return
			}
			labels := metaMap(tt.req.Object, "labels")
			after := patched(t, tt.req.Object, got)
			if diff := cmp.Diff(web(tt.then, labels), after); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			tt.req.Object = after
			final := *tt.d
			if final.Opens != nil { // by the validating call it is open
				final.Opens = nil
				g.Opened(openingRecord(), policy.Window{})
			}
			if err := g.CheckStamps(tt.req, &final); err != nil {
				t.Errorf("our own marks don't pass: %v", err)
			}
		})
	}
}

// patched applies a patch as the API server does.
func patched(t *testing.T, object map[string]any, ops []PatchOp) map[string]any {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if len(ops) > 0 {
		raw, err := json.Marshal(ops)
		if err != nil {
			t.Fatal(err)
		}
		patch, err := jsonpatch.DecodePatch(raw)
		if err != nil {
			t.Fatal(err)
		}
		if text, err = patch.Apply(text); err != nil {
			t.Fatal(err)
		}
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestStampsWhereThereIsNoMap(t *testing.T) {
	want := "v"
	ops := annotationPatch(web(nil, nil), map[string]*string{"example.com/a~b": &want, "gone": nil})
	if diff := cmp.Diff([]PatchOp{{Op: "add", Path: "/metadata/annotations", Value: map[string]string{"example.com/a~b": "v"}}}, ops); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(web(map[string]any{"example.com/a~b": "v"}, nil), patched(t, web(nil, nil), ops)); diff != "" {
		t.Errorf("object (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("/metadata/annotations/example.com~1a~0b", annotationPath("example.com/a~b")); diff != "" {
		t.Errorf("pointer (-want +got):\n%s", diff)
	}
}

func TestCheckStampsRefusesWhatAnotherWebhookChanged(t *testing.T) {
	const prefix = "checking the break-glass marks of deployments prod/web: "
	mine := func(more map[string]any) *policy.Request {
		return writeToWeb(func(r *policy.Request) { r.Old, r.Object = web(nil, nil), web(with(stamped, more), nil) })
	}
	for _, tt := range []struct {
		name  string
		known bool // this replica knows the record
		req   *policy.Request
		d     *policy.Decision
		want  string
	}{
		{name: "the marks as they were set", known: true, d: admits(), req: mine(nil)},
		{name: "another name", known: true, d: admits(), req: mine(map[string]any{keyBy: "alice"}),
			want: prefix + `gitlatch.dev/break-glass-by is "alice" and should be "oncall"`},
		{name: "a later end", known: true, d: admits(), req: mine(map[string]any{keyUntil: "2026-03-01T13:30:00Z"}),
			want: prefix + `gitlatch.dev/break-glass-until is "2026-03-01T13:30:00Z" and should be "2026-03-01T12:30:00Z"`},
		{name: "a mark that is gone", known: true, d: admits(), req: mine(map[string]any{keyRecord: nil}),
			want: prefix + `gitlatch.dev/break-glass-record is missing and should be "cr-open"`},
		{name: "a mark that is gone, of a window that only the live read showed", req: mine(map[string]any{keyRecord: nil}),
			d:    admits(func(d *policy.Decision) { w := objectWindow(); d.Within = &w }),
			want: prefix + `gitlatch.dev/break-glass-record is missing and should be "cr-open"`},
		{name: "a mark that came back", d: admits(),
			req: writeToWeb(func(r *policy.Request) {
				r.Old, r.Object = web(stamped, nil), web(map[string]any{keyBy: "oncall"}, nil)
			}),
			want: prefix + `gitlatch.dev/break-glass-by is still there`},
		{name: "a second window took the marks over", known: true, d: admits(),
			req: writeToWeb(func(r *policy.Request) {
				r.Old, r.Object = web(with(stamped, map[string]any{keyRecord: "cr-first"}), nil), web(stamped, nil)
			})},
		{name: "the mutating call never came, so nothing is marked", d: admits(opening),
			req: writeToWeb(func(r *policy.Request) { r.Object = web(asked, nil) })},
		{name: "a dry run was not stamped", known: true, d: admits(),
			req: writeToWeb(func(r *policy.Request) { r.Object, r.DryRun = web(asked, nil), true })},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := &Grants{Clock: clocktesting.NewFakePassiveClock(noon)}
			if tt.known {
				g.Opened(openingRecord(), policy.Window{})
				g.Opened(openingRecord(recordNamed("cr-first"), func(rec *v1alpha1.ChangeRecord) {
					rec.Spec.BreakGlass.Until.Time = noon.Add(time.Minute)
				}), policy.Window{})
			}
			got := ""
			if err := g.CheckStamps(tt.req, tt.d); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
