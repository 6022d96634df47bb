package applier

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// The tests of this package share one real control plane, and one gate on it, which
// governs what is labelled gate=enforce or gate=warn. Each starts with the first test
// that needs it.
var shared struct {
	cluster  *cluster.Cluster
	gate     *gitlatch.Gitlatch
	applier  *cluster.Identity
	starting sync.Once
	gating   sync.Once
	spaces   atomic.Int64
}

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	code := m.Run()
	var errs []error
	if shared.gate != nil {
		errs = append(errs, shared.gate.Stop())
	}
	if shared.cluster != nil {
		errs = append(errs, shared.cluster.Stop())
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// needCluster starts the control plane, with Gitlatch's kinds.
func needCluster(t testing.TB) {
	t.Helper()
	shared.starting.Do(func() {
		c, err := cluster.Start(context.Background(), cluster.Options{Progress: os.Stderr})
		must(t, err)
		shared.cluster = c
		crds, err := filepath.Abs("../manifests/crds")
		must(t, err)
		kubectl(t, "admin", "", "apply", "-k", crds)
		kubectl(t, "admin", "", "wait", "--for=condition=Established", "--timeout=30s",
			"crd/gitsyncs.gitlatch.dev", "crd/changerecords.gitlatch.dev", "crd/changepolicies.gitlatch.dev")
		kubectl(t, "admin", "", "create", "namespace", gitlatch.Namespace)
		shared.applier, err = c.ServiceAccount(context.Background(), gitlatch.Namespace, "gitlatch-applier", cluster.AccountOptions{ClusterAdmin: true})
		must(t, err)
	})
	if shared.cluster == nil || shared.applier == nil {
		t.Fatal("there is no control plane")
	}
}

// needGate installs the gate, with a policy that enforces and one that warns.
func needGate(t testing.TB) {
	t.Helper()
	needCluster(t)
	shared.gating.Do(func() {
		g, err := gitlatch.Install(context.Background(), shared.cluster, gitlatch.Options{})
		must(t, err)
		shared.gate = g
		for _, mode := range []string{"Enforce", "Warn"} {
			must(t, g.Policy(context.Background(), gatePolicy(mode)))
		}
	})
	if shared.gate == nil {
		t.Fatal("there is no gate")
	}
}

func gatePolicy(mode string) string {
	name := strings.ToLower(mode)
	return `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: ` + name + `}
spec:
  mode: ` + mode + `
  match:
    namespaceSelector: {matchLabels: {gate: ` + name + `}}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  - serviceAccount: {namespace: gitlatch-system, name: gitlatch-applier}
    fieldManagers: [gitlatch]
  breakGlass:
    allowedGroups: [oncall]
    maxDuration: 1h
    reasonPattern: '^(INC|OPS)-[0-9]+: .{10,}'
`
}

// applierConfig is the applier's own account, with the token of its pod.
func applierConfig(t testing.TB) *rest.Config {
	t.Helper()
	needCluster(t)
	config := rest.CopyConfig(shared.cluster.Config(shared.applier.Login))
	config.QPS = -1
	return config
}

// newClient reads and writes as the applier.
func newClient(t testing.TB) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	c, err := client.NewWithWatch(applierConfig(t), client.Options{Scheme: scheme})
	must(t, err)
	return c
}

// newSpace makes a namespace of one test alone.
func newSpace(t testing.TB, labels ...string) string {
	t.Helper()
	needCluster(t)
	name := fmt.Sprintf("space-%d", shared.spaces.Add(1))
	kubectl(t, shared.applier.Login, "", "create", "namespace", name)
	for _, label := range labels {
		kubectl(t, shared.applier.Login, "", "label", "namespace", name, label)
	}
	return name
}

func kubectl(t testing.TB, user, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, code := shared.cluster.Kubectl(context.Background(), user, stdin, args...)
	if code != 0 {
		t.Fatalf("kubectl %s as %s: %s", strings.Join(args, " "), user, stderr)
	}
	return stdout
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, timeout time.Duration, ask func() error) {
	t.Helper()
	must(t, gitlatch.WaitFor(t.Context(), timeout, what, func(context.Context) error { return ask() }))
}
