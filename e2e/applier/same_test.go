package applier

import (
	"encoding/json"
	"testing"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// essence reads an object and takes out what differs from one life of it to the next:
// uid, versions, times, allocated addresses, the commit that is noted, and its status.
func essence(t *testing.T, c *cluster.Cluster, object, namespace string) map[string]any {
	t.Helper()
	args := []string{"get", object, "-o", "json", "--show-managed-fields"}
	if namespace != "" {
		args = append(args, "-n", namespace)
	}
	out, stderr, code := c.Kubectl(t.Context(), "admin", "", args...)
	if code != 0 {
		t.Fatalf("getting %s in %q: %s", object, namespace, stderr)
	}
	content := map[string]any{}
	if err := json.Unmarshal([]byte(out), &content); err != nil {
		t.Fatal(err)
	}
	delete(content, "status")
	meta := content["metadata"].(map[string]any)
	for _, field := range []string{"uid", "resourceVersion", "creationTimestamp", "generation"} {
		delete(meta, field)
	}
	if annotations, ok := meta["annotations"].(map[string]any); ok {
		delete(annotations, "gitlatch.dev/commit")
		delete(annotations, "deployment.kubernetes.io/revision") // counts rollouts
	}
	var ours []any
	for _, entry := range meta["managedFields"].([]any) {
		e := entry.(map[string]any)
		if e["manager"] == "gitlatch" { // controllers write when they come to it
			delete(e, "time")
			ours = append(ours, e)
		}
	}
	meta["managedFields"] = ours
	if spec, ok := content["spec"].(map[string]any); ok && content["kind"] == "Service" {
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	return content
}
