package desired

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKustomizeRefuses(t *testing.T) {
	const remoteText = " is remote, and nothing is fetched while a commit is rendered: copy it into the repository"
	for _, c := range []struct{ name, kustomization, want string }{
		{"a remote file", "resources: ['https://alice:hunter2@example.com/web.yaml']", `resources: "https://example.com/web.yaml"` + remoteText},
		{"a repository", "resources: ['github.com/example/web?ref=v1']", `resources: "github.com/example/web?ref=v1"` + remoteText},
		{"a repository by ssh", "resources: ['git@git.example:ops/web.git']", `resources: "git@git.example:ops/web.git"` + remoteText},
		{"a repository in a file", "resources: ['file:///srv/web.git']", `resources: "file:///srv/web.git"` + remoteText},
		{"a remote base", "bases: ['https://git.example/ops//web']", `resources: "https://git.example/ops//web"` + remoteText},
		{"a remote component", "components: ['https://git.example/ops//web']", `components: "https://git.example/ops//web"` + remoteText},
		{"a remote patch", "patches: [{path: 'http://example.com/p.yaml'}]", `patches: "http://example.com/p.yaml"` + remoteText},
		{"a remote replacement", "replacements: [{path: 'http://example.com/p.yaml'}]", `replacements: "http://example.com/p.yaml"` + remoteText},
		{"a remote generator input", "configMapGenerator: [{name: a, files: ['a=http://example.com/a']}]", `configMapGenerator: "http://example.com/a"` + remoteText},
		{"a remote path in an inline transformer", "transformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: a}\n  Path: http://example.com/a\n", `Path: "http://example.com/a"` + remoteText},
		{"a chart", "helmCharts: [{name: web, repo: 'https://charts.example'}]", `helmCharts: chart "web" would be fetched and rendered by running helm: let a sync's path name a chart in the repository`},
		{"a chart in a generator", "generators:\n- |-\n  apiVersion: builtin\n  kind: HelmChartInflationGenerator\n  metadata: {name: a}\n  name: web\n", "HelmChartInflationGenerator would run helm: let a sync's path name a chart in the repository"},
		{"a function", "generators:\n- |-\n  apiVersion: a/v1\n  kind: A\n  metadata:\n    name: a\n    annotations:\n      config.kubernetes.io/function: |\n        exec: {path: ./run.sh}\n", "a function would be run, and nothing is run while a commit is rendered"},
		{"a folder of configuration", "transformers: [../base]", `transformers: "../base" is a folder: name the files in it`},
		{"a schema", "openapi: {path: schema.json}", "openapi: Kustomize would use this schema for every other folder too: use a JSON6902 patch where a list is merged by key"},
		{"a path out of the tree", "resources: [../../../etc/web.yaml]", `resources: "../../../etc/web.yaml" is outside of the repository`},
		{"a path from the root", "resources: [/etc/passwd]", `resources: "/etc/passwd" is outside of the repository`},
		{"a field that is not known", "resuorces: [a]", `invalid Kustomization: json: unknown field "resuorces"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := folder(map[string]string{"apps/web/kustomization.yaml": c.kustomization, "apps/base/kustomization.yaml": "namePrefix: a-"})
			want := "RenderFailed: apps/web/kustomization.yaml: " + c.want
			if diff := cmp.Diff(want, outcome(Render(t.Context(), tree, Options{Path: "apps/web"}))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKustomizeJudgesWhatItReadsOnTheWay(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a base that names a remote one", map[string]string{"web/kustomization.yaml": "resources: [../base]", "base/Kustomization": "resources: ['https://git.example/ops//web']"},
			`RenderFailed: base/Kustomization: resources: "https://git.example/ops//web" is remote, and nothing is fetched while a commit is rendered: copy it into the repository`},
		{"a transformer's file that names a remote one", map[string]string{"web/kustomization.yaml": "transformers: [t.yaml]", "web/t.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: a}\npath: http://example.com/a\n"},
			`RenderFailed: web/t.yaml: path: "http://example.com/a" is remote, and nothing is fetched while a commit is rendered: copy it into the repository`},
		{"a key in duplicate", map[string]string{"web/kustomization.yaml": "resources: []\nnamePrefix: a-\nresources: []\n"},
			`DocumentInvalid: web/kustomization.yaml: document 1, line 3: the key "resources" is there twice`},
		{"an anchor that grows", map[string]string{"web/kustomization.yaml": "resources: [a.yaml]", "web/a.yaml": laughs()},
			"DocumentInvalid: web/a.yaml: document 1, line 8: grows over 32 MiB when its anchors are written out"},
		{"two kustomizations in a folder", map[string]string{"web/kustomization.yaml": "", "web/Kustomization": ""},
			"RenderFailed: web/Kustomization: stands beside kustomization.yaml: keep one"},
		{"one object twice", map[string]string{"web/kustomization.yaml": "resources: [a.yaml, b.yaml]", "web/a.yaml": webMap, "web/b.yaml": webMap},
			"RenderFailed: web/kustomization.yaml: accumulating resources: accumulation err='merging resources from 'b.yaml': may not add resource with an already registered id: ConfigMap.v1.[noGrp]/web.[noNs]': must build at directory: 'web/b.yaml': file is not directory"},
		{"a base beside the overlay is in the tree", map[string]string{"web/kustomization.yaml": "resources: [../base, ../web.yaml]", "base/kustomization.yaml": "resources: [a.yaml]", "base/a.yaml": webMap, "web.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"},
			"Kustomize\nNamespace web from web.yaml\nConfigMap web from base/a.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, outcome(Render(t.Context(), folder(c.files), Options{Path: "web"}))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestFoldersAreRenderedSideBySide, since Kustomize keeps state of its own.
func TestFoldersAreRenderedSideBySide(t *testing.T) {
	tree := folder(map[string]string{"kustomization.yaml": "resources: [a.yaml]\nnamePrefix: a-", "a.yaml": webMap})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := outcome(Render(t.Context(), tree, Options{})); got != "Kustomize\nConfigMap a-web from a.yaml" {
				t.Error(got)
			}
		})
	}
	group.Wait()
}
