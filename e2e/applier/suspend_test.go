package applier

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Scenario 24: while a sync is suspended nothing moves; resumed, it catches up once.
// Another sync of the same repository shows that there was something to do, and time
// to do it.
func TestSuspendedNothingMovesAndResumedItCatchesUpOnce(t *testing.T) {
	w := newProject(t, "open")
	w.write("deploy/app.yaml", configMap("app"))
	w.write("other/other.yaml", configMap("other"))
	first := w.commit("declare app and other")
	w.follow()
	w.applied(first)
	other := *w
	other.sync = named("sync")
	declare(t, strings.Replace(other.manifest(), "path: deploy", "path: other", 1))
	t.Cleanup(other.drop)
	other.applied(first)

	// People may suspend a sync, and it is seen that they did.
	kubectl(t, "oncall", "patch", "gitsync", w.sync, "-n", system, "--type=merge", "-p", `{"spec":{"suspend":true}}`).MustAllow(t)
	suspended := w.await("the suspension to be observed", func(s *v1alpha1.GitSync) error {
		if s.Status.ObservedGeneration != s.Generation {
			return errNotYet
		}
		return nil
	})
	for _, level := range []string{"debug", "trace"} {
		w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", level))
		w.write("other/other.yaml", strings.ReplaceAll(configMap("other"), "info", level))
		other.applied(w.commit(level))
	}
	last, err := w.repo.Head()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app", "other"} {
		kubectl(t, "alice", "patch", "configmap", name, "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"silent"}}`).MustAllow(t)
	}
	kubectl(t, syncer, "annotate", "gitsync", w.sync, "-n", system, "--overwrite", v1alpha1.AnnotationRequestedAt+"=while-suspended").MustAllow(t)
	other.pulledBack("configmap/other", ".data.level", "trace")
	other.applied(last)
	if got := w.get("configmap/app", ".data.level"); got != "silent" {
		t.Errorf("app's level is %q: something moved while the sync was suspended", got)
	}
	still := w.await("the sync", func(*v1alpha1.GitSync) error { return nil })
	if diff := cmp.Diff(suspended.Status, still.Status); diff != "" {
		t.Errorf("the status moved while the sync was suspended (-before +after):\n%s", diff)
	}

	kubectl(t, "oncall", "patch", "gitsync", w.sync, "-n", system, "--type=merge", "-p", `{"spec":{"suspend":false}}`).MustAllow(t)
	s := w.caughtUp(last)
	if got := w.get("configmap/app", ".data.level"); got != "trace" {
		t.Errorf("app's level is %q after the sync was resumed", got)
	}
	var history []string
	for _, h := range s.Status.History {
		history = append(history, h.Commit)
	}
	if diff := cmp.Diff([]string{last, first}, history); diff != "" {
		t.Errorf("it did not catch up once (-want +got):\n%s", diff)
	}
	if s.Status.LastHandledReconcileAt != "while-suspended" {
		t.Errorf("what was asked for meanwhile is not answered: %q", s.Status.LastHandledReconcileAt)
	}
}
