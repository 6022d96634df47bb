package applier

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

const pushToken = "a-token-that-only-the-forge-knows"

func hmacOf(token, body string) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// pushed is what came of one notification.
type pushed struct {
	Status int
	Text   string
	Woken  []string
	Count  string
}

func push(t *testing.T, method, path string, header map[string]string, body io.Reader) pushed {
	t.Helper()
	var got pushed
	r := &receiver{
		log: logr.Discard(),
		token: func(_ context.Context, key types.NamespacedName) ([]byte, error) {
			switch key.String() {
			case "gitlatch-system/prod":
				return []byte(pushToken), nil
			case "gitlatch-system/empty":
				return nil, nil
			}
			return nil, errors.New("there is no such sync")
		},
		wake:  func(key types.NamespacedName) { got.Woken = append(got.Woken, key.String()) },
		count: func(result string) { got.Count = result },
	}
	request := httptest.NewRequest(method, path, body)
	for k, v := range header {
		request.Header.Set(k, v)
	}
	answer := httptest.NewRecorder()
	r.handler().ServeHTTP(answer, request)
	got.Status, got.Text = answer.Code, answer.Body.String()
	return got
}

func TestAPushThatProvesItselfWakesTheSync(t *testing.T) {
	const body, prod = `{"ref":"refs/heads/main"}`, "/push/gitlatch-system/prod"
	woken := pushed{http.StatusAccepted, "syncing\n", []string{"gitlatch-system/prod"}, "accepted"}
	refused := pushed{http.StatusUnauthorized, "not proven: the signature does not fit this path\n", nil, "refused"}
	fits := hmacOf(pushToken, body)
	for _, test := range []struct {
		name   string
		path   string
		header map[string]string
		want   pushed
	}{
		{"GitHub's signature", prod, map[string]string{"X-Hub-Signature-256": "sha256=" + fits}, woken},
		{"GitHub's ping wakes nobody", prod, map[string]string{"X-Hub-Signature-256": "sha256=" + fits, "X-GitHub-Event": "ping"},
			pushed{http.StatusOK, "pong\n", nil, "ignored"}},
		{"Gitea's signature", prod, map[string]string{"X-Gitea-Signature": fits}, woken},
		{"Forgejo's signature", prod, map[string]string{"X-Forgejo-Signature": fits}, woken},
		{"GitLab's token", prod, map[string]string{"X-Gitlab-Token": pushToken}, woken},
		{"any sender's signature", prod, map[string]string{"X-Signature": "sha256=" + fits}, woken},
		{"no proof", prod, nil, refused},
		{"the signature of another body", prod, map[string]string{"X-Signature": "sha256=" + hmacOf(pushToken, body+" ")}, refused},
		{"the signature with another token", prod, map[string]string{"X-Signature": "sha256=" + hmacOf("guessed", body)}, refused},
		{"GitLab with another token", prod, map[string]string{"X-Gitlab-Token": "guessed"}, refused},
		{"no hexadecimal", prod, map[string]string{"X-Gitea-Signature": "zz"}, refused},
		{"a cut signature", prod, map[string]string{"X-Gitea-Signature": fits[:8]}, refused},
		{"a sync that is not there", "/push/gitlatch-system/none", map[string]string{"X-Signature": "sha256=" + fits}, refused},
		{"a sync whose token is empty", "/push/gitlatch-system/empty", map[string]string{"X-Signature": "sha256=" + hmacOf("", body)}, refused},
		{"another path", "/push/gitlatch-system", nil, pushed{http.StatusNotFound, "404 page not found\n", nil, ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := push(t, http.MethodPost, test.path, test.header, strings.NewReader(body))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAPushIsAPost(t *testing.T) {
	got := push(t, http.MethodGet, "/push/gitlatch-system/prod", nil, nil)
	if got.Status != http.StatusMethodNotAllowed || got.Woken != nil {
		t.Errorf("a GET: %+v", got)
	}
}

func TestAPushIsNoLongerThanAForgeSends(t *testing.T) {
	body := bytes.Repeat([]byte("x"), maxPush+1)
	got := push(t, http.MethodPost, "/push/gitlatch-system/prod",
		map[string]string{"X-Signature": "sha256=" + hmacOf(pushToken, string(body))}, bytes.NewReader(body))
	if got.Status != http.StatusUnauthorized || got.Woken != nil {
		t.Errorf("a notification of %d bytes: %d, %v", len(body), got.Status, got.Woken)
	}
}

func FuzzPush(f *testing.F) {
	f.Add("sha256=00", "", `{}`)
	f.Add("", "guessed", `{}`)
	f.Fuzz(func(t *testing.T, signature, token, body string) {
		header := http.Header{}
		header.Set("X-Signature", signature)
		header.Set("X-Gitlab-Token", token)
		err := proven(header, strings.NewReader(body), []byte(pushToken))
		if err == nil && token != pushToken && signature != "sha256="+hmacOf(pushToken, body) && signature != hmacOf(pushToken, body) {
			t.Errorf("signature %q and token %q prove something", signature, token)
		}
	})
}
