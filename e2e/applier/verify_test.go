package applier

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/ssh"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// signed is a world whose sync applies signed commits only. Its namespace is governed by
// nobody, so that drift can be made.
type signed struct {
	*project
	alice, bob, carol, mallory *gitserver.Key // carol's is of OpenPGP; mallory's nobody trusts
	good                       string         // the first commit, by alice, reviewed by bob
	spec                       string
}

func newSigned(t *testing.T, verify string) *signed {
	t.Helper()
	w := &signed{project: newProject(t, "open")}
	dir := t.TempDir()
	for name, key := range map[string]**gitserver.Key{"alice": &w.alice, "bob": &w.bob, "mallory": &w.mallory} {
		var err error
		if *key, err = gitserver.NewSSHKey(dir, name); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.carol, err = gitserver.NewPGPKey(filepath.Dir(t.TempDir()), "carol"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.carol.Close(); err != nil {
			t.Error(err)
		}
	})
	w.trusting(w.alice, w.bob, w.carol)
	w.write("deploy/app.yaml", configMap("app"))
	w.write("deploy/beside.yaml", configMap("beside"))
	w.good = w.commit("declare app", gitserver.By("alice"), gitserver.SignedBy(w.alice))
	w.approve(w.good, w.bob)
	w.spec = "verify: {allowedSigners: {name: " + w.sync + "-signers}, " + verify + "}"
	w.follow(w.spec)
	w.applied(w.good)
	return w
}

// trusting writes the trust roots, by git's hand.
func (w *signed) trusting(keys ...*gitserver.Key) {
	w.t.Helper()
	yaml := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + w.sync + "-signers, namespace: " + w.home + "}\ndata:\n"
	lines := "  allowed_signers: |\n"
	for _, k := range keys {
		if strings.HasPrefix(k.Public, "ssh-") {
			lines += "    " + k.AllowedSigner()
		} else {
			yaml += "  " + k.Name + ".asc: |\n    " + strings.ReplaceAll(strings.TrimSpace(k.Public), "\n", "\n    ") + "\n"
		}
	}
	declare(w.t, yaml+lines)
}

// approve signs a tag on a commit.
func (w *signed) approve(commit string, by *gitserver.Key) {
	w.t.Helper()
	err := w.repo.Tag("ok-"+by.Name+"-"+commit[:7], "looked at", commit, gitserver.By(by.Name), gitserver.SignedBy(by))
	if err == nil {
		err = w.repo.Push()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// back forces the repository to the good commit.
func (w *signed) back() {
	w.t.Helper()
	err := w.repo.Reset(w.good)
	if err == nil {
		err = w.repo.ForcePush()
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// kept expects that the last good state is what the cluster is, and guarded. The object
// that is tried is another one each time: who changes one over and over is in a fight.
func (w *signed) kept(try int) {
	w.t.Helper()
	if got := w.get("configmap/app", ".data.level"); got != "info" {
		w.t.Errorf("app's level is %q, which no good commit says", got)
	}
	name := []string{"app", "beside"}[try%2]
	kubectl(w.t, "alice", "patch", "configmap", name, "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"by hand"}}`).MustAllow(w.t)
	w.pulledBack("configmap/"+name, ".data.level", "info")
}

func fingerprint(t *testing.T, k *gitserver.Key) string {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Public))
	if err != nil {
		t.Fatal(err)
	}
	return ssh.FingerprintSHA256(key)
}

const wouldDo = "; a signed merge with the same tree or a signed tag on it counts"

func louder() string { return strings.ReplaceAll(configMap("app"), "info", "debug") }

// Scenario 21: a commit that is unsigned, signed by a stranger, reviewed by nobody, or a
// merge that brings what nobody saw is not applied; the last good state stays, and
// drift from it is pulled back meanwhile.
func TestACommitThatNobodyStandsForIsNotApplied(t *testing.T) {
	w := newSigned(t, "minReviewers: 1")
	want := []v1alpha1.AppliedCommit{{Commit: w.good, Subject: "declare app", Author: "alice <alice@example.com>", Signer: "alice@example.com", Reviewers: []string{"bob@example.com"}}}
	s := w.await("the sync", func(*v1alpha1.GitSync) error { return nil })
	if diff := cmp.Diff(want, s.Status.History, cmpopts.IgnoreFields(v1alpha1.AppliedCommit{}, "At")); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
	by := func(key *gitserver.Key) []gitserver.Option {
		return []gitserver.Option{gitserver.By(key.Name), gitserver.SignedBy(key)}
	}
	for i, test := range []struct {
		name string
		make func(w *signed) string
		want string
	}{
		{"unsigned", func(w *signed) string { return w.commit("louder") }, "commit $1 is not signed"},
		{"signed by a stranger", func(w *signed) string { return w.commit("louder", by(w.mallory)...) },
			"commit $1 is signed by the key " + fingerprint(t, w.mallory) + ", which no trust root names"},
		{"unreviewed", func(w *signed) string { return w.commit("louder", by(w.alice)...) },
			"commit $1 needs 1 reviewer besides alice@example.com, found none" + wouldDo},
		{"reviewed by its author", func(w *signed) string {
			hash := w.commit("louder", by(w.alice)...)
			w.approve(hash, w.alice)
			return hash
		}, "commit $1 needs 1 reviewer besides alice@example.com, found none" + wouldDo},
		{"reviewed by a stranger", func(w *signed) string {
			hash := w.commit("louder", by(w.alice)...)
			w.approve(hash, w.mallory)
			return hash
		}, "commit $1 needs 1 reviewer besides alice@example.com, found none" + wouldDo},
		{"an evil merge", func(w *signed) string { return w.evilMerge(by(w.alice), by(w.bob)) },
			"commit $1 needs 1 reviewer besides bob@example.com, found none" + wouldDo +
				". It is a merge with a tree of its own, which is a change like any other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inner := *w.project
			w := *w
			w.project, inner.t = &inner, t
			w.write("deploy/app.yaml", louder())
			hash := test.make(&w)
			message := w.refused(hash, v1alpha1.SyncUnverified)
			if want := strings.ReplaceAll(test.want, "$1", hash[:7]) + "; keeping " + w.good[:7]; message != want {
				t.Errorf("the message is\n%s\nnot\n%s", message, want)
			}
			w.kept(i)
			w.back()
		})
	}
	w.applied(w.good)
}

// evilMerge merges a branch that one made, and puts in what was on no side.
func (w *signed) evilMerge(author, merger []gitserver.Option) string {
	w.t.Helper()
	for _, step := range []func() error{
		func() error { return w.repo.Branch("feature") },
		func() error { _, err := w.repo.Commit("louder", author...); return err },
		func() error { return w.repo.Checkout("main") },
		func() error { _, err := w.repo.Git("merge", "--no-ff", "--no-commit", "feature"); return err },
	} {
		if err := step(); err != nil {
			w.t.Fatal(err)
		}
	}
	w.write("deploy/evil.yaml", configMap("evil"))
	return w.commit("merge feature", merger...)
}

// A review may come late: the commit that was refused is applied at the next request
// once somebody signed a tag on it, with an OpenPGP key as well; and a signed merge of
// what another made is a review.
func TestALateApprovalLetsTheCommitThrough(t *testing.T) {
	w := newSigned(t, "minReviewers: 1")
	w.write("deploy/app.yaml", louder())
	second := w.commit("louder", gitserver.By("alice"), gitserver.SignedBy(w.alice))
	w.refused(second, v1alpha1.SyncUnverified)
	w.approve(second, w.carol)
	w.applied(second)

	if err := w.repo.Branch("feature"); err != nil {
		t.Fatal(err)
	}
	w.write("deploy/app.yaml", configMap("app"))
	if _, err := w.repo.Commit("quieter", gitserver.By("alice"), gitserver.SignedBy(w.alice)); err != nil {
		t.Fatal(err)
	}
	if err := w.repo.Checkout("main"); err != nil {
		t.Fatal(err)
	}
	third, err := w.repo.Merge("feature", "merge quieter", gitserver.By("bob"), gitserver.SignedBy(w.bob))
	if err == nil {
		err = w.repo.Push()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := w.applied(third)
	want := []v1alpha1.AppliedCommit{
		{Commit: third, Subject: "merge quieter", Author: "bob <bob@example.com>", Signer: "bob@example.com", Reviewers: []string{"bob@example.com"}},
		{Commit: second, Subject: "louder", Author: "alice <alice@example.com>", Signer: "alice@example.com", Reviewers: []string{"carol@example.com"}},
		{Commit: w.good, Subject: "declare app", Author: "alice <alice@example.com>", Signer: "alice@example.com", Reviewers: []string{"bob@example.com"}},
	}
	if diff := cmp.Diff(want, s.Status.History, cmpopts.IgnoreFields(v1alpha1.AppliedCommit{}, "At")); diff != "" {
		t.Errorf("the history (-want +got):\n%s", diff)
	}
}

// With mode Range every commit since the last applied one must hold, with HEAD the one
// that is applied.
func TestRangeJudgesWhatCameInBetween(t *testing.T) {
	w := newSigned(t, "mode: Range")
	w.write("deploy/app.yaml", louder())
	between := w.commit("louder")
	w.write("deploy/more.yaml", configMap("more"))
	head := w.commit("more", gitserver.By("alice"), gitserver.SignedBy(w.alice))
	message := w.refused(head, v1alpha1.SyncUnverified)
	if want := "commit " + between[:7] + ", which " + head[:7] + " brings, is not signed; keeping " + w.good[:7]; message != want {
		t.Errorf("the message is\n%s\nnot\n%s", message, want)
	}
	w.kept(0)

	w.back()
	for _, message := range []string{"louder", "louder still"} {
		w.write("deploy/"+named("more")+".yaml", configMap(named("more")))
		head = w.commit(message, gitserver.By("bob"), gitserver.SignedBy(w.bob))
	}
	w.applied(head)
}

// Trust roots are in the cluster: when they change, the commit that is applied is judged
// again at once, without anybody asking.
func TestOtherTrustRootsJudgeTheAppliedCommitAtOnce(t *testing.T) {
	w := newSigned(t, "mode: HEAD")
	w.trusting(w.bob)
	message := w.failing(v1alpha1.SyncUnverified)
	if want := "commit " + w.good[:7] + " is signed by the key " + fingerprint(t, w.alice) + ", which no trust root names; keeping " + w.good[:7]; message != want {
		t.Errorf("the message is\n%s\nnot\n%s", message, want)
	}
	w.kept(0)
	w.trusting(w.alice, w.bob)
	s := w.caughtUp(w.good)
	if got := len(s.Status.History); got != 1 {
		t.Errorf("the history has %d entries: judging again is no other commit", got)
	}
}
