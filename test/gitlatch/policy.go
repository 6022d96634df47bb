package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// The sync identity of [EnforceAll].
const (
	SyncNamespace    = "gitops"
	SyncAccount      = "sync"
	SyncLogin        = SyncNamespace + "/" + SyncAccount
	SyncFieldManager = "sync"
)

// EnforceAll is a policy under which nobody but gitops/sync writes anything, and group oncall may break glass.
func EnforceAll() string { return enforce("") }

// EnforceApplier is [EnforceAll], and Gitlatch's applier writes as well.
func EnforceApplier() string {
	return enforce(`  - serviceAccount: {namespace: gitlatch-system, name: gitlatch-applier}
    fieldManagers: [gitlatch]
`)
}

func enforce(more string) string {
	return `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata:
  name: cluster
spec:
  mode: Enforce
  match:
    excludeNamespaces: [kube-node-lease]
    excludeResources:
    - {apiGroups: [certificates.k8s.io], resources: ["*"]}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
` + more + `  operations:
    exec: Deny
  breakGlass:
    allowedGroups: [oncall]
    maxDuration: 1h
    reasonPattern: '^(INC|OPS)-[0-9]+: .{10,}'
`
}

// Policy applies a policy as git would, by the sync identity under its field manager, and waits until the gate says
// that it is in force.
func (g *Gitlatch) Policy(ctx context.Context, text string) error {
	policy := &v1alpha1.ChangePolicy{}
	if err := yaml.UnmarshalStrict([]byte(text), policy); err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	if err := g.Apply(ctx, text); err != nil {
		return fmt.Errorf("applying policy %s: %w", policy.Name, err)
	}
	return g.WaitPolicy(ctx, policy.Name)
}

// Apply is a sync: a server-side apply of these objects by the sync identity under its field manager.
func (g *Gitlatch) Apply(ctx context.Context, text string) error {
	return g.kubectl(ctx, SyncLogin, text,
		"apply", "--server-side", "--force-conflicts", "--field-manager="+SyncFieldManager, "-f", "-")
}

// WaitPolicy waits until the gate says that the policy, as it now is, is in force.
func (g *Gitlatch) WaitPolicy(ctx context.Context, name string) error {
	client, err := dynamic.NewForConfig(g.cluster.Config("admin"))
	if err != nil {
		return err
	}
	policies := client.Resource(v1alpha1.GroupVersion.WithResource("changepolicies"))
	return WaitFor(ctx, 30*time.Second, "policy "+name+" to be in force", func(ctx context.Context) error {
		object, err := policies.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		return inForce(object)
	})
}

func inForce(object *unstructured.Unstructured) error {
	policy := &v1alpha1.ChangePolicy{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, policy); err != nil {
		return err
	}
	condition := meta.FindStatusCondition(policy.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case condition == nil:
		return errors.New("it has no condition Ready")
	case condition.ObservedGeneration < policy.Generation && policy.Status.ObservedGeneration < policy.Generation:
		return fmt.Errorf("its condition speaks of generation %d, not %d", condition.ObservedGeneration, policy.Generation)
	case condition.Status != metav1.ConditionTrue:
		return fmt.Errorf("its condition Ready is %s: %s: %s", condition.Status, condition.Reason, condition.Message)
	}
	return nil
}
