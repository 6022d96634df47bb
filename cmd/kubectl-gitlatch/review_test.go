package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// forgotten is bob's Flagged change of four days ago, on which alice has spoken.
func forgotten() v1alpha1.ChangeRecord {
	r := denied()
	r.Name = "cr-forgotten"
	r.Spec.Outcome, r.Spec.Requester = v1alpha1.OutcomeFlagged, v1alpha1.Requester{Username: "bob"}
	r.Status = v1alpha1.ChangeRecordStatus{
		Count: 1, Phase: v1alpha1.PhaseObserved, FirstSeen: metav1.NewMicroTime(noon().Add(-96 * time.Hour)),
		Review: &v1alpha1.Review{Comments: []v1alpha1.ReviewComment{
			{Author: "alice", Text: "what\nwas this for?", At: metav1.NewTime(noon().Add(-95 * time.Hour))},
		}},
	}
	return r
}

func TestReviewTableGolden(t *testing.T) {
	for wide, name := range map[bool]string{false: "review-table", true: "review-table-wide"} {
		var out bytes.Buffer
		if err := printWaiting(&out, []v1alpha1.ChangeRecord{forgotten(), emergency()}, wide, noon()); err != nil {
			t.Fatal(err)
		}
		golden(t, name, outcome{Out: out.String()})
	}
}

func TestCommentsAreShown(t *testing.T) {
	var out bytes.Buffer
	record := forgotten()
	if err := printRecord(&out, &record, noon()); err != nil {
		t.Fatal(err)
	}
	const want = "Review:     none yet\nSaid:\n  2026-02-26T13:00:00Z  alice: what was this for?\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("the record is shown without %q:\n%s", want, &out)
	}
}

func TestReviewBadUsageIsOneLineAndExits2(t *testing.T) {
	nobody(t)
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no kubeconfig", []string{"review"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{"no kubeconfig for a verdict", []string{"review", "approve", "cr-1"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{"an unknown command", []string{"review", "aprove", "cr-1"}, `error: unknown command "aprove" for "kubectl gitlatch review"` + "\n"},
		{"an unknown output", []string{"review", "-o", "csv"}, `error: unknown output "csv": use one of table, wide, json, yaml, name` + "\n"},
		{"an unknown output of show", []string{"review", "show", "cr-1", "-o", "table"}, `error: unknown output "table": use one of json, yaml, name` + "\n"},
		{"an unknown outcome", []string{"review", "list", "--outcome", "bad"}, `error: unknown outcome "bad": use one of Denied, Flagged, BreakGlass, Drift, Bypass, Tampered` + "\n"},
		{"a negative limit", []string{"review", "--limit", "-1"}, "error: --limit -1: use 0 for all, or a number above it\n"},
		{"no record", []string{"review", "approve"}, "error: requires at least 1 arg(s), only received 0\n"},
		{"a rejection without a reason", []string{"review", "reject", "cr-1", "--comment", " "}, `error: a rejection needs a reason: pass --comment "<why, and what to do>"` + "\n"},
		{"a comment that says nothing", []string{"review", "comment", "cr-1"}, `error: nothing to say: pass --comment "<text>"` + "\n"},
		{"a comment that is too long", []string{"review", "comment", "cr-1", "--comment", strings.Repeat("é", 1025)}, "error: --comment has 1025 characters, and at most 1024 are kept\n"},
		{"a comment on a verdict that is too long", []string{"review", "approve", "cr-1", "--comment", strings.Repeat("é", 4097)}, "error: --comment has 4097 characters, and at most 4096 are kept\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, gitlatch(t.Context(), "", noon, test.args...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// review runs where no gate signs. It leaves the records as they are, but for the one
// that it puts there.
func (r *rig) review(t *testing.T) {
	golden(t, "review", r.as(t, "alice", "review"))
	golden(t, "review-show", r.as(t, "alice", "review", "show", "changerecord.gitlatch.dev/cr-emergency"))
	for _, test := range []struct {
		user string
		args []string
		want outcome
	}{
		{"alice", []string{"list", "-o", "name"}, outcome{Out: "changerecord.gitlatch.dev/cr-emergency\n"}},
		{"alice", []string{"list", "--overdue"}, outcome{Err: "nothing waits for a review\n"}},
		{"alice", []string{"list", "--user", "alice", "-o", "name"}, outcome{Err: "nothing waits for a review\n"}},
		{"alice", []string{"list", "--outcome", "denied"}, outcome{Err: "nothing waits for a review\n"}},
		{"alice", []string{"show", "cr-none"},
			outcome{Err: "error: no record \"cr-none\": kubectl gitlatch review list names those that wait, records list all of them\n", Code: 1}},
		{"alice", []string{"approve", "cr-none"},
			outcome{Err: "error: no record \"cr-none\": kubectl gitlatch review list names those that wait, records list all of them\n", Code: 1}},
		{"alice", []string{"approve", "cr-reviewed"}, outcome{Err: "error: record cr-reviewed is approved by bob already: --overrule gives another verdict\n", Code: 1}},
		{"reviewer", []string{"approve", "cr-emergency"}, outcome{Code: 1, Err: `error: changerecords.gitlatch.dev "cr-emergency" is forbidden: User "reviewer" cannot get resource ` +
			`"changerecords" in API group "gitlatch.dev" at the cluster scope (the ClusterRole gitlatch-reviewer gives the right to review)` + "\n"}},
		{"admin", []string{"comment", "cr-emergency", "--comment", "hm"},
			outcome{Err: "error: the gate did not sign the review of cr-emergency, so it counts for nothing: does the gate run?\n", Code: 1}},
		{"admin", []string{"approve", "cr-emergency"},
			outcome{Err: "error: the gate did not sign the review of cr-emergency, so it counts for nothing: does the gate run?\n", Code: 1}},
	} {
		got := r.as(t, test.user, append([]string{"review"}, test.args...)...)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("review %v as %s (-want +got):\n%s", test.args, test.user, diff)
		}
	}
	r.kubectl(t, "", "patch", "changerecord", "cr-emergency", "--subresource=status", "--type=merge", "-p", `{"status":{"review":null}}`)
	offered := gitlatch(t.Context(), "", noon, "__complete", "--kubeconfig", r.Kubeconfig("alice"), "review", "approve", "")
	if !strings.HasPrefix(offered.Out, "cr-emergency\n:4\n") {
		t.Errorf("the tab key offers %q", offered.Out)
	}
}
