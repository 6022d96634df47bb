package webhook

import (
	"encoding/json"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// respond puts a decision into the words of admission.k8s.io/v1.
func respond(req *policy.Request, d *policy.Decision, record string, patch []PatchOp) (*admissionv1.AdmissionResponse, error) {
	out := &admissionv1.AdmissionResponse{
		UID:              req.UID,
		Allowed:          d.Action != policy.Deny,
		AuditAnnotations: auditAnnotations(d, record),
	}
	if !out.Allowed {
		out.Result = denialStatus(req, d, record)
		return out, nil
	}
	out.Warnings = warnings(req, d, record)
	if len(patch) > 0 {
		raw, err := json.Marshal(patch)
		if err != nil {
			return nil, fmt.Errorf("encoding the patch: %w", err)
		}
		kind := admissionv1.PatchTypeJSONPatch
		out.Patch, out.PatchType = raw, &kind
	}
	return out, nil
}

// auditAnnotations join the API server's audit log with the records.
func auditAnnotations(d *policy.Decision, record string) map[string]string {
	out := make(map[string]string, 5)
	for _, a := range [][2]string{
		{v1alpha1.AuditDecision, d.Action.String()},
		{v1alpha1.AuditClass, string(d.Class)},
		{v1alpha1.AuditReason, string(d.Reason)},
		{v1alpha1.AuditPolicy, d.Policy},
		{v1alpha1.AuditRecord, record},
	} {
		if a[1] != "" {
			out[a[0]] = a[1]
		}
	}
	return out
}

// denialStatus is a 403: kubectl prints its message after the webhook's name.
func denialStatus(req *policy.Request, d *policy.Decision, record string) *metav1.Status {
	return &metav1.Status{
		Status:  metav1.StatusFailure,
		Code:    http.StatusForbidden,
		Reason:  metav1.StatusReasonForbidden,
		Message: denialText(req, d, record),
		Details: &metav1.StatusDetails{
			Group: req.Resource.Group,
			Kind:  req.Kind.Kind,
			Name:  req.Name,
			Causes: []metav1.StatusCause{{
				Type:    metav1.CauseType(d.Reason),
				Message: clean(d.Message),
			}},
		},
	}
}

// write sends the answer, always with HTTP 200: what the API server does with
// anything else is let the write pass, where the failure policy says Ignore.
func write(w http.ResponseWriter, response *admissionv1.AdmissionResponse) error {
	raw, err := json.Marshal(&admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: reviewAPIVersion, Kind: reviewKind},
		Response: response,
	})
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(raw); err != nil {
		return fmt.Errorf("sending the answer: %w", err)
	}
	return nil
}
