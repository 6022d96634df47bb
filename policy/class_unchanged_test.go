package policy

import "github.com/gitlatch/gitlatch/api/v1alpha1"

// entryOf is the sync's entry of the new object.
func entryOf(s *scene) map[string]any { return managedFields(s.req.Object)[0].(map[string]any) }

func unchangedCases() []ruleCase {
	ok := allowed(v1alpha1.ClassUnchanged)
	another := map[string]any{"manager": "kubectl", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:spec": map[string]any{"f:replicas": map[string]any{}}}}
	return []ruleCase{
		{name: "nothing differs", fits: true, want: ok},
		{name: "the resourceVersion and generation differ", when: []tweak{set("metadata|resourceVersion", "9"), set("metadata|generation", int64(2))}, fits: true, want: ok},
		{name: "the time of an entry differs", when: []tweak{func(s *scene) { entryOf(s)["time"] = "2026-05-04T00:00:00Z" }}, fits: true, want: ok},
		{name: "an empty and an absent map of bookkeeping's parent are the same", when: []tweak{objects(`{kind: X}`), set("metadata|resourceVersion", "1")}, fits: true, want: ok},
		{name: "a label differs", when: []tweak{set("metadata|labels|x", "y")}, want: webDenied()},
		{name: "an entry of another manager is new", when: []tweak{func(s *scene) {
			s.req.Object["metadata"].(map[string]any)["managedFields"] = append(managedFields(s.req.Object), another)
		}}, want: webDenied()},
		{name: "an entry can't be read on either side", when: []tweak{func(s *scene) {
			entryOf(s)["fieldsType"] = "FieldsV2"
			managedFields(s.req.Old)[0].(map[string]any)["fieldsType"] = "FieldsV2"
		}},
			want: webDenied(touches(""))},
		{name: "a number and a string that looks like it differ", when: []tweak{was("spec|paused", "1"), set("spec|paused", int64(1))}, want: webDenied()},
		{name: "null and absent differ", when: []tweak{func(s *scene) { s.req.Object["spec"].(map[string]any)["paused"] = nil }}, want: webDenied()},
		{name: "the old object is not shown", when: []tweak{request(func(r *Request) { r.Old = nil })}, want: denied(v1alpha1.ClassOutOfBand, v1alpha1.ReasonForged, "apps/Deployment prod/web has managedFields of a sync identity that this request changes (kustomize-controller)")},
		{name: "a DELETE without a new object", when: []tweak{deletes}, want: webDenied()},
	}
}
