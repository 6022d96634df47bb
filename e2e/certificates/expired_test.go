package certificates

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// The drill of docs/runbooks/certificates.md: every replica was away for so long that the authority in the Secret, and in
// the registration, has expired. Nodes, controllers and git go on; people are refused, by the backstop or by
// failurePolicy. The first replica that comes back mends it, by itself.
func TestTheAuthorityExpiredWhileEverybodyWasAway(t *testing.T) {
	for _, c := range []struct{ policy, person string }{
		{"Ignore", "ValidatingAdmissionPolicy 'gitlatch'"}, // the backstop needs no certificate
		{"Fail", "failed calling webhook"},
	} {
		t.Run(c.policy, func(t *testing.T) {
			w := ownWorld(t, gitlatch.Options{Replicas: 2, Service: true, FailurePolicy: c.policy})
			ns := w.NewNamespace(t, "{}")
			awayForLong(t, w)
			mustGoOn(t, w, ns)
			w.Kubectl(t, "alice", "-n", ns, "create", "configmap", "unguarded").MustFail(t, c.person)
			world.Must(t, w.Gate.Start(t.Context(), 1))
			mustBeMended(t, w, ns)
		})
	}
}

// awayForLong ends every replica and leaves what a year later is there: an expired authority, in the Secret and as every
// webhook's bundle.
func awayForLong(t *testing.T, w *world.World) {
	t.Helper()
	time.Sleep(2 * time.Second) // the API server looks for changed admission policies once a second
	for i := range w.Gate.Replicas() {
		w.Gate.Terminate(i)
	}
	expired, key := newAuthority(t, time.Now().Add(-365*24*time.Hour), time.Now().Add(-time.Minute))
	storeAuthority(t, w, expired, key)
	bundle, _ := pemOf(t, expired, key)
	c := w.Client(t, "admin")
	gate, final := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
	for _, o := range []client.Object{gate, final} {
		world.Must(t, c.Get(t.Context(), client.ObjectKey{Name: "gitlatch"}, o))
	}
	for i := range gate.Webhooks {
		gate.Webhooks[i].ClientConfig.CABundle = bundle
	}
	for i := range final.Webhooks {
		final.Webhooks[i].ClientConfig.CABundle = bundle
	}
	world.Must(t, errors.Join(c.Update(t.Context(), gate), c.Update(t.Context(), final)))
}

// mustGoOn: a node reports, git changes something, controllers carry it out.
func mustGoOn(t *testing.T, w *world.World, ns string) {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: cluster.NodeName}}
	world.Must(t, w.Client(t, "system:node:"+cluster.NodeName).Status().Patch(t.Context(), node, client.RawPatch(types.StrategicMergePatchType,
		[]byte(`{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Drill"}]}}`))))
	w.Declare(t, fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %s}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web}]}
`, ns))
	world.Eventually(t, "the Deployment's pods", time.Minute, func(ctx context.Context) error {
		pods := &corev1.PodList{}
		if err := w.Client(t, "admin").List(ctx, pods, client.InNamespace(ns)); err != nil {
			return err
		}
		if len(pods.Items) != 2 {
			return fmt.Errorf("there are %d, not 2", len(pods.Items))
		}
		return nil
	})
}

// mustBeMended: people are denied by the gate again, and nothing expired is left.
func mustBeMended(t *testing.T, w *world.World, ns string) {
	t.Helper()
	began := time.Now()
	world.Eventually(t, "the gate to answer", time.Minute, func(ctx context.Context) error {
		_, stderr, code := w.Plane.Kubectl(ctx, "alice", "", "-n", ns, "create", "configmap", "denied", "--dry-run=server")
		if code == 0 || !strings.Contains(stderr, "denied the request: OutOfBand") {
			return fmt.Errorf("exit %d: %s", code, stderr)
		}
		return nil
	})
	t.Logf("the gate answers %s after a replica was ready", time.Since(began).Round(100*time.Millisecond))
	w.Kubectl(t, "alice", "-n", ns, "create", "configmap", "denied").MustDeny(t, v1alpha1.ReasonOutOfBand)
	if now := authority(t, w); now == nil || time.Now().After(now.NotAfter) {
		t.Error("the authority in the Secret is not a new one")
	}
}

// ownWorld is a control plane that a test has for itself.
func ownWorld(t *testing.T, options gitlatch.Options) *world.World {
	t.Helper()
	w := &world.World{}
	var err error
	w.Plane, err = cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	world.Must(t, err)
	t.Cleanup(func() { world.Must(t, w.Plane.Stop()) })
	options.Binary = here.Gate.Binary()
	world.Must(t, install(t.Context(), w, options))
	t.Cleanup(func() { world.Must(t, w.Gate.Stop()) })
	return w
}
