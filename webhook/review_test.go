package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// TestReviewIsSigned: the reviewer's name and the time are the gate's.
func TestReviewIsSigned(t *testing.T) {
	now := time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)
	req := &policy.Request{
		User:   policy.User{Name: "bob"},
		Object: map[string]any{"status": map[string]any{"review": map[string]any{"verdict": "Approved", "reviewer": "carol"}}},
	}
	review := policy.Decision{Action: policy.Allow, Class: v1alpha1.ClassReview}
	got := reviewPatch(req, &review, now)
	want := []PatchOp{{
		Op: "add", Path: "/status/review",
		Value: map[string]any{"verdict": "Approved", "reviewer": "bob", "at": "2026-11-23T15:04:05Z"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reviewPatch() (-want +got):\n%s", diff)
	}
	final := *req
	final.Final = true
	for what, got := range map[string][]PatchOp{
		"another class":   reviewPatch(req, &policy.Decision{Action: policy.Allow, Class: v1alpha1.ClassOwn}, now),
		"a denial":        reviewPatch(req, &policy.Decision{Class: v1alpha1.ClassReview}, now),
		"the second call": reviewPatch(&final, &review, now),
	} {
		if got != nil {
			t.Errorf("reviewPatch() of %s = %v, want nothing", what, got)
		}
	}
}

// TestADryRunOfAReviewIsSigned: the validating call asks who signed, and judges a dry
// run the same.
func TestADryRunOfAReviewIsSigned(t *testing.T) {
	const record = `{"apiVersion":"gitlatch.dev/v1alpha1","kind":"ChangeRecord","metadata":{"name":"cr-1"},"spec":{"requester":{"username":"bob"}},"status":{%s}}`
	body := deployment(func(r *admissionv1.AdmissionRequest) {
		yes := true
		r.DryRun = &yes
		r.Kind = metav1.GroupVersionKind{Group: "gitlatch.dev", Version: "v1alpha1", Kind: "ChangeRecord"}
		r.Resource = metav1.GroupVersionResource{Group: "gitlatch.dev", Version: "v1alpha1", Resource: "changerecords"}
		r.SubResource, r.Namespace, r.Name = "status", "", "cr-1"
		r.OldObject.Raw = fmt.Appendf(nil, record, "")
		r.Object.Raw = fmt.Appendf(nil, record, `"review":{"verdict":"Approved"}`)
	})
	g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
	g.handler.Now = func() time.Time { return time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC) }
	got := g.post(body)
	const want = `[{"op":"add","path":"/status/review","value":{"at":"2026-11-23T15:04:05Z","reviewer":"alice","verdict":"Approved"}}]`
	if !got.Allowed || string(got.Patch) != want {
		t.Errorf("allowed %t, patch %s; want %s", got.Allowed, got.Patch, want)
	}
}

// TestAProxyIsJudgedByItsPod: a port or a scheme with the name is no other pod, which
// could not be looked up.
func TestAProxyIsJudgedByItsPod(t *testing.T) {
	for sent, want := range map[string]string{"web-0": "web-0", "web-0:8080": "web-0", "https:web-0:8443": "web-0", "ftp:web-0:21": "ftp:web-0:21"} {
		req, recorded, err := decodeReview(deployment(func(r *admissionv1.AdmissionRequest) {
			r.Operation, r.SubResource, r.Name = admissionv1.Connect, "proxy", sent
			r.Resource = metav1.GroupVersionResource{Version: "v1", Resource: "pods"}
			r.Kind = metav1.GroupVersionKind{Version: "v1", Kind: "PodProxyOptions"}
			r.Object.Raw, r.OldObject.Raw = []byte(`{"path":"/"}`), nil
		}), false)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{want, want}, []string{req.Name, recorded}); diff != "" {
			t.Errorf("names of %q (-want +got):\n%s", sent, diff)
		}
	}
}
