package git

import (
	"crypto/sha1"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/gitserver"
	"github.com/google/go-cmp/cmp"
)

// signPack puts the right checksum behind a pack whose own may be wrong.
func signPack(content []byte) []byte {
	body := content[:max(0, len(content)-sha1.Size)]
	sum := sha1.Sum(body)
	return append(body[:len(body):len(body)], sum[:]...)
}

// seedPacks are real packs, with deltas by offset and by hash.
func seedPacks(t testing.TB) []string {
	t.Helper()
	dir := t.TempDir()
	repo, err := gitserver.NewRepo(filepath.Join(dir, "ops"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"1", "2", "3"} {
		if _, err := repo.CommitFiles("scale", map[string]string{"web.yaml": strings.Repeat("a line\n", 40) + n}); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := repo.Git("rev-list", "--objects", "--no-object-names", "--all")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"by-hash"}, {"by-offset", "--delta-base-offset"}} {
		if _, err := repo.GitInput([]byte(objects+"\n"), append([]string{"pack-objects", "--quiet", filepath.Join(dir, args[0])}, args[1:]...)...); err != nil {
			t.Fatal(err)
		}
	}
	packs, err := filepath.Glob(filepath.Join(dir, "*.pack"))
	if err != nil || len(packs) != 2 {
		t.Fatalf("%v, %v", packs, err)
	}
	return packs
}

func TestAnIndexIsWhatGitMakes(t *testing.T) {
	for _, pack := range seedPacks(t) {
		want := read(t, strings.TrimSuffix(pack, ".pack")+".idx")
		if _, err := indexPack(pack); err != nil {
			t.Fatal(err)
		}
		if got := read(t, strings.TrimSuffix(pack, ".pack")+".idx"); got != want {
			t.Errorf("the index of %s is not git's", filepath.Base(pack))
		}
	}
}

func TestWalkVisitsNewestFirstAndEachOnce(t *testing.T) {
	o := newOrigin(t)
	clock := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	commit := func(who, subject, file string) Commit {
		clock = clock.Add(time.Hour)
		_, err := o.CommitFiles(subject+"\n\nBecause.\n", map[string]string{file: subject}, gitserver.By(who), gitserver.At(clock))
		o.must(err)
		return Commit{Subject: subject, Body: "Because.", Author: person(who, clock), Committer: person(who, clock)}
	}
	_, err := o.Git("checkout", "--quiet", "--orphan", "fresh")
	o.must(err)
	root := commit("alice", "root", "a")
	o.must(o.Branch("side"))
	side := commit("bob", "side", "b")
	o.must(o.Checkout("fresh"))
	main := commit("carol", "main", "c")
	clock = clock.Add(time.Hour)
	merged, err := o.Merge("side", "merge side", gitserver.By("oncall"), gitserver.At(clock))
	o.must(err)
	r, err := Open(filepath.Join(o.Dir, "."))
	o.must(err)
	defer r.disk.close()
	want := []Commit{{Subject: "merge side", Author: person("oncall", clock), Committer: person("oncall", clock)}, main, side, root}
	var got []Commit
	var parents []int
	o.must(r.Walk(t.Context(), merged, func(c Commit) (bool, error) {
		parents = append(parents, len(c.Parents))
		if again, err := r.Commit(c.Hash); err != nil || !cmp.Equal(c, again) {
			t.Errorf("Commit says %+v, %v; Walk %+v", again, err, c)
		}
		c.Hash, c.Tree, c.Parents = "", "", nil
		got = append(got, c)
		return true, nil
	}))
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{2, 1, 1, 0}, parents); diff != "" {
		t.Errorf("numbers of parents (-want +got):\n%s", diff)
	}
	count := 0
	o.must(r.Walk(t.Context(), merged, func(Commit) (bool, error) { count++; return count < 2, nil }))
	if count != 2 {
		t.Errorf("the walk went on to %d commits", count)
	}
}

func person(name string, when time.Time) Person {
	return Person{Name: name, Email: name + "@example.com", When: when}
}

// TestOpenFindsWhatGitFinds: from a folder below, in a linked work tree, bare, and in a shallow clone.
func TestOpenFindsWhatGitFinds(t *testing.T) {
	o := newOrigin(t)
	first := o.head()
	second := o.push("db", "db/base.yaml", "kind: StatefulSet\n")
	linked, shallow := filepath.Join(o.root, "linked"), filepath.Join(o.root, "shallow")
	_, err := o.Git("worktree", "add", "--quiet", "-b", "hotfix", linked, first)
	o.must(err)
	_, err = o.Git("clone", "--quiet", "--depth=1", o.FileURL(), shallow)
	o.must(err)
	for _, test := range []struct {
		path   string
		ref    Ref
		name   string
		commit string
		length int
	}{
		{o.Dir, Ref{}, "refs/heads/main", second, 2},
		{filepath.Join(o.Dir, "db"), Ref{}, "refs/heads/main", second, 2},
		{linked, Ref{}, "refs/heads/hotfix", first, 1},
		{linked, Ref{Branch: "main"}, "refs/heads/main", second, 2},
		{o.Bare, Ref{}, "refs/heads/main", second, 2},
		{shallow, Ref{}, "refs/heads/main", second, 1},
		{shallow, Ref{Branch: "main"}, "refs/heads/main", second, 1},
		{o.Dir, Ref{Commit: first}, "", first, 1},
	} {
		r, err := Open(test.path)
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
			continue
		}
		rev, err := r.Local(test.ref)
		want := Revision{Name: test.name, Object: test.commit, Commit: test.commit, Tags: rev.Tags}
		if err != nil || rev != want {
			t.Errorf("%s: %s is %+v, %v, not %+v", test.path, test.ref, rev, err, want)
		}
		count := 0
		if err := r.Walk(t.Context(), rev.Commit, func(Commit) (bool, error) { count++; return true, nil }); err != nil || count != test.length {
			t.Errorf("%s: a history of %d commits, %v, not %d", test.path, count, err, test.length)
		}
		r.disk.close()
	}
	empty := t.TempDir()
	_, err = Open(empty)
	wantError(t, err, ErrRepositoryNotFound, "opening "+empty+": neither it nor a folder above it is a git repository")
}
