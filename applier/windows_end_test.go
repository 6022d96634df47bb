package applier

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// account has another kind than the objects that it comes instead of.
const account = `apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
`

// prunes waits until no window keeps an object from being pruned.
func (b *bench) prunes(key live.Key) {
	b.t.Helper()
	eventually(b.t, "it may be pruned", 15*time.Second, func() error {
		held, err := b.held(b.t.Context(), key)
		if err == nil && held {
			err = errors.New("a window covers it")
		}
		return err
	})
}

func TestAWindowOnWhatACommitDroppedMeanwhileEnds(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greeting)
	b.breakGlass("configmap/web", "4s")
	b.oncall("patch", "configmap", "web", "-p", `{"data":{"greeting":"closed"}}`)
	b.run(commitTwo, account)
	key := b.object("ConfigMap", "web").Key
	if held, err := b.held(t.Context(), key); !held || err != nil {
		t.Errorf("inside the window it may be pruned: held %t, %v", held, err)
	}
	b.prunes(key)
	b.endedAs(2, v1alpha1.ResolutionCommitted, commitTwo)
}

func TestAWindowOnWhatWasDroppedWhileNobodyWatchedEnds(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greeting)
	b.breakGlass("configmap/web", "2s")
	b.oncall("patch", "configmap", "web", "-p", `{"data":{"greeting":"closed"}}`)
	b.stop()
	time.Sleep(6 * time.Second)
	next := newBench(t, b.space, clock.RealClock{})
	next.resume(commitOne)
	next.run(commitTwo, account)
	next.prunes(b.object("ConfigMap", "web").Key)
	next.endedAs(2, v1alpha1.ResolutionCommitted, commitTwo)
}

// TestAnEndedWindowDoesNotWaitForWhatLeftGit: what can't be pulled back is dropped.
func TestAnEndedWindowDoesNotWaitForWhatLeftGit(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	b.run(commitOne, greeting)
	b.stuck("web", "4s")
	b.recordsOf(0, resolved(inWindows))
	b.run(commitTwo, account)
	b.endedAs(2, v1alpha1.ResolutionCommitted, commitTwo)
}

// stuck changes an object in a window so that it can't be pulled back without force,
// and waits until that was tried.
func (b *bench) stuck(name, duration string) {
	b.t.Helper()
	b.breakGlass("configmap/"+name, duration)
	b.oncall("patch", "configmap", name, "-p", `{"data":{"greeting":"closed"},"immutable":true}`)
	eventually(b.t, "the window has ended", 15*time.Second, func() error {
		if !b.closes(b.object("ConfigMap", name).Key) {
			return errors.New("not yet")
		}
		return nil
	})
}

func TestAWindowOverTwoSyncsEndsWithTheLast(t *testing.T) {
	needGate(t)
	b := newBench(t, newSpace(t, "gate=enforce"), clock.RealClock{})
	second := &bench{t: t, space: b.space, cluster: b.cluster, calls: b.calls,
		keeper: b.keeping.newKeeper(types.NamespacedName{Namespace: "gitlatch-system", Name: b.space + "-second"})}
	second.mode(v1alpha1.DriftCorrect, false)
	t.Cleanup(second.stop)
	b.run(commitOne, greeting)
	second.run(commitTwo, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: api}\ndata: {timeout: 30s}\n")
	b.breakGlass("namespace/"+b.space, "30s")
	b.oncall("patch", "configmap", "web", "-p", `{"data":{"greeting":"closed"},"immutable":true}`)
	kubectl(t, "oncall", "", "annotate", "namespace", b.space, "gitlatch.dev/break-glass-")
	time.Sleep(6 * time.Second)
	for _, r := range b.all(inWindows) {
		if r.Status.Resolution != nil {
			t.Errorf("%s of %s is resolved, though what it led to is still there: %+v", r.Spec.Request.Operation, r.Spec.Request.Name, r.Status.Resolution)
		}
	}
	b.forcing(true)
	b.fields(b.object("ConfigMap", "web"), "map[greeting:welcome]", "data")
	b.endedAs(2, v1alpha1.ResolutionReverted, commitOne)
}
