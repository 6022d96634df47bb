package git

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/gitserver"
)

func startHTTPS(t *testing.T, root string, asked gitserver.HTTPS) *gitserver.HTTPSServer {
	t.Helper()
	server, err := gitserver.StartHTTPS(root, asked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func startSSH(t *testing.T, root string) *gitserver.SSHServer {
	t.Helper()
	server, err := gitserver.StartSSH(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

func TestHTTPSLetsInWhoShowsWhatItAsksFor(t *testing.T) {
	o := newOrigin(t)
	other := startHTTPS(t, o.root, gitserver.HTTPS{ClientCertificate: true})
	basic := gitserver.HTTPS{Username: "alice", Password: "p4ss/w%rd"}
	bearer := gitserver.HTTPS{BearerToken: "t0ken-of-alice"}
	certificate := gitserver.HTTPS{ClientCertificate: true}
	const refused = "check the Secret that secretRef names, and that its owner may read the repository"
	for _, test := range []struct {
		name  string
		asked gitserver.HTTPS
		shown func(*gitserver.HTTPSServer) Credentials
		kind  error
		text  string // after "reading <url>: "
	}{
		{"anonymous, when nothing is asked", gitserver.HTTPS{}, func(s *gitserver.HTTPSServer) Credentials { return Credentials{CA: s.CA} }, nil, ""},
		{"the right password", basic, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, Username: "alice", Password: "p4ss/w%rd"}
		}, nil, ""},
		{"a wrong password", basic, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, Username: "alice", Password: "hunter2"}
		}, ErrAuthentication, "the server refused the username and password: " + refused},
		{"no password", basic, func(s *gitserver.HTTPSServer) Credentials { return Credentials{CA: s.CA} },
			ErrAuthentication, "the server refused an anonymous reader: " + refused},
		{"the right token", bearer, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, BearerToken: "t0ken-of-alice"}
		}, nil, ""},
		{"a wrong token", bearer, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, BearerToken: "t0ken-of-bob"}
		}, ErrAuthentication, "the server refused the bearer token: " + refused},
		{"a token and a password at once", bearer, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, BearerToken: "t0ken-of-alice", Password: "x"}
		}, ErrAuthentication, "the Secret holds both a bearer token and a password: keep one"},
		{"the right client certificate", certificate, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, ClientCert: s.ClientCert, ClientKey: s.ClientKey}
		}, nil, ""},
		{"no client certificate", certificate, func(s *gitserver.HTTPSServer) Credentials { return Credentials{CA: s.CA} },
			ErrTLS, "the server refused our side of TLS (tls: certificate required): it may ask for a client certificate, tls.crt and tls.key"},
		{"another authority's client certificate", certificate, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, ClientCert: other.ClientCert, ClientKey: other.ClientKey}
		}, ErrTLS, "the server refused our side of TLS (tls: unknown certificate authority): it may ask for a client certificate, tls.crt and tls.key"},
		{"a client certificate without its key", certificate, func(s *gitserver.HTTPSServer) Credentials {
			return Credentials{CA: s.CA, ClientCert: s.ClientCert}
		}, ErrTLS, "tls.crt and tls.key are no certificate with its key in PEM"},
		{"no CA", gitserver.HTTPS{}, func(*gitserver.HTTPSServer) Credentials { return Credentials{} },
			ErrTLS, "its certificate is signed by an unknown authority: put the CA's certificate under ca.crt"},
		{"a CA that is none", gitserver.HTTPS{}, func(*gitserver.HTTPSServer) Credentials { return Credentials{CA: []byte("x")} },
			ErrTLS, "ca.crt holds no certificate in PEM"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := startHTTPS(t, o.root, test.asked)
			r := open(t, t.TempDir(), server.URL("ops"))
			c := test.shown(server)
			rev, err := fetchRef(within(t, time.Minute), r, c, Ref{Branch: "main"})
			for range 20 {
				if test.kind != ErrTLS || !errors.Is(err, ErrUnreachable) {
					break // else the reason was lost on the way
				}
				rev, err = fetchRef(within(t, time.Minute), r, c, Ref{Branch: "main"})
			}
			if test.kind != nil {
				wantError(t, err, test.kind, "reading "+server.URL("ops")+": "+test.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, r, rev.Commit, "web.yaml"); got != "replicas: 1\n" {
				t.Errorf("web.yaml holds %q", got)
			}
		})
	}
}

// TestNobodyElsesCredentialsAreUsed: two syncs of one URL share the disk, and nothing else.
func TestNobodyElsesCredentialsAreUsed(t *testing.T) {
	o := newOrigin(t)
	server := startHTTPS(t, o.root, gitserver.HTTPS{BearerToken: "t0ken-of-alice"})
	r := open(t, t.TempDir(), server.URL("ops"))
	rev := mustSync(t, r, Credentials{CA: server.CA, BearerToken: "t0ken-of-alice"}, Ref{Branch: "main"})
	for _, ref := range []Ref{{}, {Branch: "main"}, {Commit: rev.Commit}} {
		if _, err := r.Resolve(within(t, time.Minute), Credentials{CA: server.CA}, ref); !errors.Is(err, ErrAuthentication) {
			t.Errorf("%s was resolved without a token: %v", ref, err)
		}
	}
	if _, err := r.Resolve(within(t, time.Minute), Credentials{BearerToken: "t0ken-of-alice"}, Ref{}); !errors.Is(err, ErrTLS) {
		t.Errorf("the CA of another was used: %v", err)
	}
}

func TestSSHLetsInAKeyAtAKnownHost(t *testing.T) {
	o := newOrigin(t)
	server, other := startSSH(t, o.root), startSSH(t, o.root)
	hashed := strings.Replace(string(other.KnownHosts), other.Addr()[len("127.0.0.1:"):], server.Addr()[len("127.0.0.1:"):], 1)
	url := server.URL("ops")
	for _, test := range []struct {
		name string
		c    Credentials
		kind error
		text string
	}{
		{"the right key", Credentials{Identity: server.Identity, KnownHosts: server.KnownHosts}, nil, ""},
		{"an encrypted key with its password",
			Credentials{Identity: server.LockedIdentity, IdentityPassword: []byte(server.Password), KnownHosts: server.KnownHosts}, nil, ""},
		{"an encrypted key without its password", Credentials{Identity: server.LockedIdentity, KnownHosts: server.KnownHosts},
			ErrAuthentication, "the private key is encrypted: put its password into the Secret too"},
		{"an encrypted key with a wrong password",
			Credentials{Identity: server.LockedIdentity, IdentityPassword: []byte("hunter2"), KnownHosts: server.KnownHosts},
			ErrAuthentication, "the private key can't be read, or its password is wrong"},
		{"another's key", Credentials{Identity: other.Identity, KnownHosts: server.KnownHosts},
			ErrAuthentication, "the server refused the ssh key: check the Secret that secretRef names, and that its owner may read the repository"},
		{"no key", Credentials{KnownHosts: server.KnownHosts},
			ErrAuthentication, "ssh needs a private key: put it under identity in the Secret that secretRef names"},
		{"no known hosts", Credentials{Identity: server.Identity},
			ErrHostKey, "ssh needs the server's host key: put its line under known_hosts in the Secret that secretRef names"},
		{"known hosts without this one", Credentials{Identity: server.Identity, KnownHosts: other.KnownHosts},
			ErrHostKey, "known_hosts has no line for this host: add what `ssh-keyscan` says, once it is confirmed"},
		{"another host key than known", Credentials{Identity: server.Identity, KnownHosts: []byte(hashed)},
			ErrHostKey, "the server's host key is not the one in known_hosts: if its owner changed it, put the new one there"},
		{"known hosts that are none", Credentials{Identity: server.Identity, KnownHosts: []byte("hello\n")},
			ErrHostKey, "known_hosts can't be read: knownhosts: line:1: knownhosts: missing host pattern"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := open(t, t.TempDir(), url)
			rev, err := fetchRef(within(t, time.Minute), r, test.c, Ref{Branch: "main"})
			if test.kind != nil {
				wantError(t, err, test.kind, "reading "+url+": "+test.text)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := contents(t, r, rev.Commit, "web.yaml"); got != "replicas: 1\n" {
				t.Errorf("web.yaml holds %q", got)
			}
			o.push("scale", "web.yaml", "replicas: "+time.Now().String()+"\n")
			if again := mustSync(t, r, test.c, Ref{}); again.Commit != o.head() {
				t.Errorf("the second fetch got %s", again.Commit)
			}
			o.must(o.Reset(rev.Commit))
			o.must(o.ForcePush())
		})
	}
}

func TestARepositoryThatIsNotThere(t *testing.T) {
	o := newOrigin(t)
	https, ssh := startHTTPS(t, o.root, gitserver.HTTPS{}), startSSH(t, o.root)
	for url, c := range map[string]Credentials{
		https.URL("nothing"):            {CA: https.CA},
		ssh.URL("nothing"):              {Identity: ssh.Identity, KnownHosts: ssh.KnownHosts},
		"file://" + o.root + "/nothing": {},
	} {
		_, err := open(t, t.TempDir(), url).Resolve(within(t, time.Minute), c, Ref{})
		wantError(t, err, ErrRepositoryNotFound, "reading "+url+": the server has no such repository, or hides it from "+c.kind())
	}
}

func TestARepositoryWithoutACommit(t *testing.T) {
	o := newOrigin(t)
	if _, err := gitserver.NewRepo(o.root + "/empty"); err != nil {
		t.Fatal(err)
	}
	https, ssh := startHTTPS(t, o.root, gitserver.HTTPS{}), startSSH(t, o.root)
	for url, c := range map[string]Credentials{
		https.URL("empty"):                {CA: https.CA},
		ssh.URL("empty"):                  {Identity: ssh.Identity, KnownHosts: ssh.KnownHosts},
		"file://" + o.root + "/empty.git": {},
	} {
		_, err := open(t, t.TempDir(), url).Resolve(within(t, time.Minute), c, Ref{})
		wantError(t, err, ErrRefNotFound, "reading "+url+": the repository has no commit yet")
	}
}

func TestURLsThatAreRefused(t *testing.T) {
	for url, text := range map[string]string{
		"http://git.example/ops.git":              "reading http://git.example/ops.git: it must begin with https://, ssh:// or file://",
		"git@git.example:ops.git":                 "reading ***@git.example:ops.git: it is no URL",
		"https://alice:hunter2@git.example/ops":   "reading https://***@git.example/ops: the URL carries credentials: put them into the Secret that secretRef names",
		"https://t0ken@git.example/ops":           "reading https://***@git.example/ops: the URL carries credentials: put them into the Secret that secretRef names",
		"ssh://git:hunter2@git.example/ops.git":   "reading ssh://***@git.example/ops.git: the URL carries credentials: put them into the Secret that secretRef names",
		"https://alice:hunter2@git.example:x/ops": "reading https://***@git.example:x/ops: it is no URL",
		"https://git.example":                     "reading https://git.example: it names no repository",
		"file://srv/ops.git":                      "reading file://srv/ops.git: a file URL has three slashes: file:///srv/ops.git",
		"https:///ops":                            "reading https:///ops: it names no host",
	} {
		_, err := (&Store{Dir: t.TempDir()}).Repository(url)
		wantError(t, err, ErrURL, text)
	}
}
