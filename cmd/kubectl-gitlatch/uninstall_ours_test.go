package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// What is installed by a kind that uninstall does not know, it leaves.
func TestUninstallKnowsEveryKindOfTheManifests(t *testing.T) {
	seen := map[string]bool{}
	for _, dir := range []string{"crds", "default", "cert-manager", "monitoring"} {
		files, err := filepath.Glob(filepath.Join("../../manifests", dir, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for doc := range strings.SplitSeq(string(text), "\n---\n") {
				var o struct{ APIVersion, Kind string }
				if yaml.Unmarshal([]byte(doc), &o) != nil || o.Kind == "" || o.Kind == "Kustomization" {
					continue // a list of patches, or rules
				}
				gv, err := schema.ParseGroupVersion(o.APIVersion)
				if err != nil {
					t.Fatal(err)
				}
				resource, _ := meta.UnsafeGuessKindToResource(gv.WithKind(o.Kind))
				if seen[o.Kind] = true; !slices.Contains(installed(), resource.GroupResource()) {
					t.Errorf("%s has a %s", file, resource.GroupResource())
				}
			}
		}
	}
	for _, kind := range []string{"Deployment", "ClusterRoleBinding", "CustomResourceDefinition", "Certificate", "PodMonitor"} {
		if !seen[kind] {
			t.Errorf("no manifest with a %s was read", kind)
		}
	}
}
