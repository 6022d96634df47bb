package applier

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func configMap(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: NS}\ndata: {level: info}\n"
}

// Scenario 17: what is removed from git is deleted; what is renamed goes and comes; an
// emptied path is refused.
func TestWhatLeavesGitLeavesTheCluster(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/gone.yaml", configMap("gone"))
	w.write("deploy/before.yaml", configMap("before"))
	w.write("deploy/spared.yaml", strings.Replace(configMap("spared"), "NS}", "NS, annotations: {gitlatch.dev/prune: disabled}}", 1))
	first := w.commit("declare three")
	w.follow()
	w.applied(first)

	w.remove("deploy/gone.yaml")
	w.remove("deploy/before.yaml")
	w.remove("deploy/spared.yaml")
	w.write("deploy/after.yaml", configMap("after"))
	w.applied(w.commit("remove, rename"))
	for name, want := range map[string]bool{"gone": false, "before": false, "after": true, "spared": true} {
		if there := w.get("configmap/"+name, ".metadata.name") != ""; there != want {
			t.Errorf("%s is there: %t, want %t", name, there, want)
		}
	}
}

func TestAnEmptiedPathIsRefused(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare app")
	w.follow()
	w.applied(first)

	w.remove("deploy/app.yaml")
	w.remove("deploy/namespace.yaml")
	w.write("deploy/empty.yaml", "# nothing\n")
	emptied := w.commit("empty the folder")
	message := w.refused(emptied, v1alpha1.SyncWouldEmpty)
	for _, want := range []string{"2 objects would be deleted", "gitlatch.dev/allow-empty=true", "keeping " + first[:7]} {
		if !strings.Contains(message, want) {
			t.Errorf("the message lacks %q: %s", want, message)
		}
	}
	if w.get("configmap/app", ".metadata.name") == "" {
		t.Fatal("the emptied folder deleted something")
	}

	kubectl(t, syncer, "annotate", "gitsync", w.sync, "-n", system, v1alpha1.AnnotationAllowEmpty+"=true").MustAllow(t)
	w.applied(emptied)
	eventually(t, "the namespace to go", func(context.Context) error {
		if kubectl(t, "admin", "get", "namespace", w.namespace, "--ignore-not-found", "-o", "name").Out != "" {
			return errors.New("it is still there")
		}
		return nil
	})
}

func TestAFolderThatLosesItsLastNamespaceIsRefused(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/reader.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: NS-reader}\nrules: []\n")
	first := w.commit("declare a namespace and a role")
	w.follow()
	w.applied(first)
	w.remove("deploy/namespace.yaml")
	message := w.refused(w.commit("lose the namespace"), v1alpha1.SyncWouldEmpty)
	if !strings.Contains(message, "declares no namespace any more") {
		t.Error(message)
	}
	if kubectl(t, "admin", "get", "namespace", w.namespace, "-o", "jsonpath={.status.phase}").MustAllow(t).Out != "Active" {
		t.Error("the namespace is on its way out")
	}
}

// An object that moves to another sync in one commit is not deleted in between.
func TestAnObjectThatMovesToAnotherSyncIsNotDeleted(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/app.yaml", configMap("app"))
	w.write("other/keep.yaml", configMap("keep"))
	first := w.commit("app is in deploy")
	w.follow()
	w.applied(first)
	other := *w
	other.sync = named("sync")
	declare(t, strings.Replace(strings.Replace(w.manifest(), w.sync, other.sync, 1), "path: deploy", "path: other", 1))
	t.Cleanup(other.drop)
	other.applied(first)
	uid := w.get("configmap/app", ".metadata.uid")

	w.remove("deploy/app.yaml")
	w.write("other/app.yaml", configMap("app"))
	moved := w.commit("app is in other")
	w.request() // the one that loses it comes first
	other.applied(moved)
	w.applied(moved)
	if got := w.get("configmap/app", ".metadata.uid"); got != uid {
		t.Errorf("app was deleted: its uid was %s and is %q", uid, got)
	}
	if got, want := w.get("configmap/app", `.metadata.labels.gitlatch\.dev/sync`), v1alpha1.SyncLabel(system, other.sync); got != want {
		t.Errorf("app is marked as of %q, not %q", got, want)
	}
}

// An object that two syncs declare stays with the one that has it, and the other says
// so.
func TestTwoSyncsDoNotFightOverAnObject(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/app.yaml", configMap("app"))
	w.write("other/app.yaml", strings.ReplaceAll(configMap("app"), "info", "debug"))
	commit := w.commit("declare app twice")
	w.follow()
	w.applied(commit)
	other := *w
	other.sync = named("sync")
	declare(t, strings.Replace(strings.Replace(w.manifest(), w.sync, other.sync, 1), "path: deploy", "path: other", 1))
	t.Cleanup(other.drop)
	message := other.refused(commit, v1alpha1.SyncConflict)
	if !strings.Contains(message, "ConfigMap "+w.namespace+"/app") || !strings.Contains(message, v1alpha1.SyncLabel(system, w.sync)) {
		t.Errorf("the message does not name the object and who has it: %s", message)
	}
	before := w.get("configmap/app", ".metadata.resourceVersion")
	w.applied(commit)
	if got := w.get("configmap/app", ".data.level"); got != "info" || w.get("configmap/app", ".metadata.resourceVersion") != before {
		t.Errorf("app's level is %q: the syncs fight", got)
	}
}
