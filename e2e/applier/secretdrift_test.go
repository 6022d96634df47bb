package applier

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// Drift of a Secret is pulled back, and its record says that values differed, not which.
func TestDriftOfASecretIsRecordedWithoutItsValues(t *testing.T) {
	w, s := newProject(t, "warn"), newAgeSealer(t)
	value := newValue()
	w.sealed(s, "deploy/db.yaml", secret("db", value))
	commit := w.commit("declare db")
	w.follow(w.decrypting(s))
	w.applied(commit)

	kubectl(t, "alice", "patch", "secret", "db", "-n", w.namespace, "--type=merge", "-p", `{"stringData":{"password":"`+newValue()+`"}}`).MustAllow(t)
	w.pulledBack("secret/db", ".data.password", base64.StdEncoding.EncodeToString([]byte(value)))
	r := w.drift("db", v1alpha1.ReasonDrift)
	want := []v1alpha1.Change{{Path: ".data.password", From: "*** (before)", To: "*** (after)", Declared: true}}
	if diff := cmp.Diff(want, r.Spec.Changes); diff != "" {
		t.Errorf("the changes of the record (-want +got):\n%s", diff)
	}
	if r.Spec.Requester.Username != "alice" {
		t.Errorf("the drift is of %q: the gate saw alice", r.Spec.Requester.Username)
	}
}

// A Secret that somebody made by hand is recorded without its values before git takes
// it over, and what kubectl wrote into its annotation goes.
func TestTakeoverOfASecretIsRecordedWithoutItsValues(t *testing.T) {
	w, s := newProject(t, "warn"), newAgeSealer(t)
	first := w.commit("declare the namespace")
	w.follow(w.decrypting(s))
	w.applied(first)
	file := t.TempDir() + "/db.yaml"
	byHand := strings.ReplaceAll(secret("db", newValue())+"  extra: "+newValue()+"\n", "NS", w.namespace)
	writeFile(t, file, byHand)
	made := kubectl(t, "alice", "apply", "-f", file).MustAllow(t)
	if found := planted.seen([]byte(made.Out + made.Err)); len(found) > 0 {
		t.Errorf("alice is shown values: %v", found)
	}

	value := newValue()
	w.sealed(s, "deploy/db.yaml", secret("db", value))
	commit := w.commit("declare db")
	w.applied(commit)
	if got := w.password(); got != value {
		t.Error("db's password is not git's")
	}
	if w.get("secret/db", ".data.extra") != "" || w.get("secret/db", `.metadata.annotations.kubectl\.kubernetes\.io/last-applied-configuration`) != "" {
		t.Error("what alice added is still there")
	}
	r := w.drift("db", v1alpha1.ReasonTakeover)
	shown := map[string][2]string{}
	for _, c := range r.Spec.Changes {
		shown[c.Path] = [2]string{c.From, c.To}
	}
	want := map[string][2]string{
		".data.password": {"*** (before)", "*** (after)"},
		".data.extra":    {"***", ""},
		`.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]`: {"***", ""},
	}
	delete(shown, ".type") // which the API server had set
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("the record shows (-want +got):\n%s", diff)
	}
	if want := "taken over by GitSync " + system + "/" + w.sync + " at " + commit + "; the write was admitted as record "; !strings.HasPrefix(r.Spec.Message, want) || r.Spec.Requester.Username != "alice" {
		t.Errorf("the record is of %q and says %q, not %q", r.Spec.Requester.Username, r.Spec.Message, want)
	}
}

// drift waits for the one Drift record of an object for this reason.
func (w *project) drift(name string, reason v1alpha1.Reason) v1alpha1.ChangeRecord {
	w.t.Helper()
	var found []v1alpha1.ChangeRecord
	eventually(w.t, "the record of "+name, func(context.Context) error {
		found = nil
		for _, r := range here.Records(w.t, world.InNamespace(w.namespace)) {
			if r.Spec.Outcome == v1alpha1.OutcomeDrift && r.Spec.Request.Name == name && r.Spec.Reason == reason {
				found = append(found, r)
			}
		}
		if len(found) == 0 {
			return errNotYet
		}
		return nil
	})
	if len(found) != 1 {
		w.t.Fatalf("%s is recorded %d times", name, len(found))
	}
	return found[0]
}
