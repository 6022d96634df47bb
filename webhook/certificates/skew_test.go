package certificates

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionapi "k8s.io/api/admission/v1"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// A replica whose clock is wrong makes the authority and its own certificate, and
// the real API server, whose clock is right, calls it under them. Only where the
// clock is wrong by more than half a certificate's life it does not.
func TestTheAPIServerCallsAReplicaWhoseClockIsWrong(t *testing.T) {
	startControl(t)
	for _, c := range []struct {
		name   string
		clock  time.Duration
		called bool
	}{
		{"five minutes ahead", 5 * time.Minute, true},
		{"five minutes behind", -5 * time.Minute, true},
		{"three days ahead", 72 * time.Hour, true},
		{"three days behind", -72 * time.Hour, true},
		{"four days ahead", 96 * time.Hour, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := strings.ReplaceAll(c.name, " ", "-")
			d := skewed(t, name, c.clock)
			eventually(t, "it has a certificate", func() bool { return d.Ready() == nil })
			url, calls := serveDenials(t, d)
			register(t, name, url, d.Bundle())
			eventually(t, "the API server asks", func() bool {
				err := createMap(t, name)
				if c.called {
					return err != nil && strings.Contains(err.Error(), "denied the request: said the replica")
				}
				return err != nil && strings.Contains(err.Error(), "certificate has expired or is not yet valid")
			})
			if (calls.Load() > 0) != c.called {
				t.Errorf("it was called %d times", calls.Load())
			}
		})
	}
}

// An authority from a clock that is far ahead is replaced by the first replica that
// knows better, and the two then agree.
func TestAnAuthorityFromTheFutureIsReplaced(t *testing.T) {
	startControl(t)
	ahead := skewed(t, "future", 30*24*time.Hour)
	eventually(t, "it has a certificate", func() bool { return ahead.Ready() == nil })
	first := ahead.Bundle()
	right := skewed(t, "future", 0)
	eventually(t, "both know another authority", func() bool {
		return right.Ready() == nil && len(parse(right.Bundle())) == 2 && string(ahead.Bundle()) == string(right.Bundle())
	})
	current := right.trust.current[0]
	if current.NotBefore.After(time.Now()) || contains(parse(first), current) {
		t.Errorf("the authority begins at %s", current.NotBefore)
	}
	// Each makes one at most; they don't take turns.
	time.Sleep(time.Second)
	if diff := cmp.Diff(string(right.Bundle()), string(ahead.Bundle())); diff != "" {
		t.Error(diff)
	}
}

func skewed(t *testing.T, name string, by time.Duration) *Dynamic {
	t.Helper()
	d, err := newDynamic(DynamicOptions{
		Config: control.Config("admin"), Namespace: "default", Secret: name, DNSNames: []string{"localhost"},
		Timings: Timings{Retry: 100 * time.Millisecond},
	}, func() time.Time { return time.Now().Add(by) })
	if err != nil {
		t.Fatal(err)
	}
	start(t, d)
	return d
}

// serveDenials is a webhook that denies everything, under the source's certificate.
func serveDenials(t *testing.T, s Source) (url string, calls *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	calls = &atomic.Int64{}
	server := &http.Server{TLSConfig: TLSConfig(s), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		var review admissionapi.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			t.Errorf("reading a review: %v", err)
			return
		}
		review.Response = &admissionapi.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: "said the replica"}}
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Errorf("answering a review: %v", err)
		}
	})}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })
	return fmt.Sprintf("https://localhost:%d/", listener.Addr().(*net.TCPAddr).Port), calls
}

// register has the API server ask about ConfigMaps of this name, and fail where it
// can't.
func register(t *testing.T, name, url string, bundle []byte) {
	t.Helper()
	configurations := kubernetes.NewForConfigOrDie(control.Config("admin")).AdmissionregistrationV1().ValidatingWebhookConfigurations()
	_, err := configurations.Create(t.Context(), &admissionv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Webhooks: []admissionv1.ValidatingWebhook{{
			Name: name + ".example.com", ClientConfig: admissionv1.WebhookClientConfig{URL: &url, CABundle: bundle},
			AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionv1.SideEffectClassNone),
			FailurePolicy:   ptr.To(admissionv1.Fail),
			MatchConditions: []admissionv1.MatchCondition{{Name: "name", Expression: fmt.Sprintf("request.name == %q", name)}},
			Rules: []admissionv1.RuleWithOperations{{Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule: admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}}}},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = configurations.Delete(context.Background(), name, metav1.DeleteOptions{}) })
}

// createMap tries to, and leaves nothing behind.
func createMap(t *testing.T, name string) error {
	t.Helper()
	maps := kubernetes.NewForConfigOrDie(control.Config("admin")).CoreV1().ConfigMaps("default")
	_, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	return err
}
