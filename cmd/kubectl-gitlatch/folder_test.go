package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAWorkingCopyShowsWhatACommitWould(t *testing.T) {
	dir := workCopy(t, map[string]string{
		"app/a.yaml": "a", ".git/config": "secret", "sub/.git": "gitdir: ../.git/modules/sub", "sub/b.yaml": "b", ".github/ci.yaml": "c",
	})
	outside := t.TempDir()
	write(t, outside, map[string]string{"passwd": "root"})
	for link, target := range map[string]string{
		"inside.yaml": "app/a.yaml", "out.yaml": filepath.Join(outside, "passwd"), "up.yaml": "../../x", "outdir": outside,
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := openWorkTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.close()
	got := map[string]string{}
	for _, name := range []string{"app/a.yaml", "inside.yaml", "out.yaml", "up.yaml", "outdir/passwd", ".git/config", ".git", "sub/b.yaml", "../x", "app"} {
		content, err := fs.ReadFile(tree, name)
		got[name] = string(content)
		if err != nil {
			got[name] = err.Error()
		}
	}
	const out = "is, or is behind, a symbolic link that leads out of the repository"
	want := map[string]string{
		"app/a.yaml": "a", "inside.yaml": "a", "app": "read app: is a directory",
		"out.yaml": "statat out.yaml: " + out, "up.yaml": "statat up.yaml: " + out, "outdir/passwd": "statat outdir/passwd: " + out,
		".git": "open .git: file does not exist", ".git/config": "open .git/config: file does not exist",
		"sub/b.yaml": "open sub/b.yaml: file does not exist", "../x": "open ../x: invalid argument",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	for folder, want := range map[string][]string{".": {".github", "app", "inside.yaml", "out.yaml", "outdir", "sub", "up.yaml"}, "sub": nil} {
		entries, err := tree.ReadDir(folder)
		var names []string
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		if diff := cmp.Diff(want, names); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", folder, err, diff)
		}
	}
}

func TestReadSyncsIsStrict(t *testing.T) {
	const head = "apiVersion: gitlatch.dev/v1alpha1\nkind: GitSync\nmetadata: {name: prod}\n"
	tests := []struct{ name, text, want string }{
		{"a field that is not known", head + "spec: {url: x, pth: y}\n", `f.yaml: document 1: unknown field "spec.pth"`},
		{"a field twice", head + "spec: {url: x}\nspec: {url: y}\n", `f.yaml: document 1: line 5: key "spec" already set in map`},
		{"no name", strings.Replace(head, "name: prod", "namespace: a", 1), "f.yaml: document 1: metadata.name: required"},
		{"a rule that can't be read", head + "spec: {url: x, ignore: [{kind: A, fields: ['a[']}]}\n",
			`f.yaml: document 1: spec.ignore[0].fields[0]: reading "a[": a bracket is not closed in "["`},
		{"nothing", "", "f.yaml: it holds no GitSync"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readSyncs("f.yaml", strings.NewReader(test.text))
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// FuzzReadSyncs: whatever a file holds, it is read or refused, and what is read can be
// rendered by name.
func FuzzReadSyncs(f *testing.F) {
	f.Add("apiVersion: gitlatch.dev/v1alpha1\nkind: GitSync\nmetadata: {name: prod}\nspec: {url: x, path: a}\n---\nkind: List\n")
	f.Add("--- {")
	f.Fuzz(func(t *testing.T, text string) {
		syncs, err := readSyncs("f", strings.NewReader(text))
		if (err == nil) != (len(syncs) > 0) {
			t.Errorf("%d syncs and error %v", len(syncs), err)
		}
		for i := range syncs {
			if one := (&renderFlags{}).ofSync(&syncs[i], noKeys(), true); one.options.Helm.ReleaseName == "" || one.prepare.Namespace == "" {
				t.Errorf("a sync without a name: %+v", one)
			}
		}
	})
}
