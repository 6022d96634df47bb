package history

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

func TestAMergeIsFollowedWhereTheObjectIsTheSame(t *testing.T) {
	at := func(value string) folder { return folder{"ops/a.yaml": n(configMap("db"), value)} }
	tests := []struct {
		name        string
		left, right string
		merged      string
		want        []string
	}{
		{"one side changed it", "n0", "n1", "n1", []string{"Changed right", "Added begin"}},
		{"the merge takes the side that didn't", "n0", "n1", "n0", []string{"Added begin"}},
		{"both changed it alike: the first parent is followed", "n1", "n1", "n1", []string{"Changed left", "Added begin"}},
		{"the merge is like neither", "n1", "n2", "n3", []string{"Changed merge", "Changed right", "Changed left", "Added begin"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &made{}
			first := m.commit(begin, at("n0"))
			left := m.commit("left", at(test.left), first)
			right := m.commit("right", at(test.right), first)
			m.commit("merge", at(test.merged), left, right)
			if diff := cmp.Diff(test.want, told(t, m, of("ConfigMap", "db"))); diff != "" {
				t.Errorf("the changes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAnswerSaysAllOfTheCommit(t *testing.T) {
	m := edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"rename", folder{"ops/a.yaml": "", "ops/b.yaml": configMap("db")}}}.made()
	repository := m.open(t)
	first, err := repository.Commit(m.head)
	if err == nil {
		first, err = repository.Commit(first.Parents[0])
	}
	if err != nil {
		t.Fatal(err)
	}
	h := &History{Repository: repository, Options: opsOptions()}
	got, err := h.Last(t.Context(), Question{Object: of("ConfigMap", "db"), Commit: m.head})
	want := &Answer{Declared: true, File: "ops/b.yaml", Changes: []Change{{Commit: first, Kind: Added, File: "ops/a.yaml"}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("the answer (-want +got), %v:\n%s", err, diff)
	}
}

func TestAFolderThatCantBeRenderedAtTheCommitAskedAboutIsAnError(t *testing.T) {
	m := edits{{begin, folder{"ops/a.yaml": "kind: ConfigMap\nmetadata: {name: db}\n"}}}.made()
	h := &History{Repository: m.open(t), Options: opsOptions()}
	_, err := h.Last(t.Context(), Question{Object: of("ConfigMap", "db"), Commit: m.head})
	want := "rendering ops at " + m.head[:7] + ": ops/a.yaml: document 1, line 1: is not a Kubernetes object: it has no apiVersion"
	if err == nil || err.Error() != want {
		t.Errorf("the error is %v, not %s", err, want)
	}
}

func TestAShallowCloneSaysSo(t *testing.T) {
	m := edits{{begin, folder{"ops/a.yaml": configMap("db")}}, {"beside", folder{"README.md": "hello"}}, {"more", folder{"README.md": "hello!"}}}.made()
	repo, head := m.repo(t)
	if _, err := repo.Git("clone", "--quiet", "--depth=2", "file://"+repo.Dir, repo.Dir+"-shallow"); err != nil {
		t.Fatal(err)
	}
	shallow, err := git.Open(repo.Dir + "-shallow")
	if err != nil {
		t.Fatal(err)
	}
	index := &Index{Dir: t.TempDir()}
	q := Question{Object: of("ConfigMap", "db"), Commit: head}
	got, err := (&History{Repository: shallow, Options: opsOptions(), Index: index}).Last(t.Context(), q)
	if err != nil || len(got.Changes) != 1 || got.Changes[0].Subject != "beside" || !got.Changes[0].Shallow {
		t.Errorf("the shallow clone says %+v, %v", got, err)
	}
	whole, err := git.Open(repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	got, err = (&History{Repository: whole, Options: opsOptions(), Index: index}).Last(t.Context(), q)
	if err != nil || len(got.Changes) != 1 || got.Changes[0].Subject != begin || got.Changes[0].Shallow {
		t.Errorf("with the shallow clone's index the whole one says %+v, %v", got, err)
	}
}

func opened(t *testing.T, dir string) *git.Repository {
	t.Helper()
	repository, err := git.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return repository
}

// at is a time after those of made histories.
func at(minute int) gitserver.Option {
	return gitserver.At(time.Date(2026, 6, 1, 12, minute, 0, 0, time.UTC))
}
