package audit

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

func eventList(events ...map[string]any) string {
	items := strings.TrimSuffix(strings.ReplaceAll(lines(events...), "\n", ","), ",")
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + items + `]}`
}

func TestTheBackendAnswersWhatTheAPIServerUnderstands(t *testing.T) {
	guarded := logged("alice", "patch", "apps/deployments", "prod/web", annotated("gate.gitlatch.dev/decision", "flag"))
	untyped := logged("flux", "patch", "apps/deployments", "prod/web")
	delete(untyped, "kind")
	delete(untyped, "apiVersion")
	good := eventList(guarded, untyped)
	token := func(sent string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+sent) }
	}
	for _, test := range []struct {
		name, body string
		tweak      func(*http.Request)
		backend    func(*Backend)
		want       int
	}{
		{"a batch without a bypass", good, token("sesame"), nil, 200},
		{"an empty batch", eventList(), token("sesame"), nil, 200},
		{"a batch with an item that is no event", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[1,{"kind":"Pod"}]}`, token("sesame"), nil, 200},
		{"another method", "", func(r *http.Request) { r.Method = http.MethodGet }, nil, 405},
		{"no token", good, nil, nil, 401},
		{"a wrong token", good, token("open"), nil, 401},
		{"a token that is empty on both sides", good, token(""), func(b *Backend) { b.Token = func() (string, error) { return "", nil } }, 401},
		{"a token that can't be read", good, token("sesame"), func(b *Backend) { b.Token = func() (string, error) { return "sesame", errors.New("gone") } }, 401},
		{"no certificate", good, nil, func(b *Backend) { b.Token = nil }, 401},
		{"a certificate that nobody verified", good, func(r *http.Request) { r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}} },
			func(b *Backend) { b.Token = nil }, 401},
		{"a certificate", good, func(r *http.Request) { r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{}}}} },
			func(b *Backend) { b.Token = nil }, 200},
		{"a body that is too large", good, token("sesame"), func(b *Backend) { b.MaxBody = 100 }, 413},
		{"no JSON", "Event", token("sesame"), nil, 400},
		{"a list", "[]", token("sesame"), nil, 400},
		{"another list", strings.Replace(good, "EventList", "PodList", 1), token("sesame"), nil, 400},
		{"no items", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1"}`, token("sesame"), nil, 400},
		{"a body that is cut", good[:len(good)-20], token("sesame"), nil, 400},
		{"policies that can't be read", good, token("sesame"), func(b *Backend) {
			b.Policies = func(context.Context) ([]*policy.Policy, error) { return nil, errors.New("away") }
		}, 500},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &Backend{
				Policies: func(context.Context) ([]*policy.Policy, error) { return enforced(t, nil), nil },
				Install:  install, Token: func() (string, error) { return "sesame", nil },
				Recorder: &Recorder{Bypasses: &record.Bypasses{}},
			}
			if test.backend != nil {
				test.backend(b)
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(test.body))
			if test.tweak != nil {
				test.tweak(r)
			}
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			if w.Code != test.want || strings.Contains(w.Body.String(), "alice") {
				t.Errorf("code %d, want %d, body %q", w.Code, test.want, w.Body.String())
			}
		})
	}
}

// FuzzEventList: whatever is posted, the reading ends, and gives no item that is no JSON.
func FuzzEventList(f *testing.F) {
	for _, body := range []string{
		eventList(logged("alice", "patch", "apps/deployments", "prod/web"), logged("flux", "delete", "/pods", "prod/x")),
		`{}`, `{"items":null}`, `{"items":[1,[2],{"a":"b"}],"items":[]}`, `{"items":{}}`, `{"kind":1}`, `{"kind":"EventList","items":[`, ``, `]`,
	} {
		f.Add([]byte(body))
	}
	s := newSifter(&court{})
	s.listed = true
	f.Fuzz(func(t *testing.T, body []byte) {
		err := eventsOf(bytes.NewReader(body), func(raw []byte) error {
			if len(raw) == 0 || len(raw) > len(body) {
				t.Errorf("an item of %d bytes in %d", len(raw), len(body))
			}
			s.sift(raw, 1, true)
			return nil
		})
		var foreign *foreignError
		if err != nil && !errors.As(err, &foreign) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestEventsComeOneByOne(t *testing.T) {
	var got []string
	err := eventsOf(strings.NewReader(`{"kind":"EventList","metadata":{"a":[]},"items":[{"a":1}, {"b":2}],"apiVersion":"audit.k8s.io/v1"}`), func(raw []byte) error {
		got = append(got, string(raw))
		return nil
	})
	if diff := cmp.Diff([]string{`{"a":1}`, `{"b":2}`}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	full := errors.New("full")
	if err := eventsOf(strings.NewReader(`{"items":[1]}`), func([]byte) error { return full }); !errors.Is(err, full) {
		t.Errorf("err = %v", err)
	}
}
