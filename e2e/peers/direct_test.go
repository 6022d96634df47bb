//go:build peers

package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/alert"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/process"
)

// TestARecordReachesAlertmanagerDirectly: alice's refused patch is an alert in a real
// Alertmanager, with who, what, where and the command that reviews it, while no Prometheus
// runs. The loop works under the reporter's own account.
func TestARecordReachesAlertmanagerDirectly(t *testing.T) {
	manager := directAlertmanager(t)
	namespace := named("direct")
	file := filepath.Join(t.TempDir(), "receivers.yaml")
	must(t, os.WriteFile(file, fmt.Appendf(nil, `cluster: prod
receivers:
- {name: direct, type: alertmanager, url: %q, namespaces: [%s], outcomes: [Denied]}
`, manager, namespace), 0o600))
	directLoop(t, file)
	synced(t, fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata: {name: %[1]s}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: %[1]s}
data: {colour: blue}
`, namespace))
	eventually(t, "the receiver to be known", time.Minute, func() error {
		stdout, stderr, code := plane.Kubectl(t.Context(), "admin", "", "get", "configmap", "gitlatch-reporter", "-n", gitlatch.Namespace, "-o", "json")
		if code != 0 || !strings.Contains(stdout, "notifications.since.direct") {
			return errors.New("no trace of it: " + stderr)
		}
		return nil
	})
	time.Sleep(time.Second) // times of creation have no fractions
	if _, _, code := plane.Kubectl(t.Context(), "alice", "", "patch", "configmap", "settings", "-n", namespace, "-p", `{"data":{"colour":"red"}}`); code == 0 {
		t.Fatal("alice's patch was let through")
	}
	var got map[string]string
	eventually(t, "the alert", time.Minute, func() (err error) {
		got, err = directAlert(t.Context(), manager, namespace)
		return err
	})
	record := got["record"]
	want := map[string]string{
		"alertname": "GitlatchRecordDenied", "severity": "info", "outcome": "Denied", "reason": "OutOfBand", "cluster": "prod",
		"namespace": namespace, "record": record, "user": "alice", "target": "ConfigMap " + namespace + "/settings",
		"review":  "kubectl gitlatch records show " + record,
		"summary": "Denied: alice tried to update ConfigMap " + namespace + "/settings around git",
	}
	if diff := cmp.Diff(want, got); diff != "" || record == "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	eventually(t, "the record to say so", 30*time.Second, func() error {
		stdout, stderr, code := plane.Kubectl(t.Context(), "admin", "", "get", "changerecord", record, "-o", "jsonpath={.status.notified[*].receiver}")
		if code != 0 || stdout != "direct" {
			return fmt.Errorf("notified %q %s", stdout, stderr)
		}
		return nil
	})
}

// directAlertmanager starts an Alertmanager that notifies nobody, and gives its address.
func directAlertmanager(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	must(t, os.WriteFile(config, []byte("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"), 0o600))
	address := freeAddress(t)
	p, err := process.Start(process.Command{
		Path: "prometheus-alertmanager", Dir: dir, Env: process.Env(dir), LogFile: filepath.Join(dir, "alertmanager.log"), PIDFile: filepath.Join(dir, "pid"),
		Args: []string{"--config.file=" + config, "--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address, "--cluster.listen-address="},
	})
	must(t, err)
	t.Cleanup(func() { p.Stop(10 * time.Second) })
	eventually(t, "Alertmanager to be ready", time.Minute, func() error {
		return process.Answers(t.Context(), http.DefaultClient, "http://"+address+"/-/ready")
	})
	return "http://" + address
}

// directLoop delivers as the reporter does, with its rights.
func directLoop(t *testing.T, file string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", gate.Reporter().Kubeconfig())
	must(t, err)
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	must(t, err)
	loop := &alert.Loop{Client: c, File: file, State: types.NamespacedName{Namespace: gitlatch.Namespace, Name: "gitlatch-reporter"}}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- loop.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// directAlert is the active alert of a namespace: labels and annotations, but the long one.
func directAlert(ctx context.Context, manager, namespace string) (map[string]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, manager+"/api/v2/alerts?filter=namespace%3D"+namespace, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var alerts []struct {
		Labels, Annotations map[string]string
		Status              struct{ State string }
	}
	if err := json.NewDecoder(response.Body).Decode(&alerts); err != nil {
		return nil, err
	}
	if len(alerts) != 1 || alerts[0].Status.State == "suppressed" {
		return nil, fmt.Errorf("there are %d alerts", len(alerts))
	}
	all := alerts[0].Labels
	for name, value := range alerts[0].Annotations {
		if name != "description" {
			all[name] = value
		}
	}
	return all, nil
}
