package applier

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

func acceptAll(*v1alpha1.GitSync) error { return nil }

// secret declares a Secret where the sync is, and returns its name.
func (w *project) secret(data map[string]string) string {
	w.t.Helper()
	name := named("secret")
	w.rotate(name, data)
	w.t.Cleanup(func() {
		plane.Kubectl(context.Background(), syncer, "", "delete", "secret", name, "-n", w.home, "--ignore-not-found")
	})
	return name
}

// rotate makes a Secret's content what is given.
func (w *project) rotate(name string, data map[string]string) {
	w.t.Helper()
	secret := &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: w.home, Name: name}, Data: map[string][]byte{},
	}
	for key, value := range data {
		secret.Data[key] = []byte(value)
	}
	text, err := yaml.Marshal(secret)
	if err != nil {
		w.t.Fatal(err)
	}
	declare(w.t, string(text))
}

// https serves the project's repository, and makes the sync follow it there.
func (w *project) https(asked gitserver.HTTPS) *gitserver.HTTPSServer {
	w.t.Helper()
	server, err := gitserver.StartHTTPS(filepath.Dir(w.repo.Bare), asked)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = server.Close() })
	w.url = server.URL("ops")
	return server
}

// ssh does the same over ssh.
func (w *project) ssh() *gitserver.SSHServer {
	w.t.Helper()
	server, err := gitserver.StartSSH(filepath.Dir(w.repo.Bare))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = server.Close() })
	w.url = server.URL("ops")
	return server
}

// hidden fails where a value, or a line of it, stands in what the applier says of the
// sync: its status, its events, its log.
func (w *project) hidden(values ...string) {
	w.t.Helper()
	list := &eventsv1.EventList{}
	if err := here.Client(w.t, "admin").List(w.t.Context(), list, client.InNamespace(w.home)); err != nil {
		w.t.Fatal(err)
	}
	said := gate.Applier().Logs() + w.message()
	for _, e := range list.Items {
		said += e.Note
	}
	for _, value := range values {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) > 3 && !strings.HasPrefix(line, "-----") && strings.Contains(said, line) {
				w.t.Errorf("the applier shows %.4s…, which is secret", line)
			}
		}
	}
}

// Every way to a repository: with the wrong credentials the failure says what to do and
// shows none of them; with the right ones, as soon as they are in the Secret, the commit
// is applied.
func TestEveryTransportFailsClearlyAndWorks(t *testing.T) {
	const check = ": check the Secret that secretRef names, and that its owner may read the repository"
	const password, wrong = "correct-horse-battery", "hunter2-hunter2"
	for _, test := range []struct {
		name  string
		serve func(*project) (wrong, right map[string]string)
		want  string // after "reading <url>: "; as far as it is ours
		kept  []string
	}{
		{"https with a password", func(w *project) (map[string]string, map[string]string) {
			s := w.https(gitserver.HTTPS{Username: "alice", Password: password})
			return map[string]string{"username": "alice", "password": wrong, "ca.crt": string(s.CA)},
				map[string]string{"username": "alice", "password": password + "\n", "ca.crt": string(s.CA)}
		}, "the server refused the username and password" + check, []string{"password"}},
		{"https of an unknown authority", func(w *project) (map[string]string, map[string]string) {
			s := w.https(gitserver.HTTPS{Username: "alice", Password: password})
			return map[string]string{"username": "alice", "password": password},
				map[string]string{"username": "alice", "password": password, "ca.crt": string(s.CA)}
		}, "its certificate is signed by an unknown authority: put the CA's certificate under ca.crt", []string{"password"}},
		{"https with a bearer token", func(w *project) (map[string]string, map[string]string) {
			s := w.https(gitserver.HTTPS{BearerToken: password})
			return map[string]string{"bearerToken": wrong, "ca.crt": string(s.CA)}, map[string]string{"bearerToken": password, "ca.crt": string(s.CA)}
		}, "the server refused the bearer token" + check, []string{"bearerToken"}},
		{"https with a client certificate", func(w *project) (map[string]string, map[string]string) {
			s := w.https(gitserver.HTTPS{ClientCertificate: true})
			return map[string]string{"ca.crt": string(s.CA)},
				map[string]string{"ca.crt": string(s.CA), "tls.crt": string(s.ClientCert), "tls.key": string(s.ClientKey)}
		}, "the server refused our side of TLS (tls: certificate required): it may ask for a client certificate, tls.crt and tls.key", []string{"tls.key"}},
		{"ssh with a key", func(w *project) (map[string]string, map[string]string) {
			other, s := w.ssh(), w.ssh()
			return map[string]string{"identity": string(other.Identity), "known_hosts": string(s.KnownHosts)},
				map[string]string{"identity": string(s.Identity), "known_hosts": string(s.KnownHosts)}
		}, "the server refused the ssh key" + check, []string{"identity"}},
		{"ssh with a locked key, and no host key", func(w *project) (map[string]string, map[string]string) {
			other, s := w.ssh(), w.ssh()
			return map[string]string{"identity": string(s.LockedIdentity), "password": s.Password, "known_hosts": string(other.KnownHosts)},
				map[string]string{"identity": string(s.LockedIdentity), "password": s.Password, "known_hosts": string(s.KnownHosts)}
		}, "known_hosts has no line for this host: add what `ssh-keyscan` says, once it is confirmed", []string{"identity", "password"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newProject(t, "")
			w.write("deploy/app.yaml", configMap("app"))
			commit := w.commit("declare app")
			wrong, right := test.serve(w)
			secret := w.secret(wrong)
			w.follow("secretRef: {name: " + secret + "}")
			w.request()
			if got, want := w.failing(v1alpha1.SyncFetchFailed), "reading "+w.url+": "+test.want; got != want {
				t.Errorf("the message is\n%s\nnot\n%s", got, want)
			}
			w.rotate(secret, right)
			w.caughtUp(commit)
			for _, key := range test.kept {
				w.hidden(wrong[key], right[key])
			}
		})
	}
}

// A Secret that is not there is named; one that comes, or changes, is used at once: not
// only when the pause between two tries is over.
func TestARotatedSecretIsUsedAtOnce(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/app.yaml", configMap("app"))
	commit := w.commit("declare app")
	s := w.https(gitserver.HTTPS{Username: "alice", Password: "correct-horse-battery"})
	secret := named("secret")
	w.follow("secretRef: {name: " + secret + "}")
	w.request()
	want := "spec.secretRef: Secret gitlatch-system/" + secret + ": there is none"
	if got := w.failing(v1alpha1.SyncReferenceMissing); got != want {
		t.Errorf("the message is %q, not %q", got, want)
	}
	for range 6 { // the pause doubles with each failure: half a minute and more
		w.request()
	}
	t.Cleanup(func() {
		plane.Kubectl(context.Background(), syncer, "", "delete", "secret", secret, "-n", w.home, "--ignore-not-found")
	})
	w.rotate(secret, map[string]string{"username": "alice", "password": "hunter2", "ca.crt": string(s.CA)})
	w.failing(v1alpha1.SyncFetchFailed)
	w.rotate(secret, map[string]string{"username": "alice", "password": "correct-horse-battery", "ca.crt": string(s.CA)})
	w.caughtUp(commit)
}

// While the remote can't be reached, the last good state is kept, and guarded; when it
// is back, the sync goes on by itself.
func TestAnUnreachableRemoteKeepsAndGuardsTheLastGoodState(t *testing.T) {
	w := newProject(t, "open")
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare app")
	s := w.https(gitserver.HTTPS{})
	secret := w.secret(map[string]string{"ca.crt": string(s.CA)})
	w.follow("secretRef: {name: " + secret + "}")
	w.applied(first)

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", "debug"))
	second := w.commit("debug app")
	w.request()
	message := w.failing(v1alpha1.SyncFetchFailed)
	if want := "reading " + w.url + ": the server can't be reached, or hung up: "; !strings.HasPrefix(message, want) {
		t.Errorf("the message is %q, not %q…", message, want)
	}
	kubectl(t, "alice", "patch", "configmap", "app", "-n", w.namespace, "--type=merge", "-p", `{"data":{"level":"trace"}}`).MustAllow(t)
	w.pulledBack("configmap/app", ".data.level", "info")
	kubectl(t, "alice", "delete", "configmap", "app", "-n", w.namespace).MustAllow(t)
	w.pulledBack("configmap/app", ".data.level", "info")
	if got := w.await("the sync", acceptAll); got.Status.LastAppliedCommit != first {
		t.Errorf("the last applied commit is %q", got.Status.LastAppliedCommit)
	}

	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	w.caughtUp(second)
	if got := w.get("configmap/app", ".data.level"); got != "debug" {
		t.Errorf("app's level is %q", got)
	}
}

// Each kind of ref leads to its commit; one that is not there is named, and what was
// applied stays.
func TestARefLeadsToItsCommit(t *testing.T) {
	w := newProject(t, "")
	commits := map[string]string{}
	for _, version := range []string{"v1.0.0", "v1.4.2", "v1.10.0", "v2.0.0", "v2.1.0-rc.1"} {
		w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", version))
		hash, err := w.repo.Commit(version)
		if err == nil {
			err = w.repo.Tag(version, "", "")
		}
		if err != nil {
			t.Fatal(err)
		}
		commits[version] = hash
	}
	for _, step := range []func() error{
		func() error { return w.repo.Branch("release/1.x", commits["v1.4.2"]) },
		func() error { return w.repo.Checkout("main") },
		func() error { return w.repo.Tag("signed-off", "an annotated tag", commits["v2.0.0"]) },
		w.repo.Push,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	w.follow()
	for _, test := range []struct{ name, ref, want string }{
		{"a branch", "{branch: main}", "v2.1.0-rc.1"},
		{"a branch with a slash", "{branch: release/1.x}", "v1.4.2"},
		{"a tag", "{tag: v1.0.0}", "v1.0.0"},
		{"an annotated tag", "{tag: signed-off}", "v2.0.0"},
		{"the highest version of a range", `{semver: ">=1.0.0 <2.0.0"}`, "v1.10.0"},
		{"a range without pre-releases", `{semver: ">=1.0.0"}`, "v2.0.0"},
		{"a commit", "{commit: " + commits["v1.4.2"] + "}", "v1.4.2"},
		{"nothing, which is the remote's HEAD", "", "v2.1.0-rc.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t, w.ref = t, test.ref
			declare(t, w.manifest())
			w.applied(commits[test.want])
			if got := w.get("configmap/app", ".data.level"); got != test.want {
				t.Errorf("what is applied is %q, not %q", got, test.want)
			}
		})
	}
	for _, test := range []struct{ name, ref, want string }{
		{"a branch that is not there", "{branch: nowhere}", "there is no branch nowhere"},
		{"a tag that is not there", "{tag: v9.9.9}", "there is no tag v9.9.9"},
		{"a range without a version", `{semver: ">=9.0.0"}`, ">=9.0.0"},
		{"a commit that is not there", "{commit: f123456789012345678901234567890123456789}", "there is no commit f123456789012345678901234567890123456789"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t, w.ref = t, test.ref
			before := w.get("configmap/app", ".data.level")
			declare(t, w.manifest())
			w.request()
			message := w.failing(v1alpha1.SyncRefNotFound)
			if !strings.HasPrefix(message, "reading "+w.url+": ") || !strings.Contains(message, test.want) {
				t.Errorf("the message does not name the remote and %q: %s", test.want, message)
			}
			if got := w.get("configmap/app", ".data.level"); got != before {
				t.Errorf("what was applied did not stay: %q", got)
			}
		})
	}
}
