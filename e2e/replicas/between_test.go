package replicas

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	registrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gitlatch/gitlatch/test/world"
)

// hook is a mutating webhook of somebody else, which lets everything pass and does
// something first. By its name it is called after the gate's mutating webhook and
// before its validating one, or before both.
type hook struct {
	name, group, resource string
	operation             registrationv1.OperationType
	namespace             string // of what it is called for; "" is cluster-scoped
	do                    atomic.Pointer[func(*admissionv1.AdmissionRequest)]
}

// afterwards has the next call do this, once.
func (h *hook) afterwards(do func(*admissionv1.AdmissionRequest)) { h.do.Store(&do) }

// register installs the hook, and waits until try makes the API server call it.
func (h *hook) register(t *testing.T, try func(context.Context) error) {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	config := &registrationv1.MutatingWebhookConfiguration{}
	config.Name = h.name
	hooked := registrationv1.MutatingWebhook{
		Name: "hook.replicas.example", SideEffects: ptr.To(registrationv1.SideEffectClassNone), AdmissionReviewVersions: []string{"v1"},
		FailurePolicy: ptr.To(registrationv1.Ignore), TimeoutSeconds: ptr.To[int32](20),
		ClientConfig: registrationv1.WebhookClientConfig{
			URL:      ptr.To(server.URL),
			CABundle: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
		},
		Rules: []registrationv1.RuleWithOperations{{
			Operations: []registrationv1.OperationType{h.operation},
			Rule:       registrationv1.Rule{APIGroups: []string{h.group}, APIVersions: []string{"*"}, Resources: []string{h.resource}},
		}},
	}
	if h.namespace != "" {
		hooked.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": h.namespace}}
	}
	config.Webhooks = append(config.Webhooks, hooked)
	admin := here.Client(t, "admin")
	world.Must(t, admin.Create(t.Context(), config))
	t.Cleanup(func() { world.Must(t, admin.Delete(context.Background(), config)) })
	var called atomic.Bool
	world.Eventually(t, "the hook to be called", 30*time.Second, func(ctx context.Context) error {
		h.afterwards(func(*admissionv1.AdmissionRequest) { called.Store(true) })
		if err := try(ctx); err != nil {
			return err
		}
		if !called.Load() {
			return errors.New("it was not")
		}
		return nil
	})
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	review := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Request == nil {
		http.Error(w, fmt.Sprint(err), http.StatusBadRequest)
		return
	}
	if do := h.do.Swap(nil); do != nil {
		(*do)(review.Request)
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(review) // a client that is gone has no use for it
}
