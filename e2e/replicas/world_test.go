package replicas

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is what all tests share; TestMain sets it once.
var here world.World

const replicas = 3

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) (err error) {
		w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{Replicas: replicas, Service: true, FailurePolicy: "Fail"})
		if err != nil {
			return err
		}
		for _, policy := range []string{policyOf("warn", "Warn", "{matchLabels: {gate: warn}}", "Flag"),
			policyOf("cluster", "Enforce", "{matchExpressions: [{key: gate, operator: DoesNotExist}]}", "Deny")} {
			if err := w.Gate.Policy(ctx, policy); err != nil {
				return err
			}
		}
		return nil
	})
}

func policyOf(name, mode, selector, exec string) string {
	return fmt.Sprintf(`apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: %s}
spec:
  mode: %s
  match:
    clusterScoped: %t
    namespaceSelector: %s
    excludeNamespaces: [kube-node-lease]
    excludeResources: [{apiGroups: [certificates.k8s.io], resources: ["*"]}]
  sync: [{serviceAccount: {namespace: gitops, name: sync}, fieldManagers: [sync]}]
  operations: {exec: %s}
  breakGlass: {allowedGroups: [oncall], maxDuration: 1h, reasonPattern: '^INC-[0-9]+: .{10,}'}
`, name, mode, name == "cluster", selector, exec)
}

const reason = "INC-42: the database is gone"

// patchOf is a merge patch written as text.
func patchOf(format string, args ...any) client.Patch {
	return client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, format, args...))
}

// breakGlass is the patch that opens a window.
func breakGlass() client.Patch {
	return patchOf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationBreakGlass, reason)
}

// endGlass is the patch that ends it.
func endGlass() client.Patch {
	return patchOf(`{"metadata":{"annotations":{%q:null}}}`, v1alpha1.AnnotationBreakGlass)
}

func configMap(ns, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
}

// declared has git declare a ConfigMap, and names it.
func declared(t *testing.T, ns string) *corev1.ConfigMap {
	t.Helper()
	name := here.Named("settings")
	here.Declare(t, fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: %s}\ndata: {color: blue}\n", name, ns))
	return configMap(ns, name)
}

// visitor is a person of one test alone, whose budget of records nobody else uses.
func visitor(t *testing.T, name string, groups ...string) client.Client {
	t.Helper()
	config, err := here.Plane.Certificate(name, groups...)
	world.Must(t, err)
	return here.ClientOf(t, config)
}

func isDenial(err error) bool {
	var told *said
	return (apierrors.IsForbidden(err) || errors.As(err, &told)) && strings.Contains(err.Error(), `.gitlatch.dev" denied the request: `)
}

// denied fails unless the gate denied.
func denied(t *testing.T, err error, what string) {
	t.Helper()
	if !isDenial(err) {
		t.Errorf("%s: want a denial by the gate, got %v", what, err)
	}
}

// stubborn does it again for as long as no replica answers the API server, as the
// client of a person would.
func stubborn(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := do()
		if err == nil || isDenial(err) || !unanswered(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nobody answers: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func unanswered(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && strings.Contains(err.Error(), "failed calling webhook")
}

// all has every replica run, and answer.
func all(t *testing.T) {
	t.Helper()
	for i := range here.Gate.Replicas() {
		world.Must(t, here.Gate.Start(t.Context(), i))
	}
	only(t)
}

// only has these replicas alone answer from now on; none named is all of them. The API
// server has to notice that its connections are gone.
func only(t *testing.T, replicas ...int) {
	t.Helper()
	here.Gate.Only(replicas...)
	world.Must(t, here.Gate.WaitAnswering(t.Context()))
}

// one returns the only record that keep selects.
func one(t *testing.T, what string, keep func(*v1alpha1.ChangeRecord) bool) v1alpha1.ChangeRecord {
	t.Helper()
	found := here.Records(t, keep)
	if len(found) != 1 {
		t.Fatalf("%s: want one record, got %d: %s", what, len(found), summary(found))
	}
	return found[0]
}

func summary(found []v1alpha1.ChangeRecord) string {
	var lines []string
	for _, r := range found {
		q := r.Spec.Request
		lines = append(lines, fmt.Sprintf("\n  %s %s %s %s %s/%s %s/%s %v count %d %v %s", r.Name, r.Spec.Outcome, r.Spec.Requester.Username,
			q.Operation, q.Resource, q.Subresource, q.Namespace, q.Name, r.Spec.Changes, r.Status.Count, r.Status.Counts, r.Status.Phase))
	}
	return strings.Join(lines, "")
}
