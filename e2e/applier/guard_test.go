package applier

import (
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

// What was applied last is kept while a newer commit fails, by a new process too.
func TestAfterARestartTheLastGoodStateIsStillGuarded(t *testing.T) {
	w := newProject(t, "open")
	w.write("deploy/app.yaml", configMap("app"))
	w.follow()
	w.applied(w.commit("declare app"))
	w.write("deploy/broken.yaml", "apiVersion: v1\nkind: [\n")
	w.refused(w.commit("break it"), string(desired.ReasonDocument))

	gate.Applier().Kill()
	if err := gate.Applier().Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.request()
	kubectl(t, "alice", "patch", "configmap", "app", "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"debug"}}`).MustAllow(t)
	w.pulledBack("configmap/app", ".data.level", "info")
}

// An object that moves to a sync which waits for the one that it leaves is not deleted.
func TestAnObjectThatMovesToADependentSyncIsNotDeleted(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/app.yaml", configMap("app"))
	w.write("other/keep.yaml", configMap("keep"))
	first := w.commit("app is in deploy")
	w.follow()
	w.applied(first)
	other := *w
	other.sync = named("sync")
	declare(t, strings.Replace(strings.Replace(w.manifest("dependsOn: [{name: "+w.sync+"}]"), "name: "+w.sync+", namespace", "name: "+other.sync+", namespace", 1), "path: deploy", "path: other", 1))
	t.Cleanup(other.drop)
	other.applied(first)
	uid := w.get("configmap/app", ".metadata.uid")

	w.remove("deploy/app.yaml")
	w.write("other/app.yaml", configMap("app"))
	moved := w.commit("app is in other")
	w.applied(moved) // before the other has come to this commit
	if got := w.get("configmap/app", ".metadata.uid"); got != uid {
		t.Fatalf("app was deleted: its uid was %s and is %q", uid, got)
	}
	other.applied(moved)
	if got, want := w.get("configmap/app", `.metadata.labels.gitlatch\.dev/sync`), v1alpha1.SyncLabel(system, other.sync); got != want || w.get("configmap/app", ".metadata.uid") != uid {
		t.Errorf("app is marked as of %q, not %q", got, want)
	}
}
