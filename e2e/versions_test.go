package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// A request comes in the version that the client speaks, which need not be the one that git declared in.
func TestRequestsInAnotherVersion(t *testing.T) {
	ns := newNamespace(t, "declared")
	for name, version := range map[string]string{"one": "v1", "two": "v2"} {
		cpu := "metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]"
		if version == "v1" {
			cpu = "targetCPUUtilizationPercentage: 70"
		}
		declare(t, fmt.Sprintf(`apiVersion: autoscaling/%s
kind: HorizontalPodAutoscaler
metadata: {name: %s, namespace: %s}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nothing}
  minReplicas: 2
  maxReplicas: 4
  %s
`, version, name, ns, cpu))
	}
	versionedCRD := strings.Replace(crd("relays", "Relay", "Namespaced"), "  - name: v1\n", "  - &v1\n    name: v1\n", 1) +
		"  - {<<: *v1, name: v2, storage: false}\n"
	declare(t, versionedCRD)
	kubectl(t, "admin", "wait", "--for=condition=Established", "crd/relays.e2e.example", "--timeout=20s").MustAllow(t)
	declare(t, fmt.Sprintf("apiVersion: e2e.example/v1\nkind: Relay\nmetadata: {name: one, namespace: %s}\nspec: {size: 1, tags: [git]}\n", ns))
	declare(t, fmt.Sprintf("apiVersion: e2e.example/v2\nkind: Relay\nmetadata: {name: two, namespace: %s}\nspec: {size: 1, tags: [git]}\n", ns))

	const hpa1, hpa2, relay1, relay2 = "horizontalpodautoscalers.v1.autoscaling/", "horizontalpodautoscalers.v2.autoscaling/", "relays.v1.e2e.example/", "relays.v2.e2e.example/"
	const no = true
	mark := auditMark(t)
	take(t, ns, []step{
		{"declared in v2, changed in v1", hpa1 + "two", "merge", `{"spec":{"maxReplicas":9}}`, no},
		{"declared in v1, changed in v2", hpa2 + "one", "merge", `{"spec":{"maxReplicas":9}}`, no},
		{"declared in v2, removed in v1", hpa1 + "two", "merge", `{"spec":{"minReplicas":null}}`, no},
		{"a field that v1 knows by another name", hpa1 + "two", "merge", `{"spec":{"targetCPUUtilizationPercentage":99}}`, no},
		{"a field that v2 knows by another name", hpa2 + "one", "merge",
			`{"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":99}}}]}}`, no},
		{"a label, in the version that git uses", hpa2 + "two", "merge", `{"metadata":{"labels":{"mine":"yes"}}}`, false},
		{"a custom resource declared in v1, changed in v2", relay2 + "one", "merge", `{"spec":{"size":9}}`, no},
		{"a custom resource declared in v2, changed in v1", relay1 + "two", "merge", `{"spec":{"tags":["mine"]}}`, no},
		{"a field of one's own in the other version", relay2 + "one", "merge", `{"spec":{"free":{"mine":1},"tags":["git","mine"]}}`, false},
		{"and in the other direction", relay1 + "two", "merge", `{"spec":{"free":{"mine":1},"tags":["git","mine"]}}`, false},
	})
	spoken := map[string]bool{}
	for _, e := range auditedSince(t, mark, byIn("alice", ns)) {
		spoken[e.ObjectRef.Resource+"."+e.ObjectRef.APIVersion] = true
	}
	want := []string{"horizontalpodautoscalers.v1", "horizontalpodautoscalers.v2", "relays.v1", "relays.v2"}
	if diff := cmp.Diff(want, sortedKeys(spoken)); diff != "" {
		t.Errorf("the versions that were spoken (-want +got):\n%s", diff)
	}
	kubectl(t, "alice", "-n", ns, "delete", relay2+"one", "--wait=false").MustDeny(t, v1alpha1.ReasonOutOfBand)
}
