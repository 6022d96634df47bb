package applier

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/applier/live"
)

func syncNamed(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "gitlatch-system", Name: name}
}

func webKey() live.Key {
	return live.Key{Group: "apps", Kind: "Deployment", Namespace: "prod", Name: "web"}
}

func declaring(keys ...live.Key) []live.Object {
	objects := make([]live.Object, len(keys))
	for i, k := range keys {
		objects[i].Key = k
	}
	return objects
}

func TestWhatMovedToAnotherSyncIsThatSyncs(t *testing.T) {
	c, apps, base := newClaims(), syncNamed("apps"), syncNamed("base")
	c.claim(base, "c1", declaring(webKey()))
	if c.other(base, webKey()) {
		t.Error("a sync's own claim counts as another's")
	}
	c.claim(apps, "c2", declaring(webKey()))
	if !c.other(base, webKey()) {
		t.Error("the claim of the other sync does not count")
	}
	c.claim(apps, "c3", nil)
	if c.other(base, webKey()) {
		t.Error("a claim that was given up still counts")
	}
	c.claim(apps, "c4", declaring(webKey()))
	c.forget(apps)
	if c.other(base, webKey()) {
		t.Error("the claim of a sync that is gone still counts")
	}
}

func TestASyncIsLeftOnlyByItsOwnWord(t *testing.T) {
	c, base := newClaims(), syncNamed("base")
	if c.free("gitlatch-system.base", webKey()) {
		t.Error("a sync that was not heard of yet has given up an object")
	}
	c.claim(base, "c1", declaring(webKey()))
	if c.free("gitlatch-system.base", webKey()) {
		t.Error("a sync that declares an object has given it up")
	}
	c.attempted(base, "c2") // it can't be rendered there
	if c.free("gitlatch-system.base", webKey()) {
		t.Error("a sync that can't be rendered has given up what it declared before")
	}
	c.claim(base, "c3", nil)
	if !c.free("gitlatch-system.base", webKey()) {
		t.Error("a sync that has left an object still holds it")
	}
}

func TestPruningWaitsForTheOthersOfTheRepository(t *testing.T) {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	c, base, apps := newClaims(), syncNamed("base"), syncNamed("apps")
	others := []types.NamespacedName{apps}
	ask := func(commit string, at time.Time) bool {
		other, waiting := c.pending(base, commit, others, at)
		if waiting != (other == apps) {
			t.Errorf("waiting is %t, for %q", waiting, other)
		}
		return waiting
	}
	if !ask("c1", noon) {
		t.Error("a sync that was not heard of is not waited for: after a restart none was")
	}
	c.claim(apps, "c0", nil)
	if !ask("c1", noon.Add(claimPatience-time.Second)) {
		t.Error("a sync that is a commit behind is not waited for")
	}
	if ask("c1", noon.Add(claimPatience)) {
		t.Error("a sync that does not come is waited for without end")
	}
	if !ask("c2", noon.Add(claimPatience)) {
		t.Error("the patience with one commit is spent for the next")
	}
	c.attempted(apps, "c2")
	if ask("c2", noon.Add(claimPatience)) {
		t.Error("a sync that has come, and can't be rendered, is waited for")
	}
}
