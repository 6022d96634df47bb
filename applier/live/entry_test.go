package live

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	for _, ref := range []Ref{
		{Key: Key{Group: "apps", Kind: "Deployment", Namespace: "prod", Name: "web"}, Version: "v1"},
		{Key: Key{Kind: "Namespace", Name: "prod"}, Version: "v1"},
		{Key: Key{Kind: "ConfigMap", Namespace: "prod", Name: "web.conf"}, Version: "v1"},
		{Key: Key{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: "system:web:reader"}, Version: "v1"},
	} {
		got, err := ParseEntry(ref.Entry())
		if err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		if diff := cmp.Diff(ref, got); diff != "" {
			t.Errorf("%s: %s", ref, diff)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	f.Add("prod_web_apps_Deployment", "v1")
	f.Add("_system__web_rbac.authorization.k8s.io_ClusterRole", "v1")
	f.Add("___", "")
	f.Fuzz(func(t *testing.T, id, version string) {
		if ref, err := ParseEntry(v1alpha1.InventoryEntry{ID: id, Version: version}); err == nil {
			if again, err := ParseEntry(ref.Entry()); err != nil || again != ref {
				t.Errorf("%q is read as %+v, and again as %+v (%v)", id, ref, again, err)
			}
		}
	})
}
