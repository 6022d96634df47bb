package replicas

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// leader is the replica that holds the Lease, and its identity; -1 is one of no
// replica that runs.
func leader(ctx context.Context, c client.Client) (int, string, error) {
	lease := &coordinationv1.Lease{}
	if err := c.Get(ctx, client.ObjectKey{Namespace: gitlatch.Namespace, Name: "gitlatch-webhook"}, lease); err != nil {
		return -1, "", err
	}
	holder := ""
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	pods := make([]string, here.Gate.Replicas())
	for i := range pods {
		pods[i] = here.Gate.Pod(i)
	}
	pod, _, _ := strings.Cut(holder, "_")
	return slices.Index(pods, pod), holder, nil
}

// Whichever way the leader ends, the next one keeps the registration within the time
// of the lease, and until then every replica judges on, and follows the policies.
func TestAnotherReplicaLeadsWhenTheLeaderEnds(t *testing.T) {
	admin := here.Client(t, "admin")
	for _, c := range []struct {
		what   string
		end    func(int)
		within time.Duration // the lease lasts 15 s, and is asked for every 2 s; a busy machine is slower
	}{
		{"it is told to end", here.Gate.Terminate, 15 * time.Second},
		{"it is killed", here.Gate.Kill, 45 * time.Second},
	} {
		t.Run(c.what, func(t *testing.T) {
			all(t)
			ns := here.NewNamespace(t, "{gate: moving}")
			cm := declared(t, ns)
			world.Must(t, here.Gate.Policy(t.Context(), policyOf("moving", "Audit", "{matchLabels: {gate: moving}}", "Flag")))
			var first int
			var holder string
			world.Eventually(t, "a replica to lead", time.Minute, func(ctx context.Context) (err error) {
				if first, holder, err = leader(ctx, admin); err == nil && first < 0 {
					err = fmt.Errorf("%q does", holder)
				}
				return err
			})
			c.end(first)
			ended := time.Now()
			here.Declare(t, policyOf("moving", "Enforce", "{matchLabels: {gate: moving}}", "Flag"))
			tries := 0
			world.Eventually(t, "the policy to be followed with nobody to lead", 10*time.Second, func(ctx context.Context) error {
				tries++
				err := stubborn(ctx, func() error { return admin.Patch(ctx, cm, patchOf(`{"data":{"try":"%d"}}`, tries)) })
				if !isDenial(err) {
					return fmt.Errorf("the answer is %v", err)
				}
				return nil
			})
			t.Logf("followed after %s", time.Since(ended))
			world.Must(t, admin.Delete(t.Context(), mutating()))
			world.Eventually(t, "the registration to be kept", c.within, func(ctx context.Context) error {
				return admin.Get(ctx, client.ObjectKeyFromObject(mutating()), mutating())
			})
			next, now, err := leader(t.Context(), admin)
			if err != nil || next < 0 || next == first || now == holder {
				t.Errorf("%q leads after %q (%v)", now, holder, err)
			}
			t.Logf("kept after %s", time.Since(ended))
			world.Must(t, here.Gate.WaitPolicy(t.Context(), "moving"))
			all(t)
			here.Kubectl(t, gitlatch.SyncLogin, "delete", "changepolicy", "moving").MustAllow(t)
		})
	}
}

func mutating() *admissionv1.MutatingWebhookConfiguration {
	config := &admissionv1.MutatingWebhookConfiguration{}
	config.Name = "gitlatch"
	return config
}
