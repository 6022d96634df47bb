package applier

import (
	"path/filepath"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// TestTheDiskIsFreed of what no sync names any more, but not under a run.
func TestTheDiskIsFreed(t *testing.T) {
	space, l := newSpace(t), newLoopBench(t)
	fetch := func(url string) {
		t.Helper()
		r, err := l.repositories.Repository(url)
		must(t, err)
		revision, err := r.Resolve(t.Context(), git.Credentials{}, git.Ref{})
		must(t, err)
		must(t, r.Fetch(t.Context(), git.Credentials{}, revision))
	}
	var urls []string
	for _, name := range []string{"first", "second", "orphan"} {
		repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), name))
		must(t, err)
		_, err = repo.CommitFiles("begin", map[string]string{"a.txt": ""}, gitserver.By("alice"))
		must(t, err)
		must(t, repo.Push())
		urls = append(urls, repo.FileURL())
		fetch(repo.FileURL())
	}
	kept := func(when string, want int) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(l.repositories.Dir, "*.git"))
		must(t, err)
		if len(found) != want {
			t.Errorf("%s: %d repositories, want %d", when, len(found), want)
		}
	}
	sync := storeSync(t, l.client, space, "prod", v1alpha1.GitSyncSpec{URL: urls[0], Suspend: true})
	other := storeSync(t, l.client, space, "staging", v1alpha1.GitSyncSpec{URL: urls[1], Suspend: true})
	kept("before", 3)
	l.sweep(t.Context())
	kept("at the start, what no sync names goes", 2)

	done := l.use(t.Context(), sync)
	must(t, l.client.Get(t.Context(), client.ObjectKeyFromObject(sync), sync))
	sync.Spec.URL = urls[1]
	must(t, l.client.Update(t.Context(), sync))
	l.sweep(t.Context())
	kept("under a run nothing goes", 2)
	done()
	l.reconcile(t, client.ObjectKeyFromObject(sync))
	kept("a sync that has another URL leaves its old one", 1)

	for _, s := range []*v1alpha1.GitSync{sync, other} {
		kept("while one names it", 1)
		must(t, l.client.Get(t.Context(), client.ObjectKeyFromObject(s), s))
		s.Finalizers = nil
		must(t, l.client.Update(t.Context(), s))
		must(t, l.client.Delete(t.Context(), s))
		l.reconcile(t, client.ObjectKeyFromObject(s))
	}
	kept("after the last is gone", 0)
	if len(l.disk.last) != 0 || len(l.disk.inUse) != 0 {
		t.Errorf("it remembers %v, %v", l.disk.last, l.disk.inUse)
	}
}
