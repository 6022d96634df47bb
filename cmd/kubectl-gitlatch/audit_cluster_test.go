package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

const auditedPolicy = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  match: {excludeNamespaces: [kube-system]}
  sync: [{serviceAccount: {namespace: gitops, name: sync}, fieldManagers: [sync]}]
`

// TestAuditOnTheRealControlPlane looks for bypasses in a cluster without a gate: both
// witnesses tell of them, once, and what is on record is explained.
func TestAuditOnTheRealControlPlane(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv("HOME", t.TempDir())
	r := &rig{c}
	want := outcome{Err: "error: this cluster has no Gitlatch: it knows no changepolicies.gitlatch.dev\n", Code: 2}
	if diff := cmp.Diff(want, r.as(t, "admin", "audit")); diff != "" {
		t.Errorf("without Gitlatch (-want +got):\n%s", diff)
	}
	r.install(t)
	r.kubectl(t, auditedPolicy, "create", "-f", "-")
	time.Sleep(6 * time.Second) // the policy is in force
	if _, errs, code := c.Kubectl(t.Context(), "alice", "", "create", "configmap", "mine", "-n", "prod", "--from-literal=a=hunter2"); code != 0 {
		t.Fatal(errs)
	}
	if _, errs, code := c.Kubectl(t.Context(), "alice", "", "label", "deployment", "web", "-n", "prod", "team=shop"); code != 0 {
		t.Fatal(errs)
	}
	managers := []string{
		"Indicated ForeignManager manager kubectl-create CREATE configmaps prod/mine",
		"Indicated ForeignManager manager kubectl-label UPDATE deployments prod/web",
	}
	users := []string{"Proven Unguarded alice CREATE configmaps prod/mine", "Proven Unguarded alice UPDATE deployments prod/web"}
	r.audited(t, 1, managers)
	r.audited(t, 1, users, "--audit-log", c.AuditLog())
	r.audited(t, 0, nil, "--audit-log", c.AuditLog(), "-n", "default")
	r.audited(t, 1, users, "--audit-log", c.AuditLog(), "--record")
	var recorded v1alpha1.ChangeRecordList
	if err := json.Unmarshal([]byte(r.kubectl(t, "", "get", "changerecords", "-o", "json")), &recorded); err != nil {
		t.Fatal(err)
	}
	if n := len(recorded.Items); n != 2 {
		t.Errorf("%d records, want 2", n)
	}
	// The records themselves were written by a person, here, where there is no gate.
	explained := gitlatch(t.Context(), "", time.Now, "audit", "-n", "prod", "--audit-log", c.AuditLog(), "--kubeconfig", r.Kubeconfig("admin"))
	if explained.Code != 0 || !strings.Contains(explained.Err, "0 found that no record explains (0 proven, 0 indicated)") {
		t.Errorf("after they are on record: %+v", explained)
	}
}

// audited runs an audit as admin, and tells its findings in the namespaces of people.
func (r *rig) audited(t *testing.T, code int, want []string, args ...string) {
	t.Helper()
	args = append([]string{"audit", "-o", "json", "--kubeconfig", r.Kubeconfig("admin")}, args...)
	if !slices.Contains(args, "-n") {
		args = append(args, "-n", "prod")
	}
	got := gitlatch(t.Context(), "", time.Now, args...)
	var report auditReport
	if err := json.Unmarshal([]byte(got.Out), &report); err != nil {
		t.Fatalf("%+v: %v", got, err)
	}
	var found []string
	for i := range report.Findings {
		f := &report.Findings[i]
		found = append(found, fmt.Sprintf("%s %s %s %s %s %s/%s", f.Confidence, f.Reason, byWhom(f), f.Request.Operation, f.Request.Resource, f.Request.Namespace, f.Request.Name))
	}
	slices.Sort(found)
	if diff := cmp.Diff(want, found); diff != "" || got.Code != code {
		t.Errorf("%v: exit %d, want %d (-want +got):\n%s\n%s", args, got.Code, code, diff, got.Err)
	}
	if strings.Contains(got.Out+got.Err, "hunter2") {
		t.Error("the audit shows a value")
	}
}
