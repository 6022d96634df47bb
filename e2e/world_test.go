package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// plane and gate are the control plane and the Gitlatch on it that all tests
// share; TestMain sets them once.
var (
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if plane, err = cluster.Start(ctx, cluster.Options{Progress: os.Stderr}); err != nil {
		return 0, err
	}
	defer plane.Stop()
	if gate, err = gitlatch.Install(ctx, plane, gitlatch.Options{Replicas: 2, Service: true, Progress: os.Stderr}); err != nil {
		return 0, err
	}
	defer gate.Stop()
	// Who writes the first policy makes everything else git's: what people would
	// no longer get by hand is made before.
	if err := crew(ctx); err != nil {
		return 0, err
	}
	for _, p := range []string{policyWarn, policyAudit, policyDeclared, policyCluster} {
		if err := gate.Policy(ctx, p); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// Logins of the service accounts that the tests use; see crew.
const (
	operator        = "operators/web-operator"         // pod-bound, cluster-admin
	operatorUnbound = "operators/web-operator:unbound" // the same account, a minted token
	runner          = "ci-runners/runner"              // pod-bound, untrusted by policy
	syncer          = gitlatch.SyncLogin
)

func crew(ctx context.Context) error {
	for _, a := range []struct {
		namespace, name string
		unbound         bool
	}{
		{"operators", "web-operator", false}, {"operators", "web-operator", true}, {"ci-runners", "runner", false},
	} {
		if _, err := plane.ServiceAccount(ctx, a.namespace, a.name, cluster.AccountOptions{ClusterAdmin: true, Unbound: a.unbound}); err != nil {
			return err
		}
	}
	return nil
}

const syncAndGlass = `
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  untrustedControllers: [{namespace: ci-runners}]
  breakGlass:
    allowedGroups: [oncall]
    maxDuration: 1h
    reasonPattern: '^(INC|OPS)-[0-9]+: .{10,}'
`

const policyCluster = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  match:
    namespaceSelector: {matchExpressions: [{key: gate, operator: DoesNotExist}]}
    excludeNamespaces: [kube-node-lease]
    excludeResources: [{apiGroups: [certificates.k8s.io], resources: ["*"]}]
  steering: [{apiGroups: [steering.example], resources: ["*"]}]` + syncAndGlass

const policyWarn = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: warn}
spec:
  mode: Warn
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: warn}}` + syncAndGlass

const policyAudit = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: audit}
spec:
  mode: Audit
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: audit}}` + syncAndGlass

const policyDeclared = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: declared}
spec:
  mode: Enforce
  objects: Declared
  fields: Declared
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: declared}}` + syncAndGlass

var serial atomic.Int64

// newNamespace makes a namespace by git. mode is the label "gate" that says which
// policy governs it; "" is the policy cluster.
func newNamespace(t *testing.T, mode string) string {
	t.Helper()
	name := fmt.Sprintf("ns-%d", serial.Add(1))
	labels := "{}"
	if mode != "" {
		labels = "{gate: " + mode + "}"
	}
	declare(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: %s}\n", name, labels))
	eventually(t, "the default account of "+name, func(ctx context.Context) error {
		_, stderr, code := plane.Kubectl(ctx, "admin", "", "get", "sa", "default", "-n", name)
		if code != 0 {
			return fmt.Errorf("%s", stderr)
		}
		return nil
	})
	return name
}

// declare applies YAML as git does: server-side, by the sync identity.
func declare(t *testing.T, yaml string) {
	t.Helper()
	if err := gate.Apply(t.Context(), yaml); err != nil {
		t.Fatalf("git could not declare: %v", err)
	}
}

// result of a kubectl command.
type result struct {
	user, command, out, err string
	code                    int
}

// kubectl runs kubectl as a person or an account.
func kubectl(t *testing.T, user string, args ...string) result {
	t.Helper()
	return kubectlIn(t, user, "", args...)
}

func kubectlIn(t *testing.T, user, stdin string, args ...string) result {
	t.Helper()
	out, stderr, code := plane.Kubectl(t.Context(), user, stdin, args...)
	return result{user: user, command: strings.Join(args, " "), out: out, err: stderr, code: code}
}

// mustAllow fails unless the command went through.
func (r result) mustAllow(t *testing.T) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("%s: kubectl %s: want it to go through, got exit %d: %s", r.user, r.command, r.code, r.err)
	}
	return r
}

// mustDeny fails unless Gitlatch denied the command for this reason.
func (r result) mustDeny(t *testing.T, reason v1alpha1.Reason) result {
	t.Helper()
	if r.code == 0 || !strings.Contains(r.err, ".gitlatch.dev\" denied the request: "+string(reason)+": ") {
		t.Fatalf("%s: kubectl %s: want a denial %s, got exit %d: %s%s", r.user, r.command, reason, r.code, r.out, r.err)
	}
	return r
}

// clientOf returns a client without a cache.
func clientOf(t *testing.T, user string) client.Client {
	t.Helper()
	return clientWith(t, plane.Config(user))
}

// clientWith is clientOf for whoever this configuration is; it is left as it is.
func clientWith(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 2000, 2000
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// records returns the records that keep selects, oldest first as listed.
func records(t *testing.T, keep func(*v1alpha1.ChangeRecord) bool) []v1alpha1.ChangeRecord {
	t.Helper()
	list := &v1alpha1.ChangeRecordList{}
	if err := clientOf(t, "admin").List(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	var out []v1alpha1.ChangeRecord
	for _, r := range list.Items {
		if keep(&r) {
			out = append(out, r)
		}
	}
	return out
}

// inNamespace selects the records of one namespace.
func inNamespace(ns string) func(*v1alpha1.ChangeRecord) bool {
	return func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Request.Namespace == ns }
}

// eventually waits up to 30 s.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	if err := gitlatch.WaitFor(t.Context(), 30*time.Second, what, ask); err != nil {
		t.Fatal(err)
	}
}

var errNone = errors.New("there is none")
