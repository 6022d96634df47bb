package desired

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// command is kustomize or helm as people run it, built from the nested module
// test/renderers: minutes the first time, then it is in the user's cache.
func command(t *testing.T, name, path string) string {
	t.Helper()
	module := filepath.Join("..", "..", "test", "renderers")
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "gitlatch", "renderers", fmt.Sprintf("%x", sha256.Sum256(sum))[:16])
	program := filepath.Join(dir, name)
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Logf("building %s; this takes minutes, once", path)
	partial := fmt.Sprintf("%s.%d", program, os.Getpid())
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", partial, path)
	build.Dir = module
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", path, err, output)
	}
	if err := os.Rename(partial, program); err != nil {
		t.Fatal(err)
	}
	return program
}

func kustomizeCommand(t *testing.T) string {
	return command(t, "kustomize", "sigs.k8s.io/kustomize/kustomize/v5")
}

func helmCommand(t *testing.T) string { return command(t, "helm", "helm.sh/helm/v4/cmd/helm") }

// printed are the objects that a command prints, read by other code than ours.
func printed(t *testing.T, program string, args ...string) (map[string]map[string]any, error) {
	t.Helper()
	home := t.TempDir()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+home+"/none")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	objects := map[string]map[string]any{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(&stdout))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		raw, err := yaml.YAMLToJSON(text)
		if err != nil {
			return nil, err
		}
		var content map[string]any
		if err := utiljson.Unmarshal(raw, &content); err != nil {
			return nil, err
		}
		if len(content) > 0 {
			enter(objects, content)
		}
	}
}

func enter(objects map[string]map[string]any, content map[string]any) {
	if items, ok := content["items"].([]any); ok && content["kind"] == "List" {
		for _, item := range items {
			enter(objects, item.(map[string]any))
		}
		return
	}
	objects[title(&unstructured.Unstructured{Object: content})] = content
}

// byTitle are our objects in the same shape.
func byTitle(objects []Object) map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, o := range objects {
		all[title(o.Unstructured)] = o.Object
	}
	return all
}

// sealedTree is a folder of testdata in which the files of a map are encrypted.
func sealedTree(t *testing.T, dir string, to person, sealed map[string]sopsFormat) fs.FS {
	t.Helper()
	tree := fstest.MapFS{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, name))
		if format, ok := sealed[name]; ok {
			content = []byte(encrypting{to: []person{to}}.file(t, format, string(content)))
		}
		tree[name] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
