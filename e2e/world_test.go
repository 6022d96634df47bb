package e2e

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane and the Gitlatch on it that all tests
// share; TestMain sets them once.
var (
	here  world.World
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
)

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) (err error) {
		if w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{Replicas: 2, Service: true, Progress: os.Stderr}); err != nil {
			return err
		}
		plane, gate = w.Plane, w.Gate
		// Who writes the first policy makes everything else git's: what people would
		// no longer get by hand is made before.
		if err := crew(ctx); err != nil {
			return err
		}
		for _, p := range []string{policyWarn, policyAudit, policyDeclared, policyCluster} {
			if err := gate.Policy(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
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

// newNamespace makes a namespace by git. mode is the label "gate" that says which
// policy governs it; "" is the policy cluster.
func newNamespace(t *testing.T, mode string) string {
	t.Helper()
	if mode == "" {
		return here.NewNamespace(t, "{}")
	}
	return here.NewNamespace(t, "{gate: "+mode+"}")
}

// declare applies YAML as git does: server-side, by the sync identity.
func declare(t *testing.T, yaml string) {
	t.Helper()
	here.Declare(t, yaml)
}

// kubectl runs kubectl as a person or an account.
func kubectl(t *testing.T, user string, args ...string) world.Result {
	t.Helper()
	return here.Kubectl(t, user, args...)
}

// eventually waits up to 30 s.
func eventually(t *testing.T, what string, ask func(context.Context) error) {
	t.Helper()
	world.Eventually(t, what, 30*time.Second, ask)
}

var errNone = errors.New("there is none")
