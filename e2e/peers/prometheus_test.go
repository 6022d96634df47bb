//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/process"
)

// grace is how long a server may take to end by itself.
const grace = 10 * time.Second

// start starts a server of somebody else's in a directory of its own, by the first of its names that is there, and
// returns when it answers at /-/ready. The test ends it.
func start(t *testing.T, names []string, config string, flags func(dir, config, address string) []string) (base string) {
	t.Helper()
	var path string
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatalf("%s is not there: make test-peers says how to get it", names[0])
	}
	dir, name := t.TempDir(), names[0]
	file := filepath.Join(dir, "config.yml")
	must(t, os.WriteFile(file, []byte(config), 0o600))
	address := freeAddress(t)
	p, err := process.Start(process.Command{
		Path: path, Args: flags(dir, file, address), Env: process.Env(dir), Dir: dir,
		LogFile: filepath.Join(dir, "log"), PIDFile: filepath.Join(dir, "pid"),
	})
	must(t, err)
	t.Cleanup(func() { p.Stop(grace) })
	eventually(t, name+" to be ready", time.Minute, func() error {
		if !p.Running() {
			t.Fatalf("%s: %v", name, p.Failure())
		}
		return process.Answers(t.Context(), http.DefaultClient, "http://"+address+"/-/ready")
	})
	return "http://" + address
}

// freeAddress is one of loopback that nothing listens on, and that is the test's until it ends.
func freeAddress(t *testing.T) string {
	t.Helper()
	return freePort(t).Address()
}

// startAlertmanager has a real Alertmanager tell a receiver of everything, at once.
func startAlertmanager(t *testing.T, receiver string) (base string) {
	t.Helper()
	config := fmt.Sprintf(`route: {receiver: inbox, group_by: [alertname], group_wait: 1s, group_interval: 1s, repeat_interval: 1h}
receivers:
- name: inbox
  webhook_configs:
  - {url: %q, send_resolved: true}
`, receiver)
	return start(t, []string{"prometheus-alertmanager", "alertmanager"}, config, func(dir, config, address string) []string {
		return []string{
			"--config.file=" + config, "--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
			"--cluster.listen-address=", // alone
		}
	})
}

// startPrometheus has a real Prometheus read the gate, the applier and the reporter each second, and evaluate the rules
// of the manifests as they are.
func startPrometheus(t *testing.T, alertmanager string) (base string) {
	t.Helper()
	rules, err := filepath.Abs("../../manifests/monitoring/rules.yaml")
	must(t, err)
	var jobs strings.Builder
	for name, at := range map[string]string{
		"webhook": gate.MetricsURL(0), "applier": gate.Applier().MetricsURL(), "reporter": gate.Reporter().MetricsURL(),
	} {
		metrics, err := url.Parse(at)
		must(t, err)
		fmt.Fprintf(&jobs, "- {job_name: %s, metrics_path: %s, static_configs: [{targets: [%q]}]}\n", name, metrics.Path, metrics.Host)
	}
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
alerting: {alertmanagers: [{static_configs: [{targets: [%q]}]}]}
scrape_configs:
%s`, rules, strings.TrimPrefix(alertmanager, "http://"), jobs.String())
	return start(t, []string{"prometheus"}, config, func(dir, config, address string) []string {
		return []string{"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address}
	})
}

// ask asks Prometheus' API, and reads its data.
func ask(ctx context.Context, base, path string, query url.Values, data any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("asking for %s: %s", path, answer.Error)
	}
	return nil
}

// notification is one alert as Alertmanager's webhook tells it.
type notification struct {
	Status              string
	Labels, Annotations map[string]string
}

// inbox is a receiver that keeps what it is told.
type inbox struct {
	url  string
	mu   sync.Mutex
	told []notification
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message struct{ Alerts []notification }
		if err := json.NewDecoder(r.Body).Decode(&message); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		in.told = append(in.told, message.Alerts...)
	}))
	t.Cleanup(server.Close)
	in.url = server.URL
	return in
}

// wait gives the first alert of this name that it is told is firing, or resolved.
func (in *inbox) wait(t *testing.T, status, name string) (found notification) {
	t.Helper()
	eventually(t, name+", "+status+", at the receiver", time.Minute, func() error {
		in.mu.Lock()
		defer in.mu.Unlock()
		for _, n := range in.told {
			if n.Status == status && n.Labels["alertname"] == name {
				found = n
				return nil
			}
		}
		return fmt.Errorf("it was told of %v", in.told)
	})
	return found
}
