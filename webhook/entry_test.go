package webhook

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// declaredWeb is a Deployment of which git declares the replicas and, where there
// are any, so many keys.
func declaredWeb(keys int) map[string]any {
	spec, owned := map[string]any{"replicas": int64(2)}, map[string]any{"f:replicas": map[string]any{}}
	for i := range keys {
		spec[fmt.Sprintf("key%d", i)], owned[fmt.Sprintf("f:key%d", i)] = "a", map[string]any{}
	}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "spec": spec,
		"metadata": map[string]any{
			"name": "web", "namespace": "prod", "annotations": map[string]any{lastApplied: "{}"},
			"managedFields": []any{map[string]any{
				"manager": "kustomize-controller", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
				"fieldsV1": map[string]any{"f:spec": owned},
			}},
		},
	}
}

func TestOnlyWhatGitDeclaredIsToBeGuarded(t *testing.T) {
	type object = map[string]any
	edit := func(o object, key string, value any) { o["spec"].(object)[key] = value }
	for _, tt := range []struct {
		name        string
		keys        int
		write       func(o object)
		tweak       func(*policy.Request)
		want        []string // declared, of the changes
		changes     int
		omitted     int
		cut, labels bool
	}{
		{name: "a declared field", write: func(o object) { edit(o, "replicas", int64(4)) }, want: []string{".spec.replicas"}, changes: 1, labels: true},
		{name: "a field of alice's own", write: func(o object) { edit(o, "paused", true) }, changes: 1},
		{name: "a declared field beside last-applied", write: func(o object) {
			edit(o, "replicas", int64(4))
			o["metadata"].(object)["annotations"] = object{lastApplied: "{...}"}
		}, want: []string{".spec.replicas"}, changes: 2, labels: true},
		{name: "a finalizer", write: func(o object) { o["metadata"].(object)["finalizers"] = []any{"example.com/keep"} }, changes: 1},
		{name: "a declared field after many others", write: func(o object) {
			edit(o, "replicas", int64(4))
			for i := range 100 {
				edit(o, fmt.Sprintf("added%d", i), "b")
			}
		}, want: []string{".spec.replicas"}, changes: maxChanges, omitted: 37, labels: true},
		{name: "more declared fields than a record is offered", keys: 100, write: func(o object) {
			for i := range 100 {
				edit(o, fmt.Sprintf("key%d", i), "b")
			}
		}, changes: maxChanges, omitted: 36, cut: true, labels: true},
		{name: "more differences than are told apart", write: func(o object) {
			edit(o, "replicas", int64(4))
			for i := range maxCompared {
				edit(o, fmt.Sprintf("added%d", i), "b")
			}
		}, changes: maxChanges, omitted: 1 + maxCompared - maxChanges, cut: true, labels: true},
		{name: "a scale", write: func(o object) { edit(o, "replicas", int64(4)) }, tweak: func(r *policy.Request) { r.Subresource = "scale" },
			want: []string{".spec.replicas"}, changes: 1, labels: true},
		{name: "a deletion", write: func(object) {}, tweak: func(r *policy.Request) { r.Operation, r.Object = policy.Delete, nil }, changes: 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := writeToWeb(byUser("alice"))
			req.Old, req.Object = declaredWeb(tt.keys), declaredWeb(tt.keys)
			tt.write(req.Object)
			if tt.tweak != nil {
				tt.tweak(req)
			}
			d := policy.Decide(req, []*policy.Policy{policyIn(t, v1alpha1.ModeAudit)}, &policy.Facts{Now: noon, WindowsLive: true})
			if d.Record != v1alpha1.OutcomeFlagged {
				t.Fatalf("decided %+v", d)
			}
			e := entryOf(req, &d)
			var got []string
			for _, c := range e.Changes {
				if c.Declared && tt.want != nil {
					got = append(got, c.Path)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("declared (-want +got):\n%s", diff)
			}
			if len(e.Changes) != tt.changes || e.Omitted != tt.omitted || e.DeclaredOmitted != tt.cut || e.Unresolved != tt.labels {
				t.Errorf("%d changes, %d omitted, declared ones: %t, unresolved: %t", len(e.Changes), e.Omitted, e.DeclaredOmitted, e.Unresolved)
			}
		})
	}
}

// TestControllersWriteOnAfterAFlaggedApply: kubectl apply rewrites last-applied with
// every write. What it changed of git's stays guarded, and nothing else does.
func TestControllersWriteOnAfterAFlaggedApply(t *testing.T) {
	type object = map[string]any
	req := writeToWeb(byUser("alice"))
	req.Old, req.Object = declaredWeb(0), declaredWeb(0)
	req.Object["spec"].(object)["replicas"] = int64(4)
	req.Object["metadata"].(object)["annotations"] = object{lastApplied: "{...}", "example.com/team": "shop"}
	d := policy.Decide(req, []*policy.Policy{policyIn(t, v1alpha1.ModeAudit)}, &policy.Facts{Now: noon, WindowsLive: true})
	e := entryOf(req, &d)
	var x windowIndex
	x.putGuard(openingRecord(func(rec *v1alpha1.ChangeRecord) {
		for _, c := range e.Changes {
			rec.Spec.Changes = append(rec.Spec.Changes, v1alpha1.Change{Path: c.Path, Declared: c.Declared})
		}
	}))

	judged := func(write func(o object)) policy.Action {
		req := writeToWeb(byUser("system:serviceaccount:shop:operator"))
		req.User.UID, req.User.Groups = "u", []string{"system:serviceaccounts"}
		req.User.Extra = map[string][]string{
			policy.ExtraPodName: {"operator-0"}, policy.ExtraPodUID: {"u"}, policy.ExtraCredentialID: {"JTI=1"},
		}
		req.Old, req.Object = declaredWeb(1), declaredWeb(1)
		for _, o := range []object{req.Old, req.Object} { // the sync no longer owns what alice wrote
			entry := o["metadata"].(object)["managedFields"].([]any)[0].(object)
			delete(entry["fieldsV1"].(object)["f:spec"].(object), "f:replicas")
		}
		write(req.Object)
		facts := &policy.Facts{Now: noon, WindowsLive: true, Guarded: x.paths(requestTarget(req))}
		return policy.Decide(req, []*policy.Policy{policyIn(t, v1alpha1.ModeEnforce)}, facts).Action
	}
	for name, write := range map[string]func(o object){
		"the operator labels it":      func(o object) { o["metadata"].(object)["labels"] = object{"a": "b"} },
		"the operator sets a field":   func(o object) { o["spec"].(object)["paused"] = true },
		"the operator annotates it":   func(o object) { o["metadata"].(object)["annotations"] = object{"example.com/team": "ops"} },
		"the operator adds finalizer": func(o object) { o["metadata"].(object)["finalizers"] = []any{"example.com/keep"} },
	} {
		if got := judged(write); got != policy.Allow {
			t.Errorf("%s: %s, want allow", name, got)
		}
	}
	if got := judged(func(o object) { o["spec"].(object)["replicas"] = int64(1) }); got != policy.Deny {
		t.Errorf("the operator writes what alice took from git: %s, want deny", got)
	}
	if d.Touched == nil || !e.Unresolved || e.Changes[0].Path == record.Unlisted {
		t.Errorf("touched %v, entry %+v", d.Touched, e)
	}
}

func TestWhatIsDeclaredByATouchedPath(t *testing.T) {
	touched := []string{".spec.selector", `.spec.ports[port=80].name`, ".metadata.annotations"}
	for path, want := range map[string]bool{
		".spec.selector":                               true,
		".spec.selector.app":                           true,
		".spec.selectors":                              false,
		".spec.ports[port=80]":                         true,
		".spec.ports[port=81]":                         false,
		`.metadata.annotations["example.com/team"]`:    true,
		`.metadata.annotations["` + lastApplied + `"]`: false,
		".metadata.finalizers":                         false,
	} {
		if got := declared(path, touched); got != want {
			t.Errorf("%s: %t, want %t", path, got, want)
		}
	}
}
