package policy

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// BenchmarkDecide: small objects of which no declared field has to be read, and a
// large one of which every field is declared, under 1, 10 and 100 policies.
func BenchmarkDecide(b *testing.B) {
	old, new := largeObject()
	for _, c := range []struct {
		name string
		want Action
		when []tweak
	}{
		{"small", Deny, []tweak{undeclaredObject, set("spec|replicas", int64(9))}},
		{"small-controller", Allow, []tweak{by(operatorPod()), creates(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {a: b}}, spec: {replicas: 1}}`)}},
		{"small-sync", Allow, []tweak{by(fluxPod()), image}},
		{"large", Deny, []tweak{request(func(r *Request) { r.Old, r.Object = old, new })}},
		{"large-controller", Deny, []tweak{by(operatorPod()), request(func(r *Request) { r.Old, r.Object = old, new })}},
	} {
		for _, n := range []int{1, 10, 100} {
			b.Run(fmt.Sprintf("%s/%dpolicies", c.name, n), func(b *testing.B) {
				s := newScene(c.when...)
				var policies []*Policy
				for i := range n {
					p, errs := Compile(&v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("p%03d", i)}, Spec: *s.spec})
					if len(errs) > 0 {
						b.Fatal(errs)
					}
					policies = append(policies, p)
				}
				b.ReportAllocs()
				for b.Loop() {
					if d := Decide(s.req, policies, s.facts); d.Action != c.want {
						b.Fatalf("%s %s: %s", d.Action, d.Class, d.Message)
					}
				}
			})
		}
	}
}

// largeObject is a 100 KiB Deployment with 500 declared fields in keyed lists, and
// the same after an honest change of one of them.
func largeObject() (old, new map[string]any) {
	var env []any
	owned := map[string]any{}
	for i := range 250 {
		name := fmt.Sprintf("VARIABLE_%03d", i)
		env = append(env, map[string]any{"name": name, "value": fmt.Sprintf("%0350d", i)})
		owned[fmt.Sprintf(`k:{"name":%q}`, name)] = map[string]any{".": map[string]any{}, "f:name": map[string]any{}, "f:value": map[string]any{}}
	}
	old = object(deployment)
	containerOf(old, 0)["env"] = env
	fields := managedFields(old)[0].(map[string]any)["fieldsV1"].(map[string]any)
	child(fields, "f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"web"}`)["f:env"] = owned
	new = runtime.DeepCopyJSON(old)
	list(containerOf(new, 0), "env")[100].(map[string]any)["value"] = "changed"
	kept := child(managedFields(new)[0].(map[string]any), "fieldsV1", "f:spec", "f:template", "f:spec", "f:containers", `k:{"name":"web"}`, "f:env")
	delete(kept[`k:{"name":"VARIABLE_100"}`].(map[string]any), "f:value")
	return old, new
}

func BenchmarkDiffLarge(b *testing.B) {
	old, new := largeObject()
	b.ReportAllocs()
	for b.Loop() {
		if changes, _ := Diff(old, new, 100); len(changes) != 1 {
			b.Fatal(changes)
		}
	}
}
