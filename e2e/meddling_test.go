package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Another webhook changes what dave writes after the gate has allowed it: the validating call judges what would be
// stored.
func TestAWebhookThatMutatesAfterUs(t *testing.T) {
	ns, dave := newNamespace(t, "declared"), newPerson(t, "dave")
	declareShop(t, ns)
	calls := meddler(t, ns)
	eventually(t, "the other webhook to be called", func(ctx context.Context) error {
		_, _, _ = plane.Kubectl(ctx, dave, "", "-n", ns, "patch", "configmap/settings", "-p", `{"data":{"mine":"0"}}`, "--dry-run=server")
		if calls.Load() == 0 {
			return errNone
		}
		return nil
	})
	for _, c := range []struct{ what, resource, act, path string }{
		{"a declared key", "configmaps", `patch configmap/settings -p {"data":{"mine":"1"}}`, ".data.color"},
		{"declared replicas", "deployments", "scale deployment/web --replicas=2", ".spec.replicas"},
	} {
		t.Run(c.what, func(t *testing.T) {
			mark := auditMark(t)
			kubectl(t, dave, append([]string{"-n", ns}, strings.Fields(c.act)...)...).MustDeny(t, v1alpha1.ReasonOutOfBand)
			events := auditedSince(t, mark, byIn(dave, ns))
			if len(events) != 1 {
				t.Fatalf("the audit log shows %d writes of dave's, want 1", len(events))
			}
			if got := said(events[0], v1alpha1.GateName)["decision"]; got != "allow" {
				t.Errorf("the mutating call said %q, want allow: the other webhook came first", got)
			}
			found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
				return r.Spec.Request.Namespace == ns && r.Spec.Request.Resource == c.resource
			})
			if len(found) != 1 {
				t.Fatalf("there are %d records, want 1", len(found))
			}
			paths := map[string]bool{}
			for _, change := range found[0].Spec.Changes {
				paths[change.Path] = true
			}
			if !paths[c.path] {
				t.Errorf("the record shows changes at %v, want %s among them", sortedKeys(paths), c.path)
			}
		})
	}
	out := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "-o", "jsonpath={.data}").Out
	if diff := cmp.Diff(`{"color":"blue","motto":"git is the only path"}`, out); diff != "" {
		t.Errorf("the ConfigMap (-want +got):\n%s", diff)
	}
	if out := kubectl(t, "admin", "-n", ns, "get", "deployment/web", "-o", "jsonpath={.spec.replicas}").Out; out != "2" {
		t.Errorf("the Deployment has %s replicas, want 2", out)
	}
	// Inside a window the person answers for what becomes of the write, and the record shows it.
	kubectl(t, "oncall", "-n", ns, "annotate", "configmap/settings", "gitlatch.dev/break-glass=INC-42: wrong colour in production").MustAllow(t)
	kubectl(t, "oncall", "-n", ns, "patch", "configmap/settings", "-p", `{"data":{"mine":"1"}}`).MustAllow(t)
	if out := kubectl(t, "admin", "-n", ns, "get", "configmap/settings", "-o", "jsonpath={.data.color}").Out; out != "meddled" {
		t.Errorf("the colour is %s, want meddled", out)
	}
}

// meddler is a small real mutating webhook that git registers for one namespace, after ours by name. It leaves the
// sync's own writes alone, and counts the others.
func meddler(t *testing.T, ns string) *atomic.Int64 {
	t.Helper()
	calls := &atomic.Int64{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(r.Body).Decode(review); err != nil || review.Request == nil {
			http.Error(w, "no review", http.StatusBadRequest)
			return
		}
		answer := &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: true}
		if review.Request.UserInfo.Username != "system:serviceaccount:gitops:sync" {
			calls.Add(1)
			kind := admissionv1.PatchTypeJSONPatch
			answer.Patch, answer.PatchType = meddling(review.Request), &kind
		}
		review.Request, review.Response = nil, answer
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(review)
	}))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	declare(t, fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: zz-meddler}
webhooks:
- name: meddler.e2e.example
  admissionReviewVersions: [v1]
  sideEffects: None
  reinvocationPolicy: IfNeeded
  failurePolicy: Fail
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %s}}
  clientConfig: {url: "%s", caBundle: %s}
  rules:
  - {apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [configmaps]}
  - {apiGroups: [apps], apiVersions: [v1], operations: [UPDATE], resources: [deployments/scale]}
`, ns, server.URL, base64.StdEncoding.EncodeToString(ca)))
	t.Cleanup(func() {
		_, stderr, code := plane.Kubectl(context.Background(), syncer, "", "delete", "mutatingwebhookconfiguration", "zz-meddler")
		if code != 0 {
			t.Errorf("removing the other webhook: %s", stderr)
		}
		server.Close()
	})
	return calls
}

func meddling(request *admissionv1.AdmissionRequest) []byte {
	if request.SubResource == "scale" {
		return []byte(`[{"op":"replace","path":"/spec/replicas","value":9}]`)
	}
	return []byte(`[{"op":"replace","path":"/data/color","value":"meddled"}]`)
}
