package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// TestWhyOnTheRealControlPlane asks about objects of a cluster whose sync and whose repository are real, as the
// applier leaves them.
func TestWhyOnTheRealControlPlane(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	r := &rig{c}
	r.install(t)
	crd, err := filepath.Abs("../../manifests/crds/gitlatch.dev_gitsyncs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r.kubectl(t, "", "apply", "-f", crd)
	r.kubectl(t, "", "wait", "--for=condition=established", "crd/gitsyncs.gitlatch.dev", "--timeout=30s")
	r.remember(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Chdir(t.TempDir())
	w := &whyRig{rig: r}
	w.commit(t)
	w.apply(t)
	t.Run("the last change, verified, with the records", w.last)
	t.Run("every change", w.every)
	t.Run("for people", w.people)
	t.Run("an object that is gone", w.gone)
	t.Run("an object that nobody declares", w.undeclared)
	t.Run("what the applier verified, where trust roots may not be read", w.kept)
	t.Run("from a clone", w.clone)
}

// whyRig is a cluster and a repository.
type whyRig struct {
	*rig
	repo                 *gitserver.Repo
	key                  *gitserver.Key
	added, scaled, later string
}

func (w *whyRig) commit(t *testing.T) {
	t.Helper()
	repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	if err != nil {
		t.Fatal(err)
	}
	if w.key, err = gitserver.NewSSHKey(t.TempDir(), "bob"); err != nil {
		t.Fatal(err)
	}
	w.repo = repo
	hour := func(n int) gitserver.Option { return gitserver.At(noon().Add(time.Duration(n-24) * time.Hour)) }
	web := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: prod}\nspec: {replicas: 1}\n"
	old := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old, namespace: prod}\n"
	write := func(subject string, files map[string]string, options ...gitserver.Option) string {
		hash, err := repo.CommitFiles(subject, files, options...)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	w.added = write("add web", map[string]string{"prod/web.yaml": web, "prod/old.yaml": old}, gitserver.By("alice"), hour(1))
	w.scaled = write("scale web\n\nFor the sale.", map[string]string{"prod/web.yaml": strings.Replace(web, "1}", "3}", 1)},
		gitserver.By("bob"), gitserver.SignedBy(w.key), hour(2))
	if err := repo.Remove("prod/old.yaml"); err != nil {
		t.Fatal(err)
	}
	w.later = write("retire old", map[string]string{"README.md": "ops\n"}, gitserver.By("carol"), hour(3))
	if err := repo.Push(); err != nil {
		t.Fatal(err)
	}
}

// apply leaves in the cluster what the applier would.
func (w *whyRig) apply(t *testing.T) {
	t.Helper()
	w.kubectl(t, "", "create", "namespace", "gitlatch-system")
	w.kubectl(t, "", "create", "configmap", "signers", "-n", "gitlatch-system", "--from-literal=people="+w.key.AllowedSigner())
	sync := &v1alpha1.GitSync{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "GitSync"},
		ObjectMeta: metav1.ObjectMeta{Name: "prod", Namespace: "gitlatch-system"},
		Spec: v1alpha1.GitSyncSpec{URL: w.repo.FileURL(), Path: "prod", Ref: v1alpha1.GitRef{Branch: "main"},
			Verify: &v1alpha1.Verification{AllowedSigners: v1alpha1.LocalReference{Name: "signers"}}},
		Status: v1alpha1.GitSyncStatus{LastAppliedCommit: w.later, History: []v1alpha1.AppliedCommit{
			{Commit: w.scaled, Signer: "bob@example.com", Reviewers: []string{"carol@example.com"}, At: metav1.NewTime(noon())}}},
	}
	content, err := json.Marshal(sync)
	if err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, string(content), "apply", "-f", "-")
	status, err := json.Marshal(map[string]any{"status": sync.Status})
	if err != nil {
		t.Fatal(err)
	}
	w.kubectl(t, "", "patch", "gitsync", "prod", "-n", "gitlatch-system", "--subresource=status", "--type=merge", "-p", string(status))
	w.kubectl(t, "", "label", "deployment", "web", "-n", "prod", v1alpha1.LabelSync+"="+v1alpha1.SyncLabel("gitlatch-system", "prod"))
}

// answer asks as a user, in JSON.
func (w *whyRig) answer(t *testing.T, user string, args ...string) whyAnswer {
	t.Helper()
	got := w.as(t, user, append([]string{"why", "-n", "prod", "-o", "json"}, args...)...)
	var answer whyAnswer
	if err := json.Unmarshal([]byte(got.Out), &answer); err != nil || got.Code != 0 || got.Err != "" {
		t.Fatalf("%v: exit %d, %v: %s", args, got.Code, err, got.Err)
	}
	return answer
}

func (w *whyRig) changes() (added, scaled whyChange) {
	person := func(name string, hour int) whyPerson {
		return whyPerson{Name: name, Email: name + "@example.com", Date: noon().Add(time.Duration(hour-24) * time.Hour)}
	}
	added = whyChange{Commit: w.added, Change: "Added", Author: person("alice", 1), Committer: person("alice", 1), Subject: "add web", File: "prod/web.yaml"}
	scaled = whyChange{Commit: w.scaled, Change: "Changed", Author: person("bob", 2), Committer: person("bob", 2), Signer: "bob@example.com",
		Subject: "scale web", Body: "For the sale.", File: "prod/web.yaml"}
	return added, scaled
}

// withoutKeys leaves out the fingerprint, which is another in each run.
func withoutKeys(changes []whyChange) []whyChange {
	for i := range changes {
		changes[i].Key = ""
	}
	return changes
}

func (w *whyRig) last(t *testing.T) {
	got := w.answer(t, "admin", "deployment/web")
	_, scaled := w.changes()
	if !strings.HasPrefix(got.Changes[0].Key, "SHA256:") {
		t.Errorf("the key is %q", got.Changes[0].Key)
	}
	var records []string
	for i := range got.Records {
		records = append(records, got.Records[i].Name)
	}
	got.Changes, got.Records = withoutKeys(got.Changes), nil
	want := whyAnswer{Object: whyObject{Group: "apps", Kind: "Deployment", Namespace: "prod", Name: "web"}, Sync: "gitlatch-system/prod",
		Repository: w.repo.FileURL(), Path: "prod", Commit: w.later, Declared: true, File: "prod/web.yaml", Changes: []whyChange{scaled}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cr-reviewed", "cr-denied"}, records); diff != "" {
		t.Errorf("the records (-want +got):\n%s", diff)
	}
}

func (w *whyRig) every(t *testing.T) {
	added, scaled := w.changes()
	got := w.answer(t, "admin", "deploy", "web", "--history")
	if diff := cmp.Diff([]whyChange{scaled, added}, withoutKeys(got.Changes)); diff != "" {
		t.Errorf("the changes (-want +got):\n%s", diff)
	}
}

func (w *whyRig) people(t *testing.T) {
	got := w.as(t, "admin", "why", "deployment/web", "-n", "prod")
	for _, want := range []string{"Changed:    " + w.scaled + "\nAuthor:     bob <bob@example.com>\nDate:       2026-03-01T14:00:00Z, 22h ago\n",
		"\n    scale web\n\n    For the sale.\n", "\nTried around git:\nAGE "} {
		if !strings.Contains(got.Out, want) {
			t.Errorf("the answer lacks %q:\n%s", want, got.Out)
		}
	}
}

func (w *whyRig) gone(t *testing.T) {
	got := w.as(t, "admin", "why", "configmap/old", "-n", "prod")
	want := "error: ConfigMap prod/old is not in the cluster: to ask what removed it pass --sync [NAMESPACE/]NAME, or --repo DIR and --path FOLDER\n"
	if diff := cmp.Diff(outcome{Err: want, Code: 1}, got); diff != "" {
		t.Errorf("without a sync (-want +got):\n%s", diff)
	}
	answer := w.answer(t, "admin", "configmap/old", "--sync", "prod")
	if len(answer.Changes) != 1 || answer.Declared || answer.Changes[0].Change != "Removed" || answer.Changes[0].Commit != w.later || answer.Changes[0].File != "prod/old.yaml" {
		t.Errorf("the answer is %+v", answer)
	}
	got = w.as(t, "admin", "why", "configmap/never", "-n", "prod", "--sync", "gitlatch-system/prod")
	want = "error: ConfigMap prod/never is not in git: prod does not declare it at " + w.later[:7] + ", and never did\n"
	if diff := cmp.Diff(outcome{Err: want, Code: 1}, got); diff != "" {
		t.Errorf("what never was (-want +got):\n%s", diff)
	}
}

func (w *whyRig) undeclared(t *testing.T) {
	tests := []struct{ labels, want string }{
		{"app=own", "error: ConfigMap prod/own is declared by no sync: it bears no label gitlatch.dev/sync; if git declares it, " + errNoClone.Error() + "\n"},
		{"kustomize.toolkit.fluxcd.io/name=apps,kustomize.toolkit.fluxcd.io/namespace=flux-system",
			"error: ConfigMap prod/own is declared by Flux Kustomization flux-system/apps: " + errNoClone.Error() + "\n"},
		{"gitlatch.dev/sync=gitlatch-system.gone", "error: ConfigMap prod/own bears the mark of sync gitlatch-system.gone, which is not there: " + errNoClone.Error() + "\n"},
	}
	w.kubectl(t, "", "create", "configmap", "own", "-n", "prod")
	for _, test := range tests {
		w.kubectl(t, "", append([]string{"label", "configmap", "own", "-n", "prod"}, strings.Split(test.labels, ",")...)...)
		if diff := cmp.Diff(outcome{Err: test.want, Code: 1}, w.as(t, "admin", "why", "cm/own", "-n", "prod")); diff != "" {
			t.Errorf("with %s (-want +got):\n%s", test.labels, diff)
		}
	}
}

func (w *whyRig) kept(t *testing.T) {
	w.kubectl(t, "", "delete", "configmap", "signers", "-n", "gitlatch-system")
	got := w.answer(t, "admin", "deployment/web")
	_, scaled := w.changes()
	scaled.Reviewers = []string{"carol@example.com"}
	if diff := cmp.Diff([]whyChange{scaled}, got.Changes); diff != "" {
		t.Errorf("the changes (-want +got):\n%s", diff)
	}
}

func (w *whyRig) clone(t *testing.T) {
	_, scaled := w.changes()
	scaled.Signer = ""
	got := w.answer(t, "admin", "deployment/web", "--repo", w.repo.Dir, "--path", "prod")
	if diff := cmp.Diff([]whyChange{scaled}, got.Changes); diff != "" || got.Sync != "" {
		t.Errorf("the changes, of sync %q (-want +got):\n%s", got.Sync, diff)
	}
	other, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "other"))
	if err != nil {
		t.Fatal(err)
	}
	refused := w.as(t, "admin", "why", "deployment/web", "-n", "prod", "--repo", other.Dir)
	if want := "error: the clone " + other.Dir + " does not have commit " + w.later[:7] + ", which the cluster has: fetch it (git -C " + other.Dir + " fetch)"; refused.Code != 1 || !strings.HasPrefix(refused.Err, want) {
		t.Errorf("another repository: %+v", refused)
	}
	if err := os.RemoveAll(w.repo.Bare); err != nil {
		t.Fatal(err)
	}
	if got := w.answer(t, "admin", "deployment/web"); got.Changes[0].Commit != w.scaled {
		t.Errorf("without the remote, the cache says %+v", got)
	}
}
