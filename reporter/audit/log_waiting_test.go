package audit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Of two writes of one person to one object at about the same time, the gate answered
// one. Its record explains that one, and not the other, whichever comes first in the
// log.
func TestARecordExplainsTheWriteThatItIsOf(t *testing.T) {
	at := func(seconds int) func(map[string]any) {
		return with("requestReceivedTimestamp", noon.Add(time.Duration(seconds)*time.Second).Format(metav1.RFC3339Micro))
	}
	open := func(id string, seconds int) map[string]any {
		return logged("alice", "patch", "apps/deployments", "prod/web", at(seconds), with("auditID", id),
			annotated(failedMutating+"round_0_index_0", "gate.gitlatch.dev", failedValidating+"round_0_index_0", "final.gitlatch.dev"))
	}
	answered := logged("alice", "patch", "apps/deployments", "prod/web", at(2), with("auditID", "answered"),
		annotated("gate.gitlatch.dev/decision", "flag", "gate.gitlatch.dev/record", "cr-1"))
	later := logged("alice", "patch", "apps/deployments", "prod/db", at(60), with("auditID", "later"), annotated("gate.gitlatch.dev/decision", "allow"))
	for name, test := range map[string]struct {
		events []map[string]any
		want   []string
	}{
		"nobody answered":               {[]map[string]any{open("open", 1)}, []string{"open by cr-1"}},
		"the other was answered after":  {[]map[string]any{open("open", 1), answered}, []string{"open by "}},
		"the other was answered before": {[]map[string]any{answered, open("open", 3)}, []string{"open by "}},
		"the log goes on":               {[]map[string]any{open("open", 1), answered, later, open("late", 61)}, []string{"open by ", "late by "}},
	} {
		t.Run(name, func(t *testing.T) {
			known := newKnown()
			rec := &v1alpha1.ChangeRecord{}
			rec.Name = "cr-1"
			rec.Spec = v1alpha1.ChangeRecordSpec{
				Outcome: v1alpha1.OutcomeFlagged, Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
				Requester: v1alpha1.Requester{Username: "alice"},
				Request:   v1alpha1.RecordedRequest{Operation: "UPDATE", Group: "apps", Resource: "deployments", Namespace: "prod", Name: "web"},
			}
			rec.Status.FirstSeen.Time = noon.Add(2 * time.Second)
			known.add(rec)
			var got []string
			l := &Log{Policies: enforced(t, nil), Install: install, Known: known}
			_, err := l.Survey(t.Context(), strings.NewReader(lines(test.events...)), func(f Finding) error {
				got = append(got, string(f.Request.UID)+" by "+strings.Join(f.Records, " "))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("findings, and what explains them (-want +got):\n%s", diff)
			}
		})
	}
}
