package applier

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
)

// A push that proves that its sender knows the token makes a sync immediate, whatever
// its interval; any other changes nothing.
func TestASignedPushMakesASyncImmediate(t *testing.T) {
	w := newProject(t, "")
	w.write("deploy/app.yaml", configMap("app"))
	first := w.commit("declare app")
	const token = "the-token-of-the-receiver"
	secret := w.secret(map[string]string{"token": token})
	w.follow("receiver: {secretRef: {name: " + secret + "}}")
	w.applied(first)

	const body = `{"ref":"refs/heads/main"}`
	sign := func(key, body string) string {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte(body))
		return "sha256=" + hex.EncodeToString(mac.Sum(nil))
	}
	const no, yes = "not proven: the signature does not fit this path\n", "syncing\n"
	for i, test := range []struct {
		name, path, header, value string
		code                      int
		answer                    string
	}{
		{"unsigned", w.sync, "", "", http.StatusUnauthorized, no},
		{"signed with another token", w.sync, "X-Hub-Signature-256", sign("guess", body), http.StatusUnauthorized, no},
		{"signed for another body", w.sync, "X-Hub-Signature-256", sign(token, "{}"), http.StatusUnauthorized, no},
		{"with GitLab's header and another token", w.sync, "X-Gitlab-Token", "guess", http.StatusUnauthorized, no},
		{"for a sync that there is not", "nobody", "X-Hub-Signature-256", sign(token, body), http.StatusUnauthorized, no},
		{"GitHub's", w.sync, "X-Hub-Signature-256", sign(token, body), http.StatusAccepted, yes},
		{"GitLab's", w.sync, "X-Gitlab-Token", token, http.StatusAccepted, yes},
		{"Gitea's", w.sync, "X-Gitea-Signature", strings.TrimPrefix(sign(token, body), "sha256="), http.StatusAccepted, yes},
		{"a script's", w.sync, "X-Signature", sign(token, body), http.StatusAccepted, yes},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := *w
			w.t = t
			w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", "level-"+string(rune('a'+i))))
			commit := w.commit(test.name)
			code, answer := push(t, test.path, test.header, test.value, body)
			if code != test.code || answer != test.answer {
				t.Errorf("the answer is %d %q, not %d %q", code, answer, test.code, test.answer)
			}
			if test.code == http.StatusAccepted {
				w.caughtUp(commit)
			}
		})
	}
	if strings.Contains(gate.Applier().Logs(), token) {
		t.Error("the applier's log shows the token")
	}
	s := w.await("the sync", acceptAll)
	if got := len(s.Status.History); got != 5 {
		t.Errorf("%d commits were applied, not 5: what was refused moved something", got)
	}
}

// push notifies the receiver.
func push(t *testing.T, sync, header, value, body string) (code int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gate.Applier().ReceiverURL()+"/push/"+system+"/"+sync, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		request.Header.Set(header, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
