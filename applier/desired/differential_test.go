package desired

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const kubeVersion = "v1.37.2"

// TestKustomizeRendersWhatKustomizeBuildPrints on a corpus of bases, overlays, components,
// generators, patches of every kind, replacements, and what else a kustomization can say.
func TestKustomizeRendersWhatKustomizeBuildPrints(t *testing.T) {
	program := kustomizeCommand(t)
	alice := newPerson(t, "alice")
	dir := filepath.Join("testdata", "kustomize")
	tree := sealedTree(t, dir, alice, map[string]sopsFormat{
		"overlays/prod/sealed/db.env": sopsDotenv, "overlays/prod/sealed/tls.txt": sopsBinary,
	})
	for _, path := range []string{"base", "web", "overlays/prod", "overlays/plain"} {
		t.Run(path, func(t *testing.T) {
			want, err := printed(t, program, "build", "--load-restrictor", "LoadRestrictionsNone", filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			set, err := Render(t.Context(), tree, Options{Path: path, Keys: alice.ageKeys()})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, byTitle(set.Objects)); diff != "" {
				t.Errorf("not what kustomize build prints (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHelmRendersWhatHelmTemplatePrints on a chart with values files, charts inside as folders and archives, by
// alias, condition and tag, a library, imported values, named templates, tpl, lookup, required, CRDs and hooks.
func TestHelmRendersWhatHelmTemplatePrints(t *testing.T) {
	program := helmCommand(t)
	alice := newPerson(t, "alice")
	dir := filepath.Join("testdata", "helm")
	tree := sealedTree(t, dir, alice, map[string]sopsFormat{"sealed.yaml": sopsYAML})
	for name, files := range map[string][]string{
		"its own values alone":           nil,
		"values files, one of them SOPS": {"prod.yaml", "sealed.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"template", "web", filepath.Join(dir, "shop"), "--namespace", "prod", "--include-crds", "--skip-tests",
				"--kube-version", kubeVersion, "--api-versions", "monitoring.coreos.com/v1"}
			for _, file := range files {
				args = append(args, "--values", filepath.Join(dir, file))
			}
			want, err := printed(t, program, args...)
			if err != nil {
				t.Fatal(err)
			}
			for _, left := range []string{"batch/Job clean", "ConfigMap back"} { // docs/decisions/0009-helm-hooks.md
				if _, ok := want[left]; !ok {
					t.Errorf("helm template does not print %s", left)
				}
				delete(want, left)
			}
			set, err := Render(t.Context(), tree, Options{Path: "shop", Keys: alice.ageKeys(), Helm: Helm{
				ReleaseName: "web", Namespace: "prod", ValuesFiles: files, KubeVersion: kubeVersion, APIVersions: []string{"monitoring.coreos.com/v1"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, byTitle(set.Objects)); diff != "" {
				t.Errorf("not what helm template prints (-want +got):\n%s", diff)
			}
			if !slices.IsSorted(set.Inputs) || !slices.Contains(set.Inputs, "shop/charts/packed-0.1.0.tgz") {
				t.Errorf("inputs are %v", set.Inputs)
			}
		})
	}
}

// TestSourcesAreFilesOfTheTree: where an object is declared, through Kustomize and Helm.
func TestSourcesAreFilesOfTheTree(t *testing.T) {
	alice := newPerson(t, "alice")
	overlays := sealedTree(t, filepath.Join("testdata", "kustomize"), alice, map[string]sopsFormat{
		"overlays/prod/sealed/db.env": sopsDotenv, "overlays/prod/sealed/tls.txt": sopsBinary,
	})
	charts := sealedTree(t, filepath.Join("testdata", "helm"), alice, map[string]sopsFormat{"sealed.yaml": sopsYAML})
	for _, c := range []struct {
		name string
		set  func() (*Set, error)
		want map[string]string
	}{
		{"an overlay", func() (*Set, error) {
			return Render(t.Context(), overlays, Options{Path: "overlays/prod", Keys: alice.ageKeys()})
		}, map[string]string{
			"Namespace prod": "overlays/prod/namespace.yaml",
			"apiextensions.k8s.io/CustomResourceDefinition crontabs.stable.example.com": "overlays/prod/crontab.yaml",
			"ServiceAccount prod/eu-web":                        "base/workload.yaml",
			"rbac.authorization.k8s.io/Role prod/eu-web":        "base/workload.yaml",
			"rbac.authorization.k8s.io/RoleBinding prod/eu-web": "base/workload.yaml",
			"ConfigMap prod/eu-debug-#":                         "components/debug/kustomization.yaml",
			"ConfigMap prod/eu-fixed":                           "base/kustomization.yaml",
			"ConfigMap prod/eu-in-a-list":                       "base/workload.yaml",
			"ConfigMap prod/eu-settings-#":                      "base/kustomization.yaml",
			"Secret prod/eu-db-#":                               "overlays/prod/kustomization.yaml",
			"Secret prod/eu-tls-#":                              "overlays/prod/kustomization.yaml",
			"Service prod/eu-web-http":                          "web/service.yaml",
			"apps/Deployment prod/eu-web":                       "base/workload.yaml",
			"stable.example.com/CronTab prod/eu-nightly":        "overlays/prod/crontab.yaml",
		}},
		{"a chart", func() (*Set, error) {
			return Render(t.Context(), charts, Options{Path: "shop", Keys: alice.ageKeys(),
				Helm: Helm{ReleaseName: "web", Namespace: "prod", ValuesFiles: []string{"prod.yaml", "sealed.yaml"}, KubeVersion: kubeVersion}})
		}, map[string]string{
			"apiextensions.k8s.io/CustomResourceDefinition crontabs.stable.example.com": "shop/crds/crontab.yaml",
			"ServiceAccount web":              "shop/templates/from-lib.yaml",
			"ConfigMap packed":                "shop/charts/packed-0.1.0.tgz",
			"ConfigMap tagged":                "shop/charts/tagged/templates/cm.yaml",
			"ConfigMap web-config":            "shop/templates/config.yaml",
			"Secret web-db":                   "shop/templates/secret.yaml",
			"PersistentVolumeClaim web-store": "shop/charts/cache/templates/pvc.yaml",
			"Service web":                     "shop/templates/web.yaml",
			"apps/Deployment prod/web":        "shop/templates/web.yaml",
			"batch/Job migrate":               "shop/templates/hooks.yaml",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := c.set()
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, o := range set.Objects {
				got[withoutHash(title(o.Unstructured))] = o.Source
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
