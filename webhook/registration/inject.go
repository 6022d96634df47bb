package registration

import (
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// injectCAFrom has cert-manager's CA injector put the authority of a Certificate
// into every caBundle of the configuration.
// Source: cert-manager, pkg/apis/certmanager/v1/types.go, WantInjectAnnotation.
const injectCAFrom = "cert-manager.io/inject-ca-from"

// injectorAnnotations are all by which that injector may be told to.
// Source: the same file.
func injectorAnnotations() []string {
	return []string{injectCAFrom, "cert-manager.io/inject-ca-from-secret", "cert-manager.io/inject-apiserver-ca"}
}

// isInjected: the bundle is the injector's.
func isInjected(want client.Object) bool { return want.GetAnnotations()[injectCAFrom] != "" }

// injectors are the annotations in live by which an injector would fight for the
// bundle with us. Where we have no bundle, whoever set them may.
func injectors(live, want client.Object) []string {
	ours := slices.ContainsFunc(webhooksOf(want), func(w admissionv1.MutatingWebhook) bool { return w.ClientConfig.CABundle != nil })
	var out []string
	for _, k := range injectorAnnotations() {
		_, set := live.GetAnnotations()[k]
		if _, meant := want.GetAnnotations()[k]; set && !meant && ours {
			out = append(out, k)
		}
	}
	return out
}

// injected is the bundle that somebody else put there: of the same webhook, else
// of any, since all of ours are served by one certificate.
func injected(webhooks []admissionv1.MutatingWebhook, name string) []byte {
	var other []byte
	for i := range webhooks {
		b := webhooks[i].ClientConfig.CABundle
		if webhooks[i].Name == name && len(b) > 0 {
			return b
		}
		if other == nil && len(b) > 0 {
			other = b
		}
	}
	return other
}
