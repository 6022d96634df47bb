package history

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func ask(t *testing.T, h *History, q Question) []string {
	t.Helper()
	answer, err := h.All(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return credits(answer.Changes)
}

func TestAnIndexThatIsBrokenIsWrittenAnew(t *testing.T) {
	m := edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"edit", folder{"ops/a.yaml": n(configMap("db"), "n1")}}}.made()
	index := &Index{Dir: t.TempDir()}
	h := &History{Repository: m.open(t), Options: opsOptions(), Index: index}
	q := Question{Object: of("ConfigMap", "db"), Commit: m.head}
	want := ask(t, h, q)
	files, err := filepath.Glob(filepath.Join(index.Dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the index holds %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"", "{", string(whole[:len(whole)/2]), "null", "[]", `{"version":1}`, `{"version":99,"leads":{},"changes":{}}`,
		fmt.Sprintf(`{"version":1,"leads":{%q:{"change":"gone"}},"changes":{}}`, m.head)} {
		if err := os.WriteFile(files[0], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ask(t, h, q)); diff != "" {
			t.Errorf("with %q for an index (-want +got):\n%s", content, diff)
		}
		if got, err := os.ReadFile(files[0]); err != nil || string(got) != string(whole) {
			t.Errorf("%q was not written anew: %s, %v", content, got, err)
		}
	}
}

func TestAnIndexAnswersForOneObjectFolderAndRenderer(t *testing.T) {
	dir := t.TempDir()
	index := func(version string) string {
		return (&Index{Dir: dir, Version: version}).load("ops", opsOptions(), of("ConfigMap", "db")).file
	}
	other := (&Index{Dir: dir, Version: "1"}).load("ops", opsOptions(), of("ConfigMap", "web")).file
	elsewhere := (&Index{Dir: dir, Version: "1"}).load("other", opsOptions(), of("ConfigMap", "db")).file
	seen := map[string]bool{index("1"): true, index("2"): true, other: true, elsewhere: true}
	if first, again := index("1"), index("1"); len(seen) != 4 || first != again {
		t.Errorf("four questions share files: %v", seen)
	}
}

func TestNewCommitsAreFoundAboveWhatTheIndexKnows(t *testing.T) {
	repo, _ := edits{{begin, folder{"ops/a.yaml": configMap("db")}}}.made().repo(t)
	index := &Index{Dir: t.TempDir()}
	if _, err := repo.Git("checkout", "--quiet", "main"); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		head, err := repo.CommitFiles(fmt.Sprint("edit ", i), map[string]string{"ops/a.yaml": n(configMap("db"), fmt.Sprint("n", i/2+1))},
			at(i))
		if err != nil {
			t.Fatal(err)
		}
		q := Question{Object: of("ConfigMap", "db"), Commit: head}
		with := &History{Repository: opened(t, repo.Dir), Options: opsOptions(), Index: index}
		without := &History{Repository: with.Repository, Options: opsOptions()}
		if diff := cmp.Diff(ask(t, without, q), ask(t, with, q)); diff != "" {
			t.Errorf("after edit %d (-without +with the index):\n%s", i, diff)
		}
	}
}

func TestAnIndexIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range maxFiles + 1 {
		name := filepath.Join(dir, fmt.Sprintf("%d.json", i))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		when := time.Unix(int64(1_700_000_000+i), 0)
		if err := os.Chtimes(name, when, when); err != nil {
			t.Fatal(err)
		}
	}
	index := &Index{Dir: dir}
	found := index.load("ops", opsOptions(), of("ConfigMap", "db"))
	found.Leads["c"] = lead{}
	index.save(found)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > maxFiles {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	if _, err := os.Stat(filepath.Join(dir, "0.json")); !os.IsNotExist(err) {
		t.Errorf("the oldest is still there: %v", err)
	}
	if _, err := os.Stat(found.file); err != nil {
		t.Errorf("the newest is not there: %v", err)
	}
}

func FuzzIdentify(f *testing.F) {
	for _, seed := range []string{configMap("db"), join(configMap("a"), configMap("b")), "a: [", "&a [*a]", "", "\x00", "items: []\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, one := range identify(content) {
			if one.Kind == "" || one.Metadata.Name == "" {
				t.Errorf("%q declares %+v", content, one)
			}
		}
		roles("ops/kustomization.yaml", content, map[string]bool{}, map[string]bool{})
		actions(content)
	})
}
