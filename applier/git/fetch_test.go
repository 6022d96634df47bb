package git

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/gitserver"
	"github.com/google/go-cmp/cmp"
)

func TestRefsNameWhatTheRemoteSays(t *testing.T) {
	o := newOrigin(t)
	first := o.head()
	o.must(o.Tag("v1.0.0", "", ""))
	o.must(o.Tag("20260101", "", ""))
	second := o.commit("scale", "web.yaml", "replicas: 2\n")
	o.must(o.Tag("v1.2.0", "release", ""))
	o.must(o.Tag("1.2.0-rc.1", "", ""))
	third := o.commit("scale more", "web.yaml", "replicas: 3\n")
	o.must(o.Tag("v2.0.0", "", ""))
	o.must(o.Branch("release/1", first))
	o.must(o.Checkout("main"))
	o.must(o.Push())
	annotated, err := o.Git("rev-parse", "v1.2.0")
	o.must(err)

	https, ssh := startHTTPS(t, o.root, gitserver.HTTPS{}), startSSH(t, o.root)
	for url, c := range map[string]Credentials{
		https.URL("ops"): {CA: https.CA},
		ssh.URL("ops"):   {Identity: ssh.Identity, KnownHosts: ssh.KnownHosts},
		o.FileURL():      {},
	} {
		r := open(t, t.TempDir(), url)
		for _, test := range []struct {
			ref  Ref
			want Revision
		}{
			{Ref{}, Revision{Name: "refs/heads/main", Object: third, Commit: third}},
			{Ref{Branch: "main"}, Revision{Name: "refs/heads/main", Object: third, Commit: third}},
			{Ref{Branch: "release/1"}, Revision{Name: "refs/heads/release/1", Object: first, Commit: first}},
			{Ref{Tag: "v1.0.0"}, Revision{Name: "refs/tags/v1.0.0", Object: first, Commit: first}},
			{Ref{Tag: "v1.2.0"}, Revision{Name: "refs/tags/v1.2.0", Object: annotated, Commit: second}},
			{Ref{Semver: ">=1.0.0 <2.0.0"}, Revision{Name: "refs/tags/v1.2.0", Object: annotated, Commit: second}},
			{Ref{Semver: "*"}, Revision{Name: "refs/tags/v2.0.0", Object: third, Commit: third}},
			{Ref{Semver: "~1.0"}, Revision{Name: "refs/tags/v1.0.0", Object: first, Commit: first}},
			{Ref{Commit: second}, Revision{Object: second, Commit: second}},
		} {
			got := mustSync(t, r, c, test.ref)
			test.want.Tags = got.Tags
			if diff := cmp.Diff(test.want, got); diff != "" || got.Tags == "" {
				t.Errorf("%s of %s (-want +got):\n%s", test.ref, url, diff)
			}
			if _, err := r.Commit(got.Commit); err != nil {
				t.Errorf("%s of %s: %v", test.ref, url, err)
			}
			if local, err := r.Local(test.ref); err != nil || !cmp.Equal(local, got) {
				t.Errorf("on disk %s is %+v, %v, not %+v", test.ref, local, err, got)
			}
		}
		for ref, text := range map[Ref]string{
			{Branch: "nope"}:    "there is no branch nope",
			{Tag: "v9"}:         "there is no tag v9",
			{Semver: ">=3.0.0"}: `none of 5 tags is a version in ">=3.0.0"`,
			{Semver: "three"}:   `"three" is no range of versions: improper constraint: "three"`,
			{Commit: "3f2c1ab"}: `"3f2c1ab" is no full hash of a commit`,
			{Commit: "0123456789012345678901234567890123456789"}: "there is no commit 0123456789012345678901234567890123456789: it was never pushed, or the branch that had it was rewritten",
		} {
			_, err := fetchRef(within(t, time.Minute), r, c, ref)
			wantError(t, err, ErrRefNotFound, "reading "+url+": "+text)
		}
	}
}

// TestNothingIsFetchedTwice: by the server's own count.
func TestNothingIsFetchedTwice(t *testing.T) {
	o := newOrigin(t)
	first := o.head()
	o.push("scale", "web.yaml", "replicas: 2\n")
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c, dir := Credentials{CA: server.CA}, t.TempDir()
	r := open(t, dir, server.URL("ops"))
	mustSync(t, r, c, Ref{})
	mustSync(t, r, c, Ref{})
	mustSync(t, r, c, Ref{Branch: "main"})
	mustSync(t, r, c, Ref{Commit: first})                    // in the history that is there
	mustSync(t, open(t, dir, r.url), c, Ref{Branch: "main"}) // another process
	if server.Fetches() != 1 {
		t.Errorf("objects were asked for %d times, not once", server.Fetches())
	}
	o.must(o.Tag("approved", "by bob", ""))
	o.must(o.Push())
	before := mustSync(t, r, c, Ref{})
	if server.Fetches() != 2 {
		t.Errorf("a new tag was not fetched")
	}
	_, err := o.Git("push", "--quiet", "origin", ":refs/tags/approved")
	o.must(err)
	after := mustSync(t, r, c, Ref{})
	if before.Tags == after.Tags || before.Commit != after.Commit {
		t.Errorf("a removed tag shows as %+v after %+v", after, before)
	}
	if _, err := r.Local(Ref{Tag: "approved"}); !errors.Is(err, ErrRefNotFound) {
		t.Errorf("the removed tag is still on disk: %v", err)
	}
}

func TestAForcePushIsFollowed(t *testing.T) {
	o := newOrigin(t)
	base := o.head()
	old := o.push("scale", "web.yaml", "replicas: 2\n")
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c := Credentials{CA: server.CA}
	r := open(t, t.TempDir(), server.URL("ops"))
	mustSync(t, r, c, Ref{})
	o.must(o.Reset(base))
	rewritten := o.commit("scale otherwise", "web.yaml", "replicas: 3\n")
	o.must(o.ForcePush())
	if got := mustSync(t, r, c, Ref{}); got.Commit != rewritten {
		t.Errorf("the branch is at %s, not %s", got.Commit, rewritten)
	}
	for _, test := range []struct {
		old, new string
		want     bool
	}{{base, old, true}, {base, rewritten, true}, {old, rewritten, false}, {old, old, true}, {rewritten, base, false},
		{"0123456789012345678901234567890123456789", rewritten, false}} {
		if got, err := r.IsAncestor(t.Context(), test.old, test.new); err != nil || got != test.want {
			t.Errorf("%s before %s: %t, %v", test.old, test.new, got, err)
		}
	}
	if got := contents(t, r, old, "web.yaml"); got != "replicas: 2\n" {
		t.Errorf("what was before the rewrite is gone: %q", got)
	}
	o.must(o.Reset(base))
	o.must(o.ForcePush())
	if got := mustSync(t, r, c, Ref{}); got.Commit != base {
		t.Errorf("the branch is at %s after it went back to %s", got.Commit, base)
	}
	if local, err := r.Local(Ref{Branch: "main"}); err != nil || local.Commit != base {
		t.Errorf("on disk it is at %s, %v", local.Commit, err)
	}
}

func TestUnreachableThenBack(t *testing.T) {
	o := newOrigin(t)
	https, ssh := startHTTPS(t, o.root, gitserver.HTTPS{}), startSSH(t, o.root)
	for _, s := range []struct {
		url         string
		c           Credentials
		stop, start func() error
	}{
		{https.URL("ops"), Credentials{CA: https.CA}, https.Stop, https.Start},
		{ssh.URL("ops"), Credentials{Identity: ssh.Identity, KnownHosts: ssh.KnownHosts}, ssh.Stop, ssh.Start},
	} {
		r := open(t, t.TempDir(), s.url)
		rev := mustSync(t, r, s.c, Ref{})
		o.must(s.stop())
		if _, err := r.Resolve(within(t, time.Minute), s.c, Ref{}); !errors.Is(err, ErrUnreachable) {
			t.Errorf("a stopped server: %v", err)
		}
		if err := r.Fetch(within(t, time.Minute), s.c, rev); err != nil {
			t.Errorf("what is on disk needs the server: %v", err)
		}
		o.must(s.start())
		next := o.push("scale", "web.yaml", time.Now().String())
		if got := mustSync(t, r, s.c, Ref{}); got.Commit != next {
			t.Errorf("after the server came back: %s, not %s", got.Commit, next)
		}
	}
}

// TestACancelledContextEndsEverything: against a server that never answers.
func TestACancelledContextEndsEverything(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	r := open(t, t.TempDir(), server.URL("ops"))
	c := Credentials{CA: server.CA}
	rev, err := r.Resolve(within(t, time.Minute), c, Ref{})
	o.must(err)
	server.Answer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) { <-request.Context().Done() }))
	for name, call := range map[string]func(context.Context) error{
		"Resolve": func(ctx context.Context) error { _, err := r.Resolve(ctx, c, Ref{}); return err },
		"Fetch":   func(ctx context.Context) error { return r.Fetch(ctx, c, rev) },
	} {
		began := time.Now()
		err := call(within(t, 200*time.Millisecond))
		wantError(t, err, context.DeadlineExceeded, "reading "+r.url+": stopped before it answered: context deadline exceeded")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v to end", name, took)
		}
	}
	server.Answer(nil)
	if err := r.Fetch(within(t, time.Minute), c, rev); err != nil {
		t.Error(err)
	}
}

func TestAnSSHServerThatSaysNothing(t *testing.T) {
	o := newOrigin(t)
	server := startSSH(t, o.root)
	silent := silence(t)
	r := open(t, t.TempDir(), "ssh://git@"+silent+"/ops.git")
	_, err := r.Resolve(within(t, 200*time.Millisecond), Credentials{Identity: server.Identity, KnownHosts: server.KnownHosts}, Ref{})
	wantError(t, err, context.DeadlineExceeded, "reading "+r.url+": stopped before it answered: context deadline exceeded")
}

// TestAnAnswerThatBreaksOff: nothing partial is taken for whole.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	r := open(t, t.TempDir(), server.URL("ops"))
	c := Credentials{CA: server.CA}
	rev, err := r.Resolve(within(t, time.Minute), c, Ref{})
	o.must(err)
	server.Answer(breaksOff(server.Git()))
	if err := r.Fetch(within(t, time.Minute), c, rev); err == nil {
		t.Fatal("half an answer was taken")
	}
	if _, err := r.Commit(rev.Commit); !errors.Is(err, ErrCommitNotFound) {
		t.Errorf("half an answer was kept: %v", err)
	}
	server.Answer(nil)
	mustSync(t, r, c, Ref{})
}

func TestSeveralSyncsFetchAtOnce(t *testing.T) {
	o := newOrigin(t)
	o.must(o.Branch("next"))
	want := map[string]string{"main": o.head(), "next": o.push("scale", "web.yaml", "replicas: 2\n")}
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	store := &Store{Dir: t.TempDir(), FileRoots: []string{"/"}}
	var wg sync.WaitGroup
	for i := range 8 {
		branch := []string{"main", "next"}[i%2]
		wg.Go(func() {
			r, err := store.Repository(server.URL("ops"))
			if err != nil {
				t.Error(err)
				return
			}
			rev, err := fetchRef(within(t, time.Minute), r, Credentials{CA: server.CA}, Ref{Branch: branch})
			if err != nil || rev.Commit != want[branch] {
				t.Errorf("%s: %s, %v", branch, rev.Commit, err)
				return
			}
			if tree, err := r.Tree(rev.Commit); err != nil {
				t.Error(err)
			} else if _, err := tree.ReadFile("web.yaml"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := server.Fetches(); got < 1 || got > 2 { // next holds all of main, where it comes first
		t.Errorf("objects were asked for %d times, not once for each branch", got)
	}
}

// TestReadersGoOnWhileTheDiskChanges: by fetches, by packs that are joined, and by a repository made anew.
func TestReadersGoOnWhileTheDiskChanges(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c := Credentials{CA: server.CA}
	r := open(t, t.TempDir(), server.URL("ops"))
	first := mustSync(t, r, c, Ref{})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				tree, err := r.Tree(first.Commit)
				if err == nil {
					_, err = tree.ReadFile("web.yaml")
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range manyPacks + 5 {
		o.push("scale", "web.yaml", fmt.Sprint(i))
		mustSync(t, r, c, Ref{})
		if i == 2 {
			r.mu.Lock()
			r.suspect = true
			r.mu.Unlock()
		}
	}
	close(done)
	wg.Wait()
}

// TestALargerRepositoryThanIsTaken also shows that what a refused transfer left is not kept.
func TestALargerRepositoryThanIsTaken(t *testing.T) {
	o := newOrigin(t)
	o.push("a large file", "large.bin", noise(2<<20))
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	for url, c := range map[string]Credentials{server.URL("ops"): {CA: server.CA}, o.FileURL(): {}} {
		dir := t.TempDir()
		r, err := (&Store{Dir: dir, MaxTransfer: 1 << 20, FileRoots: []string{"/"}}).Repository(url)
		o.must(err)
		_, err = fetchRef(within(t, time.Minute), r, c, Ref{})
		wantError(t, err, ErrTooLarge, "reading "+url+": the repository is larger than the 1 MiB that are taken at once")
		left, err := filepath.Glob(filepath.Join(dir, "*.git*", "incoming-*"))
		o.must(err)
		folders, err := os.ReadDir(dir)
		o.must(err)
		folders = slices.DeleteFunc(folders, func(e os.DirEntry) bool { return filepath.Ext(e.Name()) == ".lock" })
		if len(left)+len(folders) > 0 {
			t.Errorf("left behind: %v %v", left, folders)
		}
	}
}

// TestAServerThatShowsWhatItWasSent: in whatever answer, nothing of it comes out.
func TestAServerThatShowsWhatItWasSent(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	r := open(t, t.TempDir(), server.URL("ops"))
	for _, c := range []Credentials{
		{CA: server.CA, Username: "alice", Password: "hunter2-hunter2"},
		{CA: server.CA, BearerToken: "hunter2-hunter2"},
	} {
		for _, status := range []int{200, 401, 403, 404, 429, 500, 503} {
			server.Answer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				user, password, _ := request.BasicAuth()
				w.WriteHeader(status)
				text := fmt.Sprintf("ERR %s %s %s", request.Header.Get("Authorization"), user, password)
				fmt.Fprintf(w, "%04x%s", len(text)+4, text)
			}))
			_, err := r.Resolve(within(t, time.Minute), c, Ref{})
			var explained *Error
			if !errors.As(err, &explained) {
				t.Fatalf("status %d: %v", status, err)
			}
			sent := base64.StdEncoding.EncodeToString([]byte("alice:hunter2-hunter2"))
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", explained)} {
				if strings.Contains(text, "hunter2") || strings.Contains(text, sent) {
					t.Errorf("status %d: %s", status, text)
				}
			}
		}
	}
}

// TestAHistoryWithAHoleIsNotTaken: a file of the commit is missing at the remote.
func TestAHistoryWithAHoleIsNotTaken(t *testing.T) {
	o := newOrigin(t)
	blob, err := o.Git("rev-parse", "HEAD:web.yaml")
	o.must(err)
	o.must(os.Remove(filepath.Join(o.Bare, "objects", blob[:2], blob[2:])))
	r := open(t, t.TempDir(), o.FileURL())
	_, err = fetchRef(within(t, time.Minute), r, Credentials{}, Ref{})
	wantError(t, err, ErrCorrupt, "reading "+o.FileURL()+": corrupt: file web.yaml is missing")
	if _, err := r.Commit(o.head()); !errors.Is(err, ErrCommitNotFound) {
		t.Errorf("it was kept: %v", err)
	}
}

func TestARemovedRepositoryIsGone(t *testing.T) {
	o := newOrigin(t)
	store := &Store{Dir: t.TempDir(), FileRoots: []string{"/"}}
	r, err := store.Repository(o.FileURL())
	o.must(err)
	rev := mustSync(t, r, Credentials{}, Ref{})
	o.must(store.Remove(t.Context(), o.FileURL()))
	if left, err := filepath.Glob(filepath.Join(store.Dir, "*.git")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	_, err = r.Commit(rev.Commit)
	wantError(t, err, ErrCommitNotFound, "reading "+rev.Commit[:7]+": it is not on disk: it was never fetched")
	again, err := store.Repository(o.FileURL())
	o.must(err)
	mustSync(t, again, Credentials{}, Ref{})
}

// TestARevisionThatWasKept has only its commit, as a status does.
func TestARevisionThatWasKept(t *testing.T) {
	o := newOrigin(t)
	first := o.head()
	o.push("scale", "web.yaml", "replicas: 2\n")
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	c := Credentials{CA: server.CA}
	r := open(t, t.TempDir(), server.URL("ops"))
	for range 2 {
		o.must(r.Fetch(within(t, time.Minute), c, Revision{Commit: first}))
	}
	if got := contents(t, r, first, "web.yaml"); got != "replicas: 1\n" || server.Fetches() != 1 {
		t.Errorf("web.yaml holds %q after %d fetches", got, server.Fetches())
	}
}

// TestATreeThatNamesItselfTooOften: ten folders of ten times the same folder, and so on, ten deep.
func TestATreeThatNamesItselfTooOften(t *testing.T) {
	o := newOrigin(t)
	tree, err := o.Git("rev-parse", "HEAD^{tree}")
	o.must(err)
	for range 10 {
		var listing strings.Builder
		for i := range 10 {
			fmt.Fprintf(&listing, "040000 tree %s\tf%d\n", tree, i)
		}
		tree, err = o.GitInput([]byte(listing.String()), "mktree")
		o.must(err)
	}
	commit, err := o.Git("commit-tree", "-m", "bomb", tree)
	o.must(err)
	_, err = o.Git("push", "--quiet", "origin", "+"+commit+":refs/heads/bomb")
	o.must(err)
	server := startHTTPS(t, o.root, gitserver.HTTPS{})
	for url, c := range map[string]Credentials{server.URL("ops"): {CA: server.CA}, o.FileURL(): {}} {
		_, err := fetchRef(within(t, time.Minute), open(t, t.TempDir(), url), c, Ref{Branch: "bomb"})
		wantError(t, err, ErrTooLarge, "reading "+url+": commit "+commit+": it has more than 1000000 files")
	}
}
