package webhook

import (
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
)

// TestNobodyIsCalledAForgerUnread: the validating call comes to another replica than the
// mutating one, which has marked the object, and the API server does not say which windows
// are open. That is denied, and no forgery; where it does say, it is one.
func TestNobodyIsCalledAForgerUnread(t *testing.T) {
	marked := deployment(func(r *admissionv1.AdmissionRequest) {
		r.UserInfo.Groups = []string{"oncall"}
		r.Object.Raw = []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7",` +
			`"annotations":{"gitlatch.dev/break-glass":"INC-42: the disk is full","gitlatch.dev/break-glass-by":"alice",` +
			`"gitlatch.dev/break-glass-until":"2026-01-01T01:00:00Z","gitlatch.dev/break-glass-record":"cr-open"}},"spec":{"replicas":4}}`)
	})
	for name, c := range map[string]struct {
		away error
		want string
	}{
		"the windows could not be read": {errors.New("listing the open windows of alice: an error on the server"), "Undecided: "},
		"there is no such window":       {nil, "Forged: "},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, true, policyIn(t, v1alpha1.ModeEnforce))
			g.grants.live = func() ([]policy.Window, error) { return nil, c.away }
			response := g.post(marked)
			if response.Allowed || !strings.HasPrefix(response.Result.Message, c.want) {
				t.Fatalf("allowed %t: %s", response.Allowed, response.Result.Message)
			}
			if got := g.recorder.outcomes(); len(got) != 1 || got[0] != v1alpha1.OutcomeDenied {
				t.Errorf("on record: %v", got)
			}
		})
	}
}
