package applier

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Scenario 15: one object fails: the others are applied, what failed is named and
// tried again, and drift of the rest is still corrected.
func TestOneFailingObjectDoesNotStopTheOthers(t *testing.T) {
	w := newProject(t, "open")
	w.write("deploy/app.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: NS}\ndata: {level: info}\n")
	w.write("deploy/bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NS}\nspec: {ports: [{port: 70000}]}\n")
	commit := w.commit("declare app and a service that can't be")
	w.follow()
	message := w.refused(commit, v1alpha1.SyncApplyFailed)
	if !strings.Contains(message, "Service "+w.namespace+"/bad") || !strings.Contains(message, "70000") {
		t.Errorf("the message does not say what failed and why: %s", message)
	}
	if got := w.get("configmap/app", ".data.level"); got != "info" {
		t.Fatalf("app's level is %q: the failing object stopped it", got)
	}

	kubectl(t, "alice", "patch", "configmap", "app", "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"debug"}}`).MustAllow(t)
	w.pulledBack("configmap/app", ".data.level", "info")

	w.write("deploy/bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: bad, namespace: NS}\nspec: {ports: [{port: 7000}]}\n")
	w.applied(w.commit("a port that can be"))
}

// pulledBack waits until a field is as git has it again.
func (w *project) pulledBack(object, jsonpath, want string) {
	w.t.Helper()
	eventually(w.t, object+" to be as git has it", func(context.Context) error {
		if got := w.get(object, jsonpath); got != want {
			return fmt.Errorf("%s is %q, not %q", jsonpath, got, want)
		}
		return nil
	})
}
