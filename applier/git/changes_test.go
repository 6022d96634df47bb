package git

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/test/gitserver"
)

// TestChangesAreThoseOfGit compares with git diff-tree, on trees in which names sort in every awkward way.
func TestChangesAreThoseOfGit(t *testing.T) {
	repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "a/b", "a/b/c", "a-b", "a.b", "a0", "b/x", "b/y", "b.c/x", "z"}
	var commits []string
	for range 12 {
		if _, err := repo.Git("rm", "-r", "-q", "--ignore-unmatch", "."); err != nil {
			t.Fatal(err)
		}
		files := map[string]string{"kept": "kept"}
		for _, name := range names {
			if random.IntN(2) == 0 && !slices.ContainsFunc(names, func(o string) bool {
				_, below := files[o]
				return below && (strings.HasPrefix(o, name+"/") || strings.HasPrefix(name, o+"/"))
			}) {
				files[name] = fmt.Sprint(random.IntN(2))
			}
		}
		commit, err := repo.CommitFiles("files", files)
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, commit)
	}
	repository, err := Open(repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, before := range commits {
		after := commits[(i+1)%len(commits)]
		text, err := repo.Git("diff-tree", "-r", "--no-renames", "--name-status", before, after)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Fields(text)
		if got := changedFiles(t, repository, before, after); !cmp.Equal(want, got) {
			t.Errorf("%s to %s (-git +ours):\n%s", before, after, cmp.Diff(want, got))
		}
	}
}

// changedFiles are the files that differ, in git's own words and order.
func changedFiles(t *testing.T, r *Repository, before, after string) []string {
	t.Helper()
	old, err := r.Commit(before)
	if err != nil {
		t.Fatal(err)
	}
	new, err := r.Commit(after)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	err = r.Changes(old.Tree, new.Tree, func(string) bool { return true }, func(c Change) error {
		switch {
		case c.Before.File && c.After.File:
			all = append(all, "M", c.Path)
		case c.Before.File:
			all = append(all, "D", c.Path)
		case c.After.File:
			all = append(all, "A", c.Path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
