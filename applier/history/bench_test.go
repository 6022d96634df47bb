package history

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// The history of the benchmark: commits, each of which changes one of the files.
const (
	benchCommits = 10_000
	benchApps    = 100
	benchFiles   = 50 // of each app
)

// benchForms are three folders of one repository: all apps as plain YAML, an overlay over one app, and a chart.
func benchForms() []struct{ name, path, kind, object string } {
	return []struct{ name, path, kind, object string }{
		{"plain", "clusters/prod", "ConfigMap", "app007-01"},
		{"kustomize", "overlays/prod", "ConfigMap", "prod-app007-01"},
		{"helm", "charts/shop", "ConfigMap", "shop-01"},
	}
}

// benchHistory writes a history in which the objects that are asked about never change after the first commit, so that
// all of it has to be walked.
func benchHistory(b *testing.B) (*gitserver.Repo, string) {
	b.Helper()
	m := &made{}
	files := folder{
		"overlays/prod/kustomization.yaml": "resources: [../../clusters/prod/app007]\nnamePrefix: prod-\nnamespace: prod\n",
		"charts/shop/Chart.yaml":           "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
		"charts/shop/values.yaml":          "x: n0\n",
	}
	var listed []string
	for i := range benchFiles {
		listed = append(listed, fmt.Sprintf("f%02d.yaml", i))
		files[fmt.Sprintf("charts/shop/templates/t%02d.yaml", i)] = configMap(fmt.Sprintf("{{ .Release.Name }}-%02d", i))
	}
	for app := range benchApps {
		for i := range benchFiles {
			files[fmt.Sprintf("clusters/prod/app%03d/f%02d.yaml", app, i)] = configMap(fmt.Sprintf("app%03d-%02d", app, i))
		}
	}
	// A folder of plain YAML may hold no kustomization: the overlay's is in a folder of its own.
	files["overlays/prod/kustomization.yaml"] = strings.Replace(files["overlays/prod/kustomization.yaml"], "../../clusters/prod/app007",
		"../../clusters/prod/app007/"+strings.Join(listed, ", ../../clusters/prod/app007/"), 1)
	last := m.commit("begin", files)
	for n := 1; n < benchCommits; n++ {
		name, content := benchChange(n)
		last = m.change(fmt.Sprintf("change %d", n), last, name, content)
	}
	repo, head := m.repo(b)
	if _, err := repo.Git("gc", "--quiet"); err != nil { // as a clone is
		b.Fatal(err)
	}
	return repo, head
}

// benchChange is the file that a commit changes: seldom one that the objects' folders render too, never their own.
func benchChange(n int) (name, content string) {
	i := 2 + (n*13)%(benchFiles-2)
	value := fmt.Sprintf("n%d", n)
	if n%50 == 0 {
		return fmt.Sprintf("charts/shop/templates/t%02d.yaml", i),
			strings.ReplaceAll(configMap(fmt.Sprintf("{{ .Release.Name }}-%02d", i)), "n0", value)
	}
	app := (n * 7) % benchApps
	return fmt.Sprintf("clusters/prod/app%03d/f%02d.yaml", app, i),
		strings.ReplaceAll(configMap(fmt.Sprintf("app%03d-%02d", app, i)), "n0", value)
}

// BenchmarkWhy asks for the last change, with an empty index and with the one that the question before left.
func BenchmarkWhy(b *testing.B) {
	repo, head := benchHistory(b)
	for _, form := range benchForms() {
		question := Question{Commit: head, Object: Object{Kind: form.kind, Namespace: "prod", Name: form.object, Default: "prod"}}
		options := desired.Options{Path: form.path, Encrypted: true, Helm: desired.Helm{ReleaseName: "shop", Namespace: "prod"}}
		ask := func(b *testing.B, index *Index) {
			repository, err := git.Open(repo.Dir) // a process of its own begins with nothing in memory
			if err != nil {
				b.Fatal(err)
			}
			h := &History{Repository: repository, Options: options, Index: index}
			answer, err := h.Last(b.Context(), question)
			if err != nil || len(answer.Changes) != 1 || answer.Changes[0].Subject != "begin" {
				b.Fatalf("the answer is %v, %v", answer, err)
			}
		}
		b.Run(form.name+"/cold", func(b *testing.B) {
			for n := range b.N {
				ask(b, &Index{Dir: filepath.Join(b.TempDir(), fmt.Sprint(n))})
			}
		})
		b.Run(form.name+"/warm", func(b *testing.B) {
			index := &Index{Dir: b.TempDir()}
			ask(b, index)
			b.ResetTimer()
			for range b.N {
				ask(b, index)
			}
		})
	}
}
