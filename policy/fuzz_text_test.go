package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	kjson "sigs.k8s.io/json"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// FuzzBreakGlass: whatever a person writes into the annotations, a window has an allowed reason, an end, and is never
// longer than the policy lets it be.
func FuzzBreakGlass(f *testing.F) {
	f.Add(incident, "30m", "", false)
	f.Add(incident, "", noon().Add(time.Minute).Format(time.RFC3339), true)
	f.Add(incident, "-1h", "2026-03-02T12:00:00.5+25:00", false)
	f.Add("INC-42: \n", "9223372036854775807ns", "x", true)
	f.Add("no incident at all", "1h1ns", "", false)
	f.Fuzz(func(t *testing.T, reason, span, until string, final bool) {
		s := newScene(by(oncall()), set(glass, reason), set(glassFor, span), facts(authorized))
		s.req.Final = final
		if until != "" {
			set("metadata|annotations|"+v1alpha1.AnnotationBreakGlassUntil, until)(s)
		}
		p := s.policy(t)
		d := Decide(s.req, []*Policy{p}, s.facts)
		sanity(t, s.req, p, d)
		if d.Opens == nil {
			return
		}
		most := p.Spec.BreakGlass.MaxDuration.Duration
		if left := d.Opens.Until.Sub(s.facts.Now); left > most || left < -time.Second {
			t.Errorf("a window of %s, at most %s, for %q", left, most, span)
		}
		if !p.reason.MatchString(d.Opens.Reason) || d.Opens.Reason != reason {
			t.Errorf("a window for %q, asked for %q", d.Opens.Reason, reason)
		}
	})
}

// FuzzCompile: a policy of whatever shape is refused with its fields, or can be asked, the same twice.
func FuzzCompile(f *testing.F) {
	f.Add(asJSON("spec: {mode: Enforce, sync: [{serviceAccount: {namespace: gitops, name: sync}, fieldManagers: [sync]}]}"))
	f.Add(asJSON(`spec: {mode: Audit, match: {namespaceSelector: {matchExpressions: [{key: a, operator: In}]}, resources: [{apiGroups: ["*"], resources: ["*/x"]}]}}`))
	f.Add(asJSON(`spec: {breakGlass: {allowedGroups: [oncall], maxDuration: 1h, reasonPattern: "("}, trusted: [{group: a, fields: ["spec.a[", 'spec.b["c"]']}]}`))
	f.Add([]byte(`{"spec":{"breakGlass":{"maxDuration":"-1h"}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		in := &v1alpha1.ChangePolicy{}
		if err := kjson.UnmarshalCaseSensitivePreserveInts(raw, in); err != nil {
			return
		}
		p, errs := Compile(in)
		for _, err := range errs {
			if err.Field == "" || err.Detail == "" && err.Type == "" {
				t.Errorf("an error without its field: %v", err)
			}
		}
		if len(errs) > 0 {
			return
		}
		s := newScene()
		d := Decide(s.req, []*Policy{p}, s.facts)
		sanity(t, s.req, p, d)
		again, errs := Compile(in)
		if len(errs) > 0 {
			t.Fatalf("the same policy twice: %v", errs)
		}
		if diff := cmp.Diff(d, Decide(s.req, []*Policy{again}, s.facts)); diff != "" {
			t.Errorf("the same policy twice: %s", diff)
		}
	})
}
