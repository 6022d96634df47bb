package gitserver

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// HTTPS says what an https server asks for; the zero value lets everybody read and push.
type HTTPS struct {
	Username, Password string // basic
	BearerToken        string
	ClientCertificate  bool // of the server's own CA
}

// HTTPSServer serves every bare repository below a folder over https.
type HTTPSServer struct {
	// CA signed the server's certificate, in PEM.
	CA []byte
	// ClientCert and ClientKey are what a client shows when certificates are asked for.
	ClientCert, ClientKey []byte

	listening
	asked    HTTPS
	backend  http.Handler
	fetched  atomic.Int64
	listed   atomic.Int64
	override atomic.Pointer[http.Handler]
}

// StartHTTPS serves the bare repositories below root with git's own http-backend on a free port of 127.0.0.1.
func StartHTTPS(root string, asked HTTPS) (*HTTPSServer, error) {
	folder, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, fmt.Errorf("finding git's http-backend: %w", err)
	}
	pki, err := newPKI()
	if err != nil {
		return nil, err
	}
	s := &HTTPSServer{CA: pki.ca, ClientCert: pki.clientCert, ClientKey: pki.clientKey, asked: asked}
	s.backend = &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(folder)), "git-http-backend"),
		Dir:  root,
		Env: append(configuration(), "GIT_PROJECT_ROOT="+root, "GIT_HTTP_EXPORT_ALL=1",
			"REMOTE_USER=alice"),
		InheritEnv: []string{"PATH"},
		Stderr:     discard{},
		Logger:     log.New(discard{}, "", 0), // of clients that are gone
	}
	config := &tls.Config{Certificates: []tls.Certificate{pki.server}, MinVersion: tls.VersionTLS12}
	if asked.ClientCertificate {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pki.ca)
	}
	s.serve = serveHTTP(s, config)
	return s, s.Start()
}

// URL is where a repository below the root is: "ops" for root/ops.git.
func (s *HTTPSServer) URL(name string) string {
	return "https://" + s.Addr() + "/" + name + ".git"
}

// Fetches counts how often objects were asked for: what must not grow when nothing moved.
func (s *HTTPSServer) Fetches() int { return int(s.fetched.Load()) }

// Listings counts how often the references were asked for.
func (s *HTTPSServer) Listings() int { return int(s.listed.Load()) }

// Answer makes a handler answer instead of git, after credentials are checked; nil gives git back.
func (s *HTTPSServer) Answer(handler http.Handler) {
	if handler == nil {
		s.override.Store(nil)
		return
	}
	s.override.Store(&handler)
}

// Git is git's own handler, for an [HTTPSServer.Answer] that passes some requests on.
func (s *HTTPSServer) Git() http.Handler { return s.backend }

func (s *HTTPSServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.allowed(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/git-upload-pack") && r.Method == http.MethodPost:
		s.fetched.Add(1)
	case strings.HasSuffix(r.URL.Path, "/info/refs"):
		s.listed.Add(1)
	}
	if handler := s.override.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	s.backend.ServeHTTP(w, r)
}

func (s *HTTPSServer) allowed(r *http.Request) bool {
	switch {
	case s.asked.BearerToken != "":
		return same(r.Header.Get("Authorization"), "Bearer "+s.asked.BearerToken)
	case s.asked.Username != "":
		user, password, _ := r.BasicAuth()
		return same(user, s.asked.Username) && same(password, s.asked.Password)
	}
	return true
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// configuration keeps the machine's git configuration out, and lets a client ask for any commit that a branch reaches
// only where git does so by itself.
func configuration() []string {
	return []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*"}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
