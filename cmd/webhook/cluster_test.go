package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/process"
)

const enforce = `
apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  match: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: prod}}}
  sync:
  - serviceAccount: {namespace: flux-system, name: kustomize-controller}
    fieldManagers: [kustomize-controller]
  breakGlass: {allowedGroups: [oncall]}
`

// TestServes: the program registers itself on a real API server, which then
// refuses what the policy says, and it stops when it is told.
func TestServes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c, err := cluster.Start(ctx, cluster.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	admin := func(stdin string, args ...string) string {
		t.Helper()
		stdout, stderr, code := c.Kubectl(ctx, "admin", stdin, args...)
		if code != 0 {
			t.Fatalf("kubectl %s: %s", strings.Join(args, " "), stderr)
		}
		return stdout
	}
	manifests, err := filepath.Abs("../../manifests")
	if err != nil {
		t.Fatal(err)
	}
	admin("", "apply", "-k", filepath.Join(manifests, "crds"))
	admin("", "create", "namespace", "gitlatch-system")
	admin("", "create", "namespace", "prod")
	admin("", "apply", "-f", filepath.Join(manifests, "default", "20-webhook-rights.yaml"))
	account, err := c.ServiceAccount(ctx, "gitlatch-system", "gitlatch-webhook", cluster.AccountOptions{})
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- run(serving, []string{
			"--kubeconfig", account.Kubeconfig, "--listen", address, "--webhook-url", "https://localhost:" + port,
			"--metrics-bind-address", "0", "--health-probe-bind-address", "0", "--drain", "100ms", "--replica", "webhook-0",
		}, noEnv, io.Discard, testLog{t}, silent)
	}()
	eventually(t, ctx, func() bool { // or the policy would be stored before anybody looks
		forged := "{apiVersion: gitlatch.dev/v1alpha1, kind: ChangeRecord, metadata: {name: is-anybody-there}}"
		_, stderr, _ := c.Kubectl(ctx, "admin", forged, "create", "--dry-run=server", "--validate=false", "-f", "-")
		return strings.Contains(stderr, "denied the request")
	})
	admin(enforce, "apply", "-f", "-")
	stderr := ""
	eventually(t, ctx, func() bool {
		select {
		case err := <-ended:
			t.Fatalf("the program ended: %v", err)
		default:
		}
		var code int
		_, stderr, code = c.Kubectl(ctx, "alice", "", "-n", "prod", "create", "configmap", fmt.Sprintf("c-%d", time.Now().UnixNano()))
		return code != 0
	})
	for _, want := range []string{
		`admission webhook "gate.gitlatch.dev" denied the request: OutOfBand: `,
		"\n  policy: cluster    you: alice    record: cr-",
		"\n  next: change it in git; flux-system/kustomize-controller brings it here",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("kubectl said:\n%s\nwant %q in it", stderr, want)
		}
	}
	records := strings.Fields(admin("", "get", "changerecords", "-o", "jsonpath={.items[*].spec.requester.username}"))
	slices.Sort(records)
	if !slices.Equal(records, []string{"admin", "alice"}) {
		t.Errorf("records of %q, want one of the policy and one of the denial", records)
	}
	t.Logf("kubectl said:\n%s", stderr)
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run() = %v", err)
	}
	if lease := admin("", "-n", "gitlatch-system", "get", "lease", "gitlatch-webhook", "-o", "jsonpath={.spec.holderIdentity}"); lease != "" {
		t.Errorf("the lease is still held by %q", lease)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := process.ReservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(port.Release)
	return port.Address()
}

func eventually(t *testing.T, ctx context.Context, done func() bool) {
	t.Helper()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not happen in time")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// testLog shows the program's log in the test's.
type testLog struct{ t *testing.T }

func (l testLog) Write(line []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(line)))
	return len(line), nil
}
