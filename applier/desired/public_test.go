package desired

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/api/konfig"
)

// TestPublicFoldersRenderTheSame on whatever charts and kustomizations the module cache
// holds. They are read where they are. What it holds is not ours to say, so
// nothing is asserted of the number; the corpus in testdata is what has to be there.
func TestPublicFoldersRenderTheSame(t *testing.T) {
	output, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	kustomize, helm := kustomizeCommand(t), helmCommand(t)
	compared, left := map[Form]int{}, map[string]int{}
	for _, dir := range renderable(t, strings.TrimSpace(string(output))) {
		root, path := moduleOf(dir)
		form, why := comparePublic(t, root, path, kustomize, helm)
		if why != "" {
			left[why]++
			continue
		}
		compared[form]++
	}
	t.Logf("compared: %d charts, %d kustomizations", compared[FormHelm], compared[FormKustomize])
	for why, n := range left {
		t.Logf("left out: %d, %s", n, why)
	}
}

// comparePublic says which form a folder has, or why it is left out.
func comparePublic(t *testing.T, root, path, kustomize, helm string) (form Form, leftOut string) {
	t.Helper()
	o := Options{Path: path, Helm: Helm{KubeVersion: kubeVersion}}
	src, err := decrypting(os.DirFS(root), o)
	if err != nil {
		t.Fatal(err)
	}
	if form, err = formOf(src, path); err != nil {
		return "", "more than one kustomization in a folder"
	}
	ours, err := rendering{options: o, form: form}.objects(newReader(t.Context(), src))
	if why := refusedByDesign(err); why != "" {
		return form, why
	}
	args := []string{"build", "--load-restrictor", "LoadRestrictionsNone", filepath.Join(root, path)}
	program := kustomize
	if form == FormHelm {
		program = helm
		args = []string{"template", "release-name", filepath.Join(root, path), "--include-crds", "--skip-tests", "--kube-version", kubeVersion}
	}
	want, theirs := printed(t, program, args...)
	switch {
	case theirs != nil && err != nil:
		return form, "both refuse it"
	case theirs != nil:
		t.Logf("%s: we render it, and the command says: %.200s", path, theirs)
		return form, "the command refuses it"
	case err != nil:
		t.Errorf("%s: the command renders it, and we say: %v", path, err)
		return form, "failed"
	}
	for name, o := range want {
		metadata, _ := o["metadata"].(map[string]any)
		annotations, _ := metadata["annotations"].(map[string]any)
		if hook, _ := annotations[hookAnnotation].(string); hook != "" && !strings.Contains(hook, "-install") && !strings.Contains(hook, "-upgrade") {
			delete(want, name)
		}
	}
	if diff := cmp.Diff(want, byTitle(ours)); diff != "" {
		t.Errorf("%s: not what the command prints (-want +got):\n%s", path, diff)
	}
	return form, ""
}

// refusedByDesign tells what we refuse although the commands may not.
func refusedByDesign(err error) string {
	for _, one := range leaves(err) {
		for _, why := range []string{
			"is remote", "rendered differently each time", "renders nothing by itself", "openapi:", "helmCharts:",
			"is there twice", "without metadata", "is not a Kubernetes object", "that is not text",
		} {
			if strings.Contains(one.Error(), why) {
				return "refused by design: " + why
			}
		}
	}
	return ""
}

// renderable are the charts and kustomizations below a folder; charts inside of charts
// are rendered with those.
func renderable(t *testing.T, cache string) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(cache, func(name string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing was ever downloaded, or it is being tidied
		}
		if err != nil {
			return err
		}
		if entry.IsDir() && filepath.Dir(name) == cache && entry.Name() == "cache" {
			return fs.SkipDir
		}
		base := filepath.Base(name)
		isChart := base == chartFile && !insideChart(name)
		if isChart || slices.Contains(konfig.RecognizedKustomizationFileNames(), base) && !entry.IsDir() {
			dirs = append(dirs, filepath.Dir(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Compact(dirs)
}

// moduleOf takes a path apart at the module's root, the last element with a version.
func moduleOf(dir string) (root, path string) {
	at := strings.LastIndex(dir, "@")
	slash := strings.Index(dir[at:], "/")
	if at < 0 || slash < 0 {
		return dir, "."
	}
	return dir[:at+slash], dir[at+slash+1:]
}

func insideChart(name string) bool {
	for dir := filepath.Dir(filepath.Dir(name)); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, chartFile)); err == nil {
			return true
		}
	}
	return false
}
