package git

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/gitserver"
)

// origin is a repository with one commit, pushed to its bare origin below a folder that servers can serve.
type origin struct {
	*gitserver.Repo
	t    *testing.T
	root string
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	root := t.TempDir()
	repo, err := gitserver.NewRepo(filepath.Join(root, "ops"))
	if err != nil {
		t.Fatal(err)
	}
	o := &origin{Repo: repo, t: t, root: root}
	o.push("add web", "web.yaml", "replicas: 1\n")
	return o
}

// push commits one file and pushes; it returns the commit.
func (o *origin) push(message, file, content string) string {
	o.t.Helper()
	hash := o.commit(message, file, content)
	o.must(o.Push())
	return hash
}

func (o *origin) commit(message, file, content string) string {
	o.t.Helper()
	hash, err := o.CommitFiles(message, map[string]string{file: content}, gitserver.By("alice"))
	o.must(err)
	return hash
}

func (o *origin) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *origin) head() string {
	o.t.Helper()
	hash, err := o.Head()
	o.must(err)
	return hash
}

func open(t *testing.T, dir, url string) *Repository {
	t.Helper()
	r, err := (&Store{Dir: dir, FileRoots: []string{"/"}}).Repository(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if d := r.current(); d != nil {
			d.close()
		}
	})
	return r
}

// fetchRef resolves and fetches, as a sync does.
func fetchRef(ctx context.Context, r *Repository, c Credentials, ref Ref) (Revision, error) {
	rev, err := r.Resolve(ctx, c, ref)
	if err != nil {
		return rev, err
	}
	return rev, r.Fetch(ctx, c, rev)
}

func mustSync(t *testing.T, r *Repository, c Credentials, ref Ref) Revision {
	t.Helper()
	rev, err := fetchRef(within(t, time.Minute), r, c, ref)
	if err != nil {
		t.Fatalf("%s: %v", ref, err)
	}
	return rev
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// contents reads a file of a commit.
func contents(t *testing.T, r *Repository, commit, file string) string {
	t.Helper()
	tree, err := r.Tree(commit)
	if err != nil {
		t.Fatal(err)
	}
	content, err := tree.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func wantError(t *testing.T, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || err == nil || err.Error() != text {
		t.Errorf("the error is\n%v\nwith kind %v: %t; not\n%s", err, kind, errors.Is(err, kind), text)
	}
}
