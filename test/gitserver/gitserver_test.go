package gitserver

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func start(t *testing.T) (*Repo, string) {
	t.Helper()
	root := t.TempDir()
	repo, err := NewRepo(filepath.Join(root, "ops"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.CommitFiles("add web", map[string]string{"apps/web.yaml": "kind: Deployment\n"}, By("bob"),
		At(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))); err != nil {
		t.Fatal(err)
	}
	if err := repo.Push(); err != nil {
		t.Fatal(err)
	}
	return repo, root
}

func TestACommitIsTheSamePersonsAtTheSameTime(t *testing.T) {
	repo, _ := start(t)
	got, err := repo.Git("log", "-1", "--format=%an %ae %cn %cI %s")
	if want := "bob bob@example.com bob 2026-01-02T03:04:05+00:00 add web"; err != nil || got != want {
		t.Errorf("the log says %q, %v, not %q", got, err, want)
	}
}

func TestHTTPSIsReadAndPushedTo(t *testing.T) {
	repo, root := start(t)
	server, err := StartHTTPS(root, HTTPS{BearerToken: "t0ken"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client := Client{Dir: t.TempDir(), CA: server.CA}
	if err := repo.PushTo(server.URL("ops"), client); err == nil {
		t.Error("a push without a token went through")
	}
	want, err := repo.CommitFiles("scale web", map[string]string{"apps/web.yaml": "replicas: 4\n"})
	if err != nil {
		t.Fatal(err)
	}
	client.Header = "Authorization: Bearer t0ken"
	if err := repo.PushTo(server.URL("ops"), client); err != nil {
		t.Fatal(err)
	}
	if got, err := repo.Git("-C", repo.Bare, "rev-parse", "main"); err != nil || got != want {
		t.Errorf("the origin's main is %s, %v, not %s", got, err, want)
	}
}

func TestSSHIsReadAndPushedTo(t *testing.T) {
	repo, root := start(t)
	server, err := StartSSH(root)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client := Client{Dir: t.TempDir(), Identity: server.Identity, KnownHosts: server.KnownHosts}
	if _, err := repo.CommitFiles("scale web", map[string]string{"apps/web.yaml": "replicas: 4\n"}); err != nil {
		t.Fatal(err)
	}
	if err := repo.PushTo(server.URL("ops"), client); err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := repo.PushTo(server.URL("ops"), client); err == nil {
		t.Error("a stopped server was pushed to")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := repo.PushTo(server.URL("ops"), client); err != nil {
		t.Error(err)
	}
}

func TestBothKindsOfKeysSign(t *testing.T) {
	repo, _ := start(t)
	ssh, err := NewSSHKey(t.TempDir(), "alice")
	if err != nil {
		t.Fatal(err)
	}
	pgp, err := NewPGPKey("/tmp", "bob")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []*Key{ssh, pgp} {
		if _, err := repo.Commit("signed", By(key.Name), SignedBy(key)); err != nil {
			t.Fatal(err)
		}
		if err := repo.Tag("by-"+key.Name, "approved", "", By(key.Name), SignedBy(key)); err != nil {
			t.Fatal(err)
		}
		for _, object := range []string{"HEAD", "by-" + key.Name} {
			if raw, err := repo.Git("cat-file", "-p", object); err != nil || !strings.Contains(raw, "SIGNATURE-----") {
				t.Errorf("%s carries no signature: %v\n%s", object, err, raw)
			}
		}
	}
	if err := pgp.Close(); err != nil {
		t.Error(err)
	}
}
