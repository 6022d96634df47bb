package applier

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

// What bad input gets: the condition says what is wrong and where, nothing is applied
// or deleted, and the last good state is kept, and guarded.
func TestWhatCannotBeReadStopsTheCommitAndNothingIsLost(t *testing.T) {
	w := newProject(t, "open")
	w.write("deploy/app.yaml", configMap("app"))
	w.write("deploy/team/team.yaml", configMap("team"))
	good := w.commit("declare app and team")
	w.follow()
	w.applied(good)
	for i, test := range []struct {
		name   string
		make   func(*project)
		reason desired.Reason
		want   string
	}{
		{"a link out of the tree", func(w *project) { w.symlink("../../etc/app.yaml", "deploy/more.yaml") }, desired.ReasonPath,
			`deploy/more.yaml: the symbolic link deploy/more.yaml to "../../etc/app.yaml" leaves the repository`},
		{"a link to the root of the machine", func(w *project) { w.symlink("/etc/hostname", "deploy/more.yaml") }, desired.ReasonPath,
			`deploy/more.yaml: the symbolic link deploy/more.yaml to "/etc/hostname" leaves the repository`},
		{"a link to nothing", func(w *project) { w.symlink("nothing.yaml", "deploy/more.yaml") }, desired.ReasonPath,
			`deploy/more.yaml: the symbolic link deploy/more.yaml to "nothing.yaml" leads to nothing in the repository`},
		{"a file that is too large", func(w *project) {
			w.put("deploy/more.yaml", strings.Repeat("# nothing to see here, and much of it\n", 1<<20))
		}, desired.ReasonPath, "deploy/more.yaml: it has 39845888 bytes, more than the 33554432 that are read"},
		{"a folder that became a submodule", func(w *project) {
			w.remove("deploy/team")
			w.git(w.t, "add", "--all", ".")
			if err := os.Mkdir(filepath.Join(w.repo.Dir, "deploy", "team"), 0o700); err != nil {
				w.t.Fatal(err)
			}
			for _, args := range [][]string{
				{"init", "--quiet", "deploy/team"},
				{"-C", "deploy/team", "commit", "--quiet", "--allow-empty", "--message", "begin"},
			} {
				w.git(w.t, args...)
			}
		}, desired.ReasonPath, "deploy/team: is a submodule, and those are not fetched: put its files into this repository, or give its own one a sync"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t = t
			w.write("deploy/new.yaml", configMap("new"))
			test.make(&w)
			message := w.refused(w.commit(test.name), string(test.reason))
			if want := test.want + "; keeping " + good[:7]; message != want {
				t.Errorf("the message is\n%s\nnot\n%s", message, want)
			}
			w.keptBut(i)
			w.restore(good)
		})
	}
	w.applied(good)
}

// A repository that can't be reached, was emptied, or lost its branch says so, and what
// it declared last is kept and guarded until it is back.
func TestARepositoryThatIsGoneDeletesNothing(t *testing.T) {
	w := newProject(t, "open")
	w.write("deploy/app.yaml", configMap("app"))
	w.write("deploy/team/team.yaml", configMap("team"))
	good := w.commit("declare app and team")
	away := w.repo.Bare + ".away"
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}

	rename(w.repo.Bare, away)
	w.follow()
	w.request()
	gone := "reading " + w.url + ": the server has no such repository, or hides it from an anonymous reader"
	if got := w.failing(v1alpha1.SyncFetchFailed); got != gone {
		t.Errorf("at the start the message is\n%s\nnot\n%s", got, gone)
	}
	rename(away, w.repo.Bare)
	w.caughtUp(good) // without being asked

	for i, test := range []struct {
		name         string
		make         func(t *testing.T)
		reason, want string
	}{
		{"unreachable", func(*testing.T) { rename(w.repo.Bare, away) }, v1alpha1.SyncFetchFailed, gone},
		{"its branch is gone", func(t *testing.T) {
			w.git(t, "-C", w.repo.Bare, "branch", "--quiet", "-M", "main", "trunk")
		}, v1alpha1.SyncRefNotFound, "reading " + w.url + ": there is no branch main"},
		{"emptied", func(t *testing.T) {
			rename(w.repo.Bare, away)
			w.git(t, "init", "--quiet", "--bare", "--initial-branch=main", w.repo.Bare)
		}, v1alpha1.SyncRefNotFound, "reading " + w.url + ": the repository has no commit yet"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t = t
			test.make(t)
			w.request()
			if got := w.failing(test.reason); got != test.want {
				t.Errorf("the message is\n%s\nnot\n%s", got, test.want)
			}
			w.keptBut(i)
			if _, err := os.Stat(away); err == nil {
				if err := os.RemoveAll(w.repo.Bare); err != nil {
					t.Fatal(err)
				}
				rename(away, w.repo.Bare)
			} else {
				w.git(t, "-C", w.repo.Bare, "branch", "--quiet", "-M", "trunk", "main")
			}
			w.applied(good)
		})
	}
}

func (w *project) git(t *testing.T, args ...string) {
	t.Helper()
	if _, err := w.repo.Git(args...); err != nil {
		t.Fatal(err)
	}
}

func (w *project) symlink(target, file string) {
	w.t.Helper()
	if err := w.repo.Symlink(target, file); err != nil {
		w.t.Fatal(err)
	}
}

// keptBut expects app and team as they were, and nothing new; what alice does to one of
// them by hand is undone.
func (w *project) keptBut(try int) {
	w.t.Helper()
	if w.get("configmap/new", ".metadata.name") != "" {
		w.t.Error("something of the bad commit was applied")
	}
	for _, name := range []string{"app", "team"} {
		if got := w.get("configmap/"+name, ".data.level"); got != "info" {
			w.t.Errorf("%s's level is %q", name, got)
		}
	}
	name := []string{"app", "team"}[try%2]
	kubectl(w.t, "alice", "delete", "configmap", name, "-n", w.namespace).MustAllow(w.t)
	w.pulledBack("configmap/"+name, ".data.level", "info")
}

// restore makes the repository what it was at a commit.
func (w *project) restore(commit string) {
	w.t.Helper()
	if err := os.RemoveAll(filepath.Join(w.repo.Dir, "deploy")); err != nil {
		w.t.Fatal(err)
	}
	err := w.repo.Reset(commit)
	if err == nil {
		err = w.repo.ForcePush()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}
