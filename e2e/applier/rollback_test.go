package applier

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// Scenario 22: git revert is the rollback. The old bytes are back, and what came with
// the commit that is reverted is gone.
func TestARevertRestores(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/web.yaml", deployment)
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare web and app")
	w.follow()
	w.applied(first)
	objects := []string{"deployment/web", "configmap/app", "namespace/" + w.namespace}
	old := map[string]any{}
	for _, o := range objects {
		old[o] = essence(t, plane, o, w.namespace)
	}

	w.write("deploy/web.yaml", strings.NewReplacer("replicas: 2", "replicas: 3", "LEVEL", "VERBOSITY", "labels: {app: web}}", "labels: {app: web, tier: front}}").Replace(deployment))
	w.write("deploy/app.yaml", strings.Replace(configMap("app"), "{level: info}", "{level: debug, more: x}", 1))
	w.write("deploy/newer.yaml", configMap("newer"))
	second := w.commit("change web and app, and add newer")
	w.applied(second)
	if got := w.get("deployment/web", ".metadata.labels.tier"); got != "front" || w.get("configmap/newer", ".data.level") != "info" {
		t.Fatalf("the second commit is not what the cluster is: web's tier is %q", got)
	}

	reverted, err := w.repo.Revert(second)
	if err == nil {
		err = w.repo.Push()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := w.applied(reverted)
	for _, o := range objects {
		if diff := cmp.Diff(old[o], any(essence(t, plane, o, w.namespace))); diff != "" {
			t.Errorf("%s is not as it was (-was +is):\n%s", o, diff)
		}
	}
	if w.get("configmap/newer", ".metadata.name") != "" {
		t.Error("newer is still there")
	}
	var history []string
	for _, h := range s.Status.History {
		history = append(history, h.Commit)
	}
	if diff := cmp.Diff([]string{reverted, second, first}, history); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
}

// A force-push is applied as any commit, and recorded: as a record, in the history of
// the status, and as an event.
func TestAForcePushIsAppliedAndRecorded(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare app")
	w.write("deploy/lost.yaml", configMap("lost"))
	second := w.commit("declare what will be lost")
	w.follow()
	w.applied(second)

	if err := w.repo.Reset(first); err != nil {
		t.Fatal(err)
	}
	w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", "debug"))
	third, err := w.repo.Commit("rewrite history")
	if err == nil {
		err = w.repo.ForcePush()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := w.applied(third)
	if w.get("configmap/app", ".data.level") != "debug" || w.get("configmap/lost", ".metadata.name") != "" {
		t.Error("the rewritten history is not what the cluster is")
	}
	want := []v1alpha1.AppliedCommit{
		{Commit: third, Subject: "rewrite history", Author: "alice <alice@example.com>", Rewritten: true},
		{Commit: second, Subject: "declare what will be lost", Author: "alice <alice@example.com>"},
	}
	if diff := cmp.Diff(want, s.Status.History, cmpopts.IgnoreFields(v1alpha1.AppliedCommit{}, "At")); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
	w.rewriteRecorded(s, second, third)
	eventually(t, "an event that says so", func(ctx context.Context) error {
		list := &eventsv1.EventList{}
		if err := here.Client(t, "admin").List(ctx, list, client.InNamespace(system)); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Regarding.Name == w.sync && e.Reason == "HistoryRewritten" {
				if want := fmt.Sprintf("%s is not among the ancestors of %s: the branch was force-pushed", second[:7], third[:7]); e.Note != want || e.Type != "Warning" {
					t.Errorf("the event is a %s and says %q, not %q", e.Type, e.Note, want)
				}
				return nil
			}
		}
		return fmt.Errorf("none of %d events does", len(list.Items))
	})
}

// rewriteRecorded expects the one record of a rewritten history, whole.
func (w *project) rewriteRecorded(s *v1alpha1.GitSync, last, commit string) {
	w.t.Helper()
	var got []v1alpha1.ChangeRecord
	for _, r := range here.Records(w.t, world.InNamespace(system)) {
		if r.Spec.Request.Name == w.sync && r.Spec.Reason == v1alpha1.ReasonHistoryRewritten {
			got = append(got, r)
		}
	}
	if len(got) != 1 {
		w.t.Fatalf("the rewritten history is recorded %d times", len(got))
	}
	want := v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeDrift, Reason: v1alpha1.ReasonHistoryRewritten,
		Request: v1alpha1.RecordedRequest{
			Operation: "UPDATE", Group: v1alpha1.Group, Version: "v1alpha1", Resource: "gitsyncs", Kind: "GitSync", Namespace: system, Name: w.sync,
		},
		Target:   &v1alpha1.Target{UID: s.UID},
		Changes:  []v1alpha1.Change{{Path: ".status.lastAppliedCommit", From: `"` + last + `"`, To: `"` + commit + `"`}},
		Evidence: v1alpha1.EvidenceWatch, Confidence: v1alpha1.ConfidenceIndicated,
		Message: last + " is not among the ancestors of " + commit + ": the branch was force-pushed",
	}
	if diff := cmp.Diff(want, got[0].Spec); diff != "" {
		w.t.Errorf("the record (-want +got):\n%s", diff)
	}
	status := got[0].Status
	resolution := &v1alpha1.Resolution{State: v1alpha1.ResolutionCommitted, Commit: commit}
	if diff := cmp.Diff(resolution, status.Resolution, cmpopts.IgnoreFields(v1alpha1.Resolution{}, "At")); diff != "" || status.Phase != v1alpha1.PhaseResolved {
		w.t.Errorf("its phase is %s, its resolution (-want +got):\n%s", status.Phase, diff)
	}
}
