//go:build peers

package peers

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/process"
)

// browser is a real Chromium, driven as the W3C's WebDriver says.
type browser struct {
	session string // its URL
	dir     string // of screenshots
}

// newBrowser starts a Chromium with a profile of its own, which resolves no name.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	address := port.Address()
	p, err := process.Start(process.Command{
		Path: "chromedriver", Args: []string{"--port=" + strconv.Itoa(port.Number)}, Env: process.Env(dir), Dir: dir,
		LogFile: filepath.Join(dir, "chromedriver.log"), PIDFile: filepath.Join(dir, "pid"),
	})
	must(t, err)
	t.Cleanup(func() { p.Stop(10 * time.Second) })
	eventually(t, "chromedriver to be ready", 30*time.Second, func() error {
		return process.Answers(t.Context(), http.DefaultClient, "http://"+address+"/status")
	})
	b := &browser{session: "http://" + address + "/session", dir: t.ArtifactDir()}
	started, err := b.send(t.Context(), http.MethodPost, "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:chromeOptions": map[string]any{"args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
			"--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,900",
			"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--user-data-dir=" + filepath.Join(dir, "profile"),
		}},
	}}})
	must(t, err)
	id := struct {
		SessionID string `json:"sessionId"`
	}{}
	must(t, json.Unmarshal(started, &id))
	b.session += "/" + id.SessionID
	t.Cleanup(func() {
		if _, err := b.send(context.WithoutCancel(t.Context()), http.MethodDelete, "", map[string]any{}); err != nil {
			t.Error(err)
		}
	})
	return b
}

// send sends a command and gives the value of the answer.
func (b *browser) send(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, b.session+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the browser at %s %s: %s", method, path, answer)
	}
	found := struct {
		Value json.RawMessage `json:"value"`
	}{}
	return found.Value, json.Unmarshal(answer, &found)
}

func (b *browser) do(t *testing.T, path string, body any) json.RawMessage {
	t.Helper()
	value, err := b.send(t.Context(), http.MethodPost, path, body)
	must(t, err)
	return value
}

func (b *browser) open(t *testing.T, link string) {
	t.Helper()
	b.do(t, "/url", map[string]any{"url": link})
}

// script runs one, and gives what it returns.
func script[T any](t *testing.T, b *browser, code string, args ...any) T {
	t.Helper()
	if args == nil {
		args = []any{}
	}
	var got T
	must(t, json.Unmarshal(b.do(t, "/execute/sync", map[string]any{"script": code, "args": args}), &got))
	return got
}

// Keys, as WebDriver writes them.
const (
	keyTab   = "\ue004"
	keyEnter = "\ue007"
)

// press presses keys, one after the other.
func (b *browser) press(t *testing.T, keys ...string) {
	t.Helper()
	var actions []any
	for _, key := range keys {
		actions = append(actions, map[string]any{"type": "keyDown", "value": key}, map[string]any{"type": "keyUp", "value": key})
	}
	b.do(t, "/actions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}}})
}

// width makes the window as wide as a phone's, or wider.
func (b *browser) width(t *testing.T, pixels int) {
	t.Helper()
	b.do(t, "/goog/cdp/execute", map[string]any{"cmd": "Emulation.setDeviceMetricsOverride",
		"params": map[string]any{"width": pixels, "height": 812, "deviceScaleFactor": 1, "mobile": pixels < 600}})
}

// picture keeps what is seen.
func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	value, err := b.send(t.Context(), http.MethodGet, "/screenshot", map[string]any{})
	must(t, err)
	text := ""
	must(t, json.Unmarshal(value, &text))
	image, err := base64.StdEncoding.DecodeString(text)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(b.dir, name+".png"), image, 0o600))
}
