package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// FuzzHandler: whatever is posted, the answer is a review; one that carries the uid that was asked, where it can be
// read; and what can't be read is never allowed.
func FuzzHandler(f *testing.F) {
	whole := deployment()
	f.Add(whole, false)
	f.Add(whole, true)
	f.Add(whole[:len(whole)/2], false)
	f.Add(bytes.Replace(whole, []byte(`"UPDATE"`), []byte(`"DELETE"`), 1), true)
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1"}}`), false)
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}`), false)
	f.Add([]byte(`null`), true)
	g := map[bool]*gate{false: newGate(f, false, policyIn(f, v1alpha1.ModeEnforce)), true: newGate(f, true, policyIn(f, v1alpha1.ModeEnforce))}
	f.Fuzz(func(t *testing.T, body []byte, final bool) {
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		g[final].handler.ServeHTTP(w, r)
		response := reviewed(t, w.Code, w.Body.Bytes())
		req, _, err := decodeReview(body, final)
		if err != nil && response.Allowed {
			t.Errorf("allowed although %v", err)
		}
		if err == nil && response.UID != req.UID {
			t.Errorf("uid %q, asked %q", response.UID, req.UID)
		}
		if response.Patch != nil && !json.Valid(response.Patch) {
			t.Errorf("a patch that is no JSON: %s", response.Patch)
		}
	})
}
