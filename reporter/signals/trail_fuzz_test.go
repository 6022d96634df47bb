package signals

import (
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// FuzzKindOf: whatever an inventory says, an entry is of the kind that its end names, in its version, or of none that can be
// asked for.
func FuzzKindOf(f *testing.F) {
	for _, id := range []string{"prod_web_apps_Deployment", "_prod__Namespace", "_system__node_rbac.authorization.k8s.io_ClusterRole", "a_b_c", "a_b_c_", "____", "prod_web_apps_Deployment_"} {
		f.Add(id, "v1")
		f.Add(id, "")
	}
	f.Fuzz(func(t *testing.T, id, version string) {
		kind, ok := kindOf(v1alpha1.InventoryEntry{ID: id, Version: version})
		if !ok {
			if !kind.Empty() {
				t.Errorf("%q is of no kind, and of %s", id, kind)
			}
			if version != "" && strings.Count(id, "_") >= 3 && !strings.HasSuffix(id, "_") {
				t.Errorf("%q in %q is of no kind", id, version)
			}
			return
		}
		if kind.Kind == "" || kind.Version != version || version == "" || strings.Contains(kind.Group+kind.Kind, "_") || !strings.HasSuffix(id, "_"+kind.Group+"_"+kind.Kind) {
			t.Errorf("%q in %q is of %#v", id, version, kind)
		}
	})
}
