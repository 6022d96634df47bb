package applier

import (
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
)

// Scenario 14: broken YAML, a broken overlay, an unknown kind: nothing is applied,
// nothing pruned, and the file is named.
func TestOneBrokenFileStopsTheWholeCommit(t *testing.T) {
	const app = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: NS}\ndata: {level: info}\n"
	for _, test := range []struct {
		name, file, content, reason, want string
	}{
		{"broken YAML", "deploy/broken.yaml", "apiVersion: v1\nkind: ConfigMap\n  metadata: [\n", string(desired.ReasonDocument), "deploy/broken.yaml"},
		{"a document that is no object", "deploy/notes.yaml", "just: notes\n", string(desired.ReasonDocument), "deploy/notes.yaml"},
		{"a broken overlay", "deploy/kustomization.yaml", "resources: [namespace.yaml, missing.yaml]\n", string(desired.ReasonRender), "missing.yaml"},
		{"an unknown kind", "deploy/frob.yaml", "apiVersion: frob.example/v1\nkind: Frob\nmetadata: {name: a, namespace: NS}\n", v1alpha1.SyncInvalid, "deploy/frob.yaml"},
		{"one object twice", "deploy/twice.yaml", app, string(desired.ReasonDuplicate), "deploy/twice.yaml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newProject(t, "")
			w.write("deploy/app.yaml", app)
			w.write("deploy/old.yaml", strings.ReplaceAll(app, "name: app", "name: old"))
			good := w.commit("declare app and old")
			w.follow()
			w.applied(good)

			w.write("deploy/new.yaml", strings.ReplaceAll(app, "name: app", "name: new"))
			w.remove("deploy/old.yaml")
			w.write(test.file, test.content)
			message := w.refused(w.commit("break it"), test.reason)
			if !strings.Contains(message, test.want) || !strings.Contains(message, "keeping "+good[:7]) {
				t.Errorf("the message names not %q and what is kept: %s", test.want, message)
			}
			if w.get("configmap/new", ".metadata.name") != "" {
				t.Error("something of the broken commit was applied")
			}
			if w.get("configmap/old", ".metadata.name") == "" {
				t.Error("something was pruned at the broken commit")
			}

			w.remove(test.file)
			w.applied(w.commit("mend it"))
			if w.get("configmap/new", ".metadata.name") == "" || w.get("configmap/old", ".metadata.name") != "" {
				t.Error("the mended commit is not what the cluster is")
			}
		})
	}
}
