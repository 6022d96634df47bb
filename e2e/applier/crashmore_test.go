package applier

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// crashRecreating kills while objects are deleted to be created anew: what is between
// the two is not lost.
func crashRecreating(t *testing.T, installed *gitlatch.Gitlatch, random *rand.Rand) {
	w := &crash{project: newProject(t, ""), gate: installed}
	const many = 12
	write := func(app string) string {
		for i := range many {
			name := fmt.Sprintf("web-%d", i)
			w.write("deploy/"+name+".yaml", strings.NewReplacer("name: web, namespace", "name: "+name+", namespace", "app: web", "app: "+app).Replace(deployment))
		}
		return w.commit("select " + app)
	}
	first := write("web")
	w.follow("force: true")
	w.applied(first)
	for _, app := range []string{"shop", "cart", "web"} {
		commit := write(app)
		tail := w.tail()
		w.ask()
		tail.await(t, `"taking a step"`, `"name":"`+w.sync+`"`, `"step":"apply"`)
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
		w.die()
		w.caughtUp(commit)
		if got := strings.Fields(w.get("deployments", ".items[*].spec.selector.matchLabels.app")); len(got) != many || strings.Count(strings.Join(got, " "), app) != many {
			t.Errorf("the Deployments select %v, not %d times %s", got, many, app)
		}
		uids := w.get("deployments", ".items[*].metadata.uid")
		w.applied(commit)
		if got := w.get("deployments", ".items[*].metadata.uid"); got != uids {
			t.Errorf("what is as git declares it was created anew: the uids were %s and are %s", uids, got)
		}
	}
}

// crashDeleting kills while a sync with the deletion policy Prune is deleted: it goes on
// to the end, and leaves nothing.
func crashDeleting(t *testing.T, installed *gitlatch.Gitlatch, random *rand.Rand) {
	w := newCrash(t, installed, random, 150)
	kubectl(t, syncer, "delete", "gitsync", w.sync, "-n", w.home, "--wait=false").MustAllow(t)
	until := 20 + random.IntN(120)
	left := func(ctx context.Context) int {
		list := &corev1.ConfigMapList{}
		if err := here.Client(t, "admin").List(ctx, list, client.MatchingLabels{v1alpha1.LabelSync: v1alpha1.SyncLabel(w.home, w.sync)}); err != nil {
			t.Fatal(err)
		}
		return len(list.Items)
	}
	eventually(t, "some of its objects to be deleted", func(ctx context.Context) error {
		if n := left(ctx); n > until {
			return fmt.Errorf("%d are left", n)
		}
		return nil
	})
	w.die()
	eventually(t, "the sync and its namespace to be gone", func(context.Context) error {
		for _, what := range []string{"gitsync/" + w.sync, "namespace/" + w.namespace} {
			if kubectl(t, "admin", "get", what, "-n", w.home, "--ignore-not-found", "-o", "name").MustAllow(t).Out != "" {
				return errors.New(what + " is still there")
			}
		}
		return nil
	})
	if n := left(t.Context()); n > 0 {
		t.Errorf("%d objects are left", n)
	}
}

// crashFetching kills while a big repository is fetched: what came is not taken for
// whole, and what was left on disk does not stay.
func crashFetching(t *testing.T, installed *gitlatch.Gitlatch, random *rand.Rand) {
	w := &crash{project: newProject(t, ""), gate: installed, declared: map[string]string{}, retired: map[string]bool{}, random: random}
	w.add()
	first := w.commit("declare")
	w.follow()
	w.applied(first)
	for range 2 {
		big := make([]byte, 24<<20)
		for i := range big { // what does not compress
			big[i] = byte(random.Uint32())
		}
		if err := os.WriteFile(filepath.Join(w.repo.Dir, "big.bin"), big, 0o600); err != nil {
			t.Fatal(err)
		}
		w.add()
		w.killAt(w.commit("something big"), "fetch", time.Duration(random.Int64N(int64(700*time.Millisecond))))
	}
	staged, err := filepath.Glob(filepath.Join(installed.Applier().DataDir(), "*.git", "incoming-*"))
	if err != nil || len(staged) > 0 {
		t.Errorf("what a killed fetch had staged is still there: %v, %v", staged, err)
	}
}
