package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestHowFarASyncIs(t *testing.T) {
	condition := func(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
	}
	reconciling := condition("Reconciling", "True", "Progressing", "applying 2 of 5")
	tests := []struct {
		name       string
		seen       bool
		suspended  bool
		conditions []metav1.Condition
		want       standing
	}{
		{"nobody looked yet", false, false, []metav1.Condition{condition("Ready", "True", "Applied", "applied")}, standing{}},
		{"on the way", false, false, []metav1.Condition{reconciling}, standing{text: "applying 2 of 5"}},
		{"looked at, and on the way", true, false, []metav1.Condition{condition("Ready", "Unknown", "Progressing", ""), reconciling}, standing{text: "applying 2 of 5"}},
		{"applied", true, false, []metav1.Condition{condition("Ready", "True", "Applied", "applied")}, standing{ended: true}},
		{"failed", true, false, []metav1.Condition{condition("Ready", "False", "FetchFailed", "no route"), reconciling},
			standing{ended: true, failed: "FetchFailed: no route"}},
		{"stalled", true, false, []metav1.Condition{condition("Ready", "False", "PlaintextSecret", "x"), condition("Stalled", "True", "PlaintextSecret", "a.yaml")},
			standing{ended: true, failed: "PlaintextSecret: a.yaml"}},
		{"waiting for another sync", true, false, []metav1.Condition{condition("Ready", "False", "DependencyNotReady", "infra")},
			standing{text: "DependencyNotReady: infra"}},
		{"suspended meanwhile", false, true, nil, standing{ended: true, failed: "it was suspended meanwhile"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sync := &v1alpha1.GitSync{Spec: v1alpha1.GitSyncSpec{Suspend: test.suspended}, Status: v1alpha1.GitSyncStatus{Conditions: test.conditions}}
			if diff := cmp.Diff(test.want, standingOf(sync, test.seen), cmp.AllowUnexported(standing{})); diff != "" {
				t.Errorf("standing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARequestIsAnsweredByALaterOneToo(t *testing.T) {
	at := noon().Format(time.RFC3339Nano)
	for handled, want := range map[string]bool{
		"": false, at: true, "nonsense": false,
		noon().Add(-time.Nanosecond).Format(time.RFC3339Nano): false,
		noon().Add(time.Millisecond).Format(time.RFC3339Nano): true,
	} {
		sync := &v1alpha1.GitSync{Status: v1alpha1.GitSyncStatus{LastHandledReconcileAt: handled}}
		if got := answered(sync, at); got != want {
			t.Errorf("handled %q: %t, want %t", handled, got, want)
		}
	}
}

func TestBadUsageOfTheSyncCommands(t *testing.T) {
	nobody(t)
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no sync", []string{"sync"}, "error: name a sync, or pass --all\n"},
		{"a name and all", []string{"suspend", "prod", "--all"}, "error: name syncs, or pass --all: not both\n"},
		{"a time without a wait", []string{"resume", "prod", "--timeout", "1m"}, "error: --timeout is for --wait\n"},
		{"a time that is none", []string{"sync", "prod", "--wait", "--timeout", "-1m"}, "error: --timeout -1m0s: use a time such as 5m\n"},
		{"an unknown output", []string{"sync", "prod", "-o", "csv"}, `error: unknown output "csv": use one of json, yaml, name` + "\n"},
		{"no kubeconfig", []string{"suspend", "prod"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
		{"diff of nothing", []string{"diff"}, "error: name a sync, or pass -f with a folder of a working copy\n"},
		{"diff of a commit on disk", []string{"diff", "-f", ".", "--revision", "main"},
			"error: --repo and --revision are for a sync: -f compares what is on disk\n"},
		{"a chart that says itself", []string{"diff", "prod", "--release-name", "x"},
			"error: --release-name and --helm-values are for -f: a sync says itself how its chart is rendered\n"},
		{"diff without a cluster", []string{"diff", "prod"}, "error: no kubeconfig: set KUBECONFIG or pass --kubeconfig\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(outcome{Err: test.want, Code: 2}, gitlatch(t.Context(), "", noon, test.args...)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}
