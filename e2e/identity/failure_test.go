package identity

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// ignoring has both configurations as they are, but for the failure policy, while the registration stands down; what it
// returns puts them back.
func ignoring(t *testing.T) func() {
	t.Helper()
	admin := here.Client(t, "admin")
	mutating, validating := &admissionv1.MutatingWebhookConfiguration{}, &admissionv1.ValidatingWebhookConfiguration{}
	for _, o := range []client.Object{mutating, validating} {
		world.Must(t, admin.Get(t.Context(), client.ObjectKey{Name: "gitlatch"}, o))
	}
	ignore := admissionv1.Ignore
	for i := range mutating.Webhooks {
		mutating.Webhooks[i].FailurePolicy = &ignore
	}
	for i := range validating.Webhooks {
		validating.Webhooks[i].FailurePolicy = &ignore
	}
	mutating.Webhooks = append(mutating.Webhooks, nowhere("mutating"))
	validating.Webhooks = append(validating.Webhooks, asValidating(nowhere("validating")))
	for _, o := range []client.Object{mutating, validating} {
		o.SetAnnotations(map[string]string{v1alpha1.AnnotationOff: "INC-42: trying another failure policy"})
		world.Must(t, admin.Update(t.Context(), o))
	}
	for _, name := range []string{"mutating", "validating"} {
		inUse(t, name)
	}
	return func() {
		for _, kind := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
			here.Kubectl(t, "admin", "annotate", kind, "gitlatch", v1alpha1.AnnotationOff+"-").MustAllow(t)
		}
		world.Must(t, here.Gate.WaitPolicy(t.Context(), "cluster"))
	}
}

// inUse waits until the API server asks the webhook nowhere of this name.
func inUse(t *testing.T, name string) {
	t.Helper()
	world.Eventually(t, "the "+name+" configuration to be in use", waitLong, func(context.Context) error {
		if a := known(t, syncer).send(t, probing("default", name)); !strings.Contains(a.said, "failed calling webhook") {
			return fmt.Errorf("the probe is answered %d: %.200s", a.code, a.said)
		}
		return nil
	})
}

// probing is a request that the webhook nowhere of this name is asked about.
func probing(ns, name string) request {
	return request{http.MethodPost, core + ns + "/configmaps", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: probe, labels: {probe: " + name + "}}\n", ""}.dry()
}

// nowhere is a webhook that never answers, and so shows when its configuration is in use.
func nowhere(name string) admissionv1.MutatingWebhook {
	fail, none, url := admissionv1.Fail, admissionv1.SideEffectClassNone, "https://127.0.0.1:1/"
	return admissionv1.MutatingWebhook{
		Name: name + ".probe.example", ClientConfig: admissionv1.WebhookClientConfig{URL: &url}, FailurePolicy: &fail, SideEffects: &none,
		AdmissionReviewVersions: []string{"v1"}, ObjectSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"probe": name}},
		Rules: []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}}}},
	}
}

func asValidating(w admissionv1.MutatingWebhook) admissionv1.ValidatingWebhook {
	return admissionv1.ValidatingWebhook{
		Name: w.Name, ClientConfig: w.ClientConfig, FailurePolicy: w.FailurePolicy, SideEffects: w.SideEffects,
		AdmissionReviewVersions: w.AdmissionReviewVersions, ObjectSelector: w.ObjectSelector, Rules: w.Rules,
	}
}
