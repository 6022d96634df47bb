package alert

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
)

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func pemOf(what string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der}))
}

// TestNoErrorShowsASecret: addresses of incoming webhooks, tokens and headers are
// secret, and errors of net/http begin with the address.
func TestNoErrorShowsASecret(t *testing.T) {
	const path, token, header = "/services/T000/B000/pathsecret", "tokensecret", "headersecret"
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "you sent "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Key"), http.StatusForbidden)
	}))
	t.Cleanup(echo.Close)
	parts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		http.Error(w, "invalid "+r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]+" or "+token+" or "+r.URL.Query().Get("key"), http.StatusForbidden)
	}))
	t.Cleanup(parts.Close)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	t.Cleanup(broken.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, tc := range map[string]struct{ address, want string }{
		"it repeats what it was sent": {echo.URL + path, "the receiver answered 403 Forbidden: you sent *** Bearer *** ***"},
		"it repeats a part of each":   {parts.URL + path + "?key=a%26querysecret", "the receiver answered 403 Forbidden: invalid *** or *** or ***"},
		"it closes the connection":    {broken.URL + path, "reaching the receiver: EOF"},
		"nobody listens":              {closed.URL + path, "reaching the receiver: dial tcp "},
		"it is no address":            {"ht tp://host" + path, "reading the address: this is not a URL"},
		"a bad escape in the address": {"https://host" + path + "%zz", "reading the address: this is not a URL"},
		"a password in the address":   {"https://bob:pathsecret@host", "reading the address: must not hold a user and password; use headers or bearerTokenFile"},
		"another scheme":              {"ftp://host" + path, "reading the address: must be http:// or https:// and a host"},
		"a host that there is not":    {"http://nowhere.invalid" + path, "reaching the receiver: "},
		"an empty file":               {"", "reading urlFile: "},
		"a control character inside":  {"http://host/\x01pathsecret", "reading the address: this is not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Receiver{Name: "oncall", Type: Slack, URLFile: write(t, "url", tc.address+"\n"), BearerTokenFile: write(t, "token", token),
				Headers: []Header{{Name: "X-Key", ValueFile: write(t, "key", header)}}}
			err := send(t.Context(), r, message{id: "a", body: []byte("{}")})
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Fatalf("error %v, want %s", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// TestNoLogLineShowsASecret, whatever the file and the receiver do.
func TestNoLogLineShowsASecret(t *testing.T) {
	c, p := newClient(t), newPlace(t)
	p.answers(func(w http.ResponseWriter, r *http.Request, _ string) { http.Error(w, r.URL.Path, http.StatusNotFound) })
	var lines strings.Builder
	ctx := logf.IntoContext(t.Context(), funcr.New(func(prefix, args string) { lines.WriteString(prefix + args + "\n") }, funcr.Options{Verbosity: 1}))
	courier := newTold(t, c, Receiver{Name: "oncall", Type: Slack, URLFile: write(t, "url", p.URL+"/services/pathsecret")}, time.Now().Add(-time.Minute))
	courier.changed(create(t, c, name(t, "a"), time.Now(), denied()))
	for range 5 {
		courier.clock.Step(courier.step(ctx))
	}
	if !strings.Contains(lines.String(), "receiver not reached") || strings.Contains(lines.String(), "pathsecret") {
		t.Errorf("logged:\n%s", lines.String())
	}
}
