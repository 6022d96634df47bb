package applier

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/applier/live"
)

func syncNamed(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "gitlatch-system", Name: name}
}

func webKey() live.Key {
	return live.Key{Group: "apps", Kind: "Deployment", Namespace: "prod", Name: "web"}
}

func declaring(keys ...live.Key) map[live.Key]bool {
	declared := map[live.Key]bool{}
	for _, k := range keys {
		declared[k] = true
	}
	return declared
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
	c.seed(base, nil) // what it had applied before this process says nothing of its commit
	if c.free("gitlatch-system.base", webKey()) {
		t.Error("a sync that has not said what it declares has given up an object")
	}
	c.claim(base, "c1", declaring(webKey()))
	if c.free("gitlatch-system.base", webKey()) {
		t.Error("a sync that declares an object has given it up")
	}
	c.seed(base, nil)
	if c.free("gitlatch-system.base", webKey()) {
		t.Error("what it had applied before counts more than what it declares")
	}
	c.claim(base, "c3", nil)
	if !c.free("gitlatch-system.base", webKey()) {
		t.Error("a sync that has left an object still holds it")
	}
}

func TestWhatASyncHadAppliedIsItsUntilItSaysOtherwise(t *testing.T) {
	c, base, apps := newClaims(), syncNamed("base"), syncNamed("apps")
	c.seed(base, []live.Ref{{Key: webKey(), Version: "v1"}})
	if !c.other(apps, webKey()) || c.at(base, "c1") {
		t.Error("after a restart what a sync had applied is nobody's")
	}
	c.claim(base, "c1", nil)
	if c.other(apps, webKey()) || !c.at(base, "c1") || c.at(base, "c2") {
		t.Error("a sync's word does not replace what it had applied")
	}
}
