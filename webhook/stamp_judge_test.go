package webhook

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// The marks change what the validating call sees, so they must pass the judge
// there, who takes such keys from anybody else for forged. Both calls of one
// request, as the handler makes them.
func TestTheMarksPassTheJudge(t *testing.T) {
	p, errs := policy.Compile(&v1alpha1.ChangePolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster"},
		Spec: v1alpha1.ChangePolicySpec{
			Mode: v1alpha1.ModeEnforce, Objects: v1alpha1.ScopeAll, Fields: v1alpha1.ScopeAll,
			Sync: []v1alpha1.SyncIdentity{{
				Subject:       v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "flux-system", Name: "kustomize-controller"}},
				FieldManagers: []string{"kustomize-controller"},
			}},
			BreakGlass: &v1alpha1.BreakGlass{
				AllowedGroups: []string{"oncall"}, MaxDuration: metav1.Duration{Duration: 30 * time.Minute},
				ReasonPattern: `^INC-[0-9]+: .{10,}`,
			},
		},
	})
	if errs != nil {
		t.Fatal(errs)
	}
	clock := clocktesting.NewFakePassiveClock(noon)
	g := &Grants{Clock: clock}
	judge := func(req *policy.Request) policy.Decision {
		return policy.Decide(req, []*policy.Policy{p}, &policy.Facts{
			Now: clock.Now(), NamespaceLabels: map[string]string{}, Windows: g.Windows(req), WindowsLive: true,
			Guarded: g.Guarded(req), BreakGlass: policy.Authorized,
		})
	}
	// write makes both calls and returns the object as it would be stored.
	write := func(what string, old, object map[string]any) map[string]any {
		t.Helper()
		req := writeToWeb(func(r *policy.Request) { r.Old, r.Object = old, object })
		d := judge(req)
		if d.Class != v1alpha1.ClassBreakGlass || d.Action != policy.Flag {
			t.Fatalf("%s, mutating call: %s %s %s", what, d.Action, d.Reason, d.Message)
		}
		if d.Opens != nil {
			g.Opened(openingRecord(func(rec *v1alpha1.ChangeRecord) {
				rec.Spec.BreakGlass.Until = metav1.NewTime(d.Opens.Until)
				rec.Spec.BreakGlass.Reason = d.Opens.Reason
			}), *d.Opens)
		}
		req.Object = patched(t, object, g.Stamps(req, &d, "cr-open"))
		req.Final = true
		final := judge(req)
		if final.Class != v1alpha1.ClassBreakGlass || final.Action != policy.Flag {
			t.Fatalf("%s, validating call: %s %s %s", what, final.Action, final.Reason, final.Message)
		}
		if err := g.CheckStamps(req, &final); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for _, w := range final.Closes {
			g.index.endWindow(w.Record, &v1alpha1.WindowEnd{At: metav1.NewMicroTime(clock.Now())})
		}
		return req.Object
	}
	labelled := func(object map[string]any, replicas int64) map[string]any {
		object["spec"] = map[string]any{"replicas": replicas}
		return object
	}

	before := labelled(web(nil, carriedByFlux), 2)
	opened := write("opening a window, and scaling", before, labelled(web(asked, carriedByFlux), 4))
	if got := annotation(opened, keyRecord); got != "cr-open" {
		t.Fatalf("stored with record %q", got)
	}
	annotations := metaMap(opened, "annotations")
	changed := write("a write inside it", opened, labelled(web(annotations, carriedByFlux), 5))
	closed := write("ending it", changed, labelled(web(with(annotations, map[string]any{keyBreakGlass: nil}), carriedByFlux), 5))
	if left := metaMap(closed, "annotations"); len(left) != 0 {
		t.Errorf("left on the object: %v", left)
	}
	if d := judge(writeToWeb(func(r *policy.Request) { r.Old, r.Object = closed, labelled(web(nil, carriedByFlux), 6) })); d.Action != policy.Deny {
		t.Errorf("a write after the end: %s", d.Action)
	}
	clock.SetTime(noon.Add(31 * time.Minute))
	stale := labelled(web(annotations, carriedByFlux), 4)
	write("tidying up the marks of a window that is over", stale,
		labelled(web(with(annotations, map[string]any{keyBreakGlass: nil}), carriedByFlux), 4))
}
