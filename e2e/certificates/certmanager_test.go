//go:build peers

package certificates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// With manifests/cert-manager and cert-manager's own controllers: its certificate is served and its injector's bundle
// registered, both are renewed under load without a call that fails, although the files are seconds behind the bundle,
// and neither registration nor policies are in its way.
func TestCertManagerIssuesAndRenews(t *testing.T) {
	w := certManaged(t)
	mustBeInjected(t, w)
	w.Kubectl(t, "alice", "create", "namespace", "alices").MustDeny(t, v1alpha1.ReasonOutOfBand)
	before := count(t, w)
	l := startLoad(t, w)
	was := mounted(t, w)
	renew(t, w, "gitlatch-webhook-authority") // under its key
	renew(t, w, "gitlatch-webhook")
	mustServeMounted(t, w, was)
	mustBeInjected(t, w)

	lost := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: gitlatch.Namespace, Name: "gitlatch-webhook-authority"}}
	revision := revisionOf(t, w, lost.Name)
	world.Must(t, w.Client(t, gitlatch.SyncLogin).Delete(t.Context(), lost))
	mustBeReissued(t, w, lost.Name, revision) // under another
	was = mounted(t, w)
	renew(t, w, "gitlatch-webhook")
	mustServeMounted(t, w, was)
	mustBeInjected(t, w)
	l.mustBeRight(t)
	mustHaveAsked(t, w, before)
	l.mustBeAudited(t, w)

	if found := w.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return strings.Contains(r.Spec.Requester.Username, "cert-manager")
	}); len(found) > 0 {
		t.Errorf("cert-manager was in the way of the gate: %s", found[0].Spec.Message)
	}
	if tampered := w.Records(t, func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Outcome == v1alpha1.OutcomeTampered }); len(tampered) > 0 {
		t.Errorf("the injector is taken for somebody who tampers: %s", tampered[0].Spec.Message)
	}
}

// Whoever deletes a configuration finds it back with a bundle that works, before the injector has seen it.
func TestAConfigurationComesBackWithItsBundle(t *testing.T) {
	w := certManaged(t)
	w.Kubectl(t, "admin", "delete", "mutatingwebhookconfiguration", "gitlatch").MustAllow(t)
	world.Eventually(t, "it to be back", time.Minute, func(ctx context.Context) error {
		found := &admissionv1.MutatingWebhookConfiguration{}
		if err := w.Client(t, "admin").Get(ctx, client.ObjectKey{Name: "gitlatch"}, found); err != nil {
			return err
		}
		if found.Generation == 1 && len(found.Webhooks[0].ClientConfig.CABundle) == 0 {
			t.Fatal("it came without a bundle")
		}
		return nil
	})
	mustBeInjected(t, w)
	world.Must(t, w.Gate.WaitAnswering(t.Context()))
}

// mounted is the certificate in the Secret that is mounted.
func mounted(t *testing.T, w *world.World) *corev1.Secret {
	t.Helper()
	kept := &corev1.Secret{}
	world.Must(t, w.Client(t, "admin").Get(t.Context(), client.ObjectKey{Namespace: gitlatch.Namespace, Name: "gitlatch-webhook-tls"}, kept))
	return kept
}

// mustBeInjected waits until the bundle of every webhook holds the authority in the Secret. From v1.19 on the injector keeps
// what stood there beside it, until that expires.
func mustBeInjected(t *testing.T, w *world.World) {
	t.Helper()
	c := w.Client(t, "admin")
	world.Eventually(t, "the injector", time.Minute, func(ctx context.Context) error {
		authority := string(mounted(t, w).Data["ca.crt"])
		gate, final := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
		if err := errors.Join(c.Get(ctx, client.ObjectKey{Name: "gitlatch"}, gate), c.Get(ctx, client.ObjectKey{Name: "gitlatch"}, final)); err != nil {
			return err
		}
		injected := map[string]bool{}
		for _, h := range gate.Webhooks {
			injected[h.Name] = strings.Contains(string(h.ClientConfig.CABundle), authority)
		}
		for _, h := range final.Webhooks {
			injected[h.Name] = strings.Contains(string(h.ClientConfig.CABundle), authority)
		}
		want := map[string]bool{
			"builtin.gate.gitlatch.dev": true, "namespaces.gate.gitlatch.dev": true, "gate.gitlatch.dev": true,
			"builtin.final.gitlatch.dev": true, "namespaces.final.gitlatch.dev": true, "final.gitlatch.dev": true,
		}
		if diff := cmp.Diff(want, injected); diff != "" {
			return fmt.Errorf("webhooks whose bundle holds it (-want +got):\n%s", diff)
		}
		for _, annotations := range []map[string]string{gate.Annotations, final.Annotations} {
			if got := annotations["cert-manager.io/inject-ca-from"]; got != "gitlatch-system/gitlatch-webhook" {
				return fmt.Errorf("the injector is asked for %q", got)
			}
		}
		return nil
	})
}

// renew does what `cmctl renew` does, as git, and waits until it is done.
func renew(t *testing.T, w *world.World, certificate string) {
	t.Helper()
	was := revisionOf(t, w, certificate)
	w.Kubectl(t, gitlatch.SyncLogin, "patch", "certificate", certificate, "-n", gitlatch.Namespace, "--subresource=status", "--type=merge", "-p",
		`{"status":{"conditions":[{"type":"Issuing","status":"True","reason":"ManuallyTriggered","message":"by a test","lastTransitionTime":"`+
			time.Now().UTC().Format(time.RFC3339)+`"}]}}`).MustAllow(t)
	mustBeReissued(t, w, certificate, was)
}

func revisionOf(t *testing.T, w *world.World, certificate string) string {
	t.Helper()
	return w.Kubectl(t, "admin", "get", "certificate", certificate, "-n", gitlatch.Namespace, "-o", "jsonpath={.status.revision}").MustAllow(t).Out
}

// mustBeReissued waits until a certificate is, after this revision.
func mustBeReissued(t *testing.T, w *world.World, certificate, was string) {
	t.Helper()
	world.Eventually(t, certificate+" to be issued again", 2*time.Minute, func(context.Context) error {
		if now := revisionOf(t, w, certificate); now == was {
			return fmt.Errorf("it is at revision %s still", now)
		}
		return nil
	})
}

// mustServeMounted waits until every replica serves what is in the Secret, which is another than before.
func mustServeMounted(t *testing.T, w *world.World, before *corev1.Secret) {
	t.Helper()
	world.Eventually(t, "all replicas to serve the new certificate", 2*time.Minute, func(ctx context.Context) error {
		was, want := parse(before.Data["tls.crt"]), parse(mounted(t, w).Data["tls.crt"])
		if want == nil || want.Equal(was) {
			return errors.New("there is no new one")
		}
		for i := range w.Gate.Replicas() {
			leaf, err := served(ctx, w, i)
			if err != nil {
				return err
			}
			if !leaf.Equal(want) {
				return fmt.Errorf("replica %d serves another", i)
			}
		}
		return nil
	})
}
