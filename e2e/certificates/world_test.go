package certificates

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is shared by the tests of the package; TestMain sets it once.
var here world.World

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) error { return install(ctx, w, shortLived()) })
}

// operator is a controller of somebody's: pod-bound, cluster-admin, no sync.
const operator = "operators/web-operator"

// secret keeps the authority.
const secret = "gitlatch-webhook-ca"

// How long certificates and authorities live.
const (
	certificateLife = time.Minute
	authorityLife   = 10 * time.Minute
)

// shortLived is three replicas whose certificates are renewed twice a minute.
func shortLived() gitlatch.Options {
	return gitlatch.Options{
		Replicas: 3, Service: true,
		Flags: []string{"--certificate-duration=" + certificateLife.String(), "--ca-duration=" + authorityLife.String(), "--drain=2s"},
	}
}

// install installs Gitlatch with the policies of the tests.
func install(ctx context.Context, w *world.World, options gitlatch.Options) error {
	return installWith(ctx, w, options, []string{policyWarn, policyCluster}, func() {})
}

// installWith installs Gitlatch with these policies. What people make by hand is made before, by ready too.
func installWith(ctx context.Context, w *world.World, options gitlatch.Options, policies []string, ready func()) (err error) {
	if _, err := w.Plane.ServiceAccount(ctx, "operators", "web-operator", cluster.AccountOptions{ClusterAdmin: true}); err != nil {
		return err
	}
	if w.Gate, err = gitlatch.Install(ctx, w.Plane, options); err != nil {
		return err
	}
	ready()
	for _, p := range policies {
		if err := w.Gate.Policy(ctx, p); err != nil {
			return fmt.Errorf("applying a policy: %w", err)
		}
	}
	return nil
}

const sync = `
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
`

const policyCluster = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  match:
    namespaceSelector: {matchExpressions: [{key: gate, operator: DoesNotExist}]}
    excludeNamespaces: [kube-node-lease]
    excludeResources: [{apiGroups: [certificates.k8s.io], resources: ["*"]}]` + sync

const policyWarn = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: warn}
spec:
  mode: Warn
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: warn}}` + sync
