package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// TestOnTheRealControlPlane runs the plugin against an API server with
// Gitlatch's kinds and no gate. The order matters: each part finds what those
// before it left.
func TestOnTheRealControlPlane(t *testing.T) {
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
	t.Run("preflight of a cluster without Gitlatch", r.preflight)
	t.Run("records of a cluster without Gitlatch", r.withoutGitlatch)
	r.install(t)
	t.Run("no records", r.noRecords)
	r.remember(t)
	t.Run("records list", r.list)
	t.Run("records show", r.show)
	t.Run("review without a gate", r.review)
	t.Run("break-glass without a gate", r.breakGlassUnanswered)
	t.Run("break-glass ends", r.breakGlassEnds)
	t.Run("break-glass under a stamp", r.breakGlassStamped)
	t.Run("break-glass of what is not there", r.breakGlassMisses)
	t.Run("policy test over the cluster's own audit log", r.policyTest)
	t.Run("off of what is left of the gate", r.off)
	t.Run("uninstall", r.uninstall)
}

type rig struct{ *cluster.Cluster }

// as runs the plugin as a user, with the clock at noon.
func (r *rig) as(t *testing.T, user string, args ...string) outcome {
	t.Helper()
	return gitlatch(t.Context(), "", noon, append(args, "--kubeconfig", r.Kubeconfig(user))...)
}

// kubectl runs kubectl as admin and returns what it wrote.
func (r *rig) kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, errs, code := r.Kubectl(t.Context(), "admin", stdin, args...)
	if code != 0 {
		t.Fatalf("kubectl %v: exit %d: %s", args, code, errs)
	}
	return out
}

func (r *rig) install(t *testing.T) {
	crds, err := filepath.Abs("../../manifests/crds")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"changerecords", "changepolicies"} {
		r.kubectl(t, "", "apply", "-f", filepath.Join(crds, "gitlatch.dev_"+kind+".yaml"))
		r.kubectl(t, "", "wait", "--for=condition=established", "crd/"+kind+".gitlatch.dev", "--timeout=30s")
	}
	r.kubectl(t, "", "create", "namespace", "prod")
	r.kubectl(t, "", "create", "deployment", "web", "-n", "prod", "--image=registry.example/web:1")
}

// remember creates the records of the golden tests, as Gitlatch would write
// them.
func (r *rig) remember(t *testing.T) {
	server := newServer(ignoredStreams())
	kubeconfig := r.Kubeconfig("admin")
	server.flags.KubeConfig = &kubeconfig
	reader, err := server.records()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []v1alpha1.ChangeRecord{denied(), emergency(), reviewed()} {
		one.Labels = map[string]string{
			v1alpha1.LabelOutcome:   string(one.Spec.Outcome),
			v1alpha1.LabelUser:      record.UserHash(one.Spec.Requester.Username),
			v1alpha1.LabelNamespace: record.LabelValue(one.Spec.Request.Namespace),
			v1alpha1.LabelPolicy:    record.LabelValue(one.Spec.Policy),
		}
		status := one.Status
		if status.LastSeen.IsZero() {
			status.LastSeen = metav1.NewMicroTime(one.CreationTimestamp.Time)
		}
		if status.FirstSeen.IsZero() {
			status.FirstSeen = status.LastSeen
		}
		if err := reader.client.Post().Resource("changerecords").Body(&one).Do(t.Context()).Into(&one); err != nil {
			t.Fatal(err)
		}
		one.Status = status
		err := reader.client.Put().Resource("changerecords").Name(one.Name).SubResource("status").Body(&one).Do(t.Context()).Error()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rig) withoutGitlatch(t *testing.T) {
	want := outcome{Err: "error: this cluster has no Gitlatch: it knows no changerecords.gitlatch.dev\n", Code: 1}
	for _, args := range [][]string{{"records", "list"}, {"records", "show", "cr-1"}} {
		if diff := cmp.Diff(want, r.as(t, "alice", args...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", args, diff)
		}
	}
}

func (r *rig) noRecords(t *testing.T) {
	if diff := cmp.Diff(outcome{Err: "no records\n"}, r.as(t, "alice", "records", "list")); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func (r *rig) list(t *testing.T) {
	golden(t, "records-table-wide-false", r.as(t, "alice", "records", "list"))
	golden(t, "records-table-wide-true", r.as(t, "alice", "rec", "ls", "-o", "wide"))
	const denied, emergency, reviewed = "changerecord.gitlatch.dev/cr-denied\n",
		"changerecord.gitlatch.dev/cr-emergency\n", "changerecord.gitlatch.dev/cr-reviewed\n"
	tests := []struct {
		args []string
		want outcome
	}{
		{nil, outcome{Out: emergency + denied + reviewed}},
		{[]string{"--outcome", "breakglass"}, outcome{Out: emergency}},
		{[]string{"--user", "alice"}, outcome{Out: denied}},
		{[]string{"-n", "prod", "--kind", "deployments"}, outcome{Out: denied + reviewed}},
		{[]string{"-n", "shop"}, outcome{Err: "no records\n"}},
		{[]string{"--policy", "cluster", "--unreviewed"}, outcome{Out: emergency + denied}},
		{[]string{"--since", "1h"}, outcome{Out: emergency + denied}},
		{[]string{"--limit", "1"}, outcome{Out: emergency, Err: "2 older records are not shown; --limit 0 shows all\n"}},
	}
	for _, test := range tests {
		got := r.as(t, "alice", append([]string{"records", "list", "-o", "name"}, test.args...)...)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.args, diff)
		}
	}
	var list v1alpha1.ChangeRecordList
	if err := json.Unmarshal([]byte(r.as(t, "alice", "records", "list", "-o", "json").Out), &list); err != nil {
		t.Fatal(err)
	}
	if list.Kind != "ChangeRecordList" || len(list.Items) != 3 || list.Items[1].Spec.Requester.Username != "alice" {
		t.Errorf("list as JSON: %+v", list)
	}
}

func (r *rig) show(t *testing.T) {
	for _, name := range []string{"cr-denied", "cr-reviewed"} {
		golden(t, name, r.as(t, "alice", "records", "show", name))
	}
	want := outcome{Err: "error: no record \"cr-none\": kubectl gitlatch records list names those that there are\n", Code: 1}
	if diff := cmp.Diff(want, r.as(t, "alice", "records", "show", "cr-none")); diff != "" {
		t.Errorf("show (-want +got):\n%s", diff)
	}
	got := r.as(t, "alice", "records", "show", "cr-denied", "-o", "yaml")
	if !strings.HasPrefix(got.Out, "apiVersion: gitlatch.dev/v1alpha1\nkind: ChangeRecord\n") || strings.Contains(got.Out, "managedFields") {
		t.Errorf("show as YAML: %+v", got)
	}
	// reviewer has no rights here; the API server's own words are enough.
	want = outcome{Code: 1, Err: `error: changerecords.gitlatch.dev "cr-denied" is forbidden: User "reviewer" cannot get resource ` +
		`"changerecords" in API group "gitlatch.dev" at the cluster scope` + "\n"}
	if diff := cmp.Diff(want, r.as(t, "reviewer", "records", "show", "cr-denied")); diff != "" {
		t.Errorf("show without rights (-want +got):\n%s", diff)
	}
}

const unanswered = "error: the gate did not stamp this object: no window is open (is it governed by a ChangePolicy, and does the gate run?)\n"

// annotations returns those of Gitlatch on an object, and whether the plugin's
// field manager is there.
func (r *rig) annotations(t *testing.T, object ...string) (map[string]string, bool) {
	t.Helper()
	var read metav1.PartialObjectMetadata
	out := r.kubectl(t, "", append([]string{"get", "-o", "json", "--show-managed-fields"}, object...)...)
	if err := json.Unmarshal([]byte(out), &read); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for name, value := range read.Annotations {
		if strings.HasPrefix(name, v1alpha1.Group) {
			found[name] = value
		}
	}
	return found, slices.ContainsFunc(read.ManagedFields, func(entry metav1.ManagedFieldsEntry) bool {
		return entry.Manager == fieldManager
	})
}

func (r *rig) breakGlassUnanswered(t *testing.T) {
	reason := []string{"--reason", "INC-42: db failover"}
	dry := r.as(t, "oncall", append([]string{"break-glass", "deploy/web", "-n", "prod", "--dry-run=server"}, reason...)...)
	want := outcome{Out: "apps/Deployment prod/web: nothing refuses the emergency (server dry run: nothing was changed, no window is open)\n"}
	if diff := cmp.Diff(want, dry); diff != "" {
		t.Errorf("dry run (-want +got):\n%s", diff)
	}
	if found, manager := r.annotations(t, "deployment/web", "-n", "prod"); len(found) > 0 || manager {
		t.Errorf("the dry run left %v", found)
	}
	got := r.as(t, "oncall", append([]string{"break-glass", "deploy", "web", "-n", "prod", "--for", "30m"}, reason...)...)
	want = outcome{Code: 1, Err: unanswered, Out: "apps/Deployment prod/web: annotated with gitlatch.dev/break-glass\n" +
		"  end:     kubectl gitlatch break-glass deployments.apps/web -n prod --end\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("break-glass (-want +got):\n%s", diff)
	}
	found, manager := r.annotations(t, "deployment/web", "-n", "prod")
	wantFound := map[string]string{"gitlatch.dev/break-glass": "INC-42: db failover", "gitlatch.dev/break-glass-for": "30m"}
	if diff := cmp.Diff(wantFound, found); diff != "" || !manager {
		t.Errorf("manager %t; annotations (-want +got):\n%s", manager, diff)
	}
	got = r.as(t, "oncall", append([]string{"break-glass", "-n", "prod", "namespace/prod"}, reason...)...)
	want.Out = "Namespace prod: annotated with gitlatch.dev/break-glass\n  end:     kubectl gitlatch break-glass namespaces/prod --end\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("break-glass on a namespace (-want +got):\n%s", diff)
	}
}

func (r *rig) breakGlassEnds(t *testing.T) {
	end := []string{"break-glass", "deploy/web", "-n", "prod", "--end"}
	for _, want := range []string{
		"apps/Deployment prod/web: the emergency is ended\n",
		"apps/Deployment prod/web: nothing to end, it carries no gitlatch.dev/break-glass\n",
	} {
		if diff := cmp.Diff(outcome{Out: want}, r.as(t, "oncall", end...)); diff != "" {
			t.Errorf("end (-want +got):\n%s", diff)
		}
	}
	if found, _ := r.annotations(t, "deployment/web", "-n", "prod"); len(found) > 0 {
		t.Errorf("the end left %v", found)
	}
}

// breakGlassStamped: the stamps are put there by admin, since no gate runs; the
// gate's own are tested where the gate is.
func (r *rig) breakGlassStamped(t *testing.T) {
	stampAs := func(name string, until time.Time) {
		r.kubectl(t, "", "annotate", "namespace", "prod", "--overwrite",
			"gitlatch.dev/break-glass-by=oncall", "gitlatch.dev/break-glass-record="+name,
			"gitlatch.dev/break-glass-until="+until.Format(time.RFC3339))
	}
	args := []string{"break-glass", "ns/prod", "--reason", "INC-42: db failover"}
	stampAs("cr-emergency", noon().Add(25*time.Minute))
	want := outcome{Out: `Namespace prod: break-glass is open until 2026-03-02T12:25:00Z (25m0s left)
  for:     oncall
  reason:  INC-42: db failover
  record:  cr-emergency, everything in the namespace, until 2026-03-02T12:25:00Z
  next:    make the change with kubectl; then bring it into git, or undo it, before the end
  review:  kubectl gitlatch records show cr-emergency   (by somebody else)
  end:     kubectl gitlatch break-glass namespaces/prod --end
`}
	if diff := cmp.Diff(want, r.as(t, "oncall", args...)); diff != "" {
		t.Errorf("stamped (-want +got):\n%s", diff)
	}
	stampAs("cr-forged", noon().Add(25*time.Minute))
	want = outcome{Code: 1, Err: "error: the stamp names record cr-forged, which does not exist: no window is open\n"}
	if diff := cmp.Diff(want, r.as(t, "oncall", args...)); diff != "" {
		t.Errorf("a stamp without a record (-want +got):\n%s", diff)
	}
	stampAs("cr-emergency", noon().Add(-time.Minute))
	if got := r.as(t, "oncall", args...); got.Err != unanswered || got.Code != 1 {
		t.Errorf("a stamp that is over: %+v", got)
	}
}

func (r *rig) breakGlassMisses(t *testing.T) {
	tests := []struct {
		args []string
		want outcome
	}{
		{[]string{"deployment/none"}, outcome{Code: 1, Err: `error: deployments.apps "none" not found` + "\n"}},
		{[]string{"nonsense/web"}, outcome{Code: 1, Err: `error: the server doesn't have a resource type "nonsense"` + "\n"}},
		{[]string{"web"}, outcome{Code: 2, Err: `error: "web" names no object: use TYPE/NAME, such as deployment/web` + "\n"}},
		{[]string{"deployment/a", "deployment/b"}, outcome{Code: 2, Err: "error: name one target: TYPE/NAME or TYPE NAME\n"}},
		{[]string{"deployment/web", "--context", "other"},
			outcome{Code: 2, Err: `error: reading the kubeconfig: context "other" does not exist` + "\n"}},
	}
	for _, test := range tests {
		got := r.as(t, "oncall", append([]string{"break-glass", "--reason", "INC-42: db failover"}, test.args...)...)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.args, diff)
		}
	}
}

// policyTest: under a policy that guards everything, people are denied, and
// nothing of the control plane is.
func (r *rig) policyTest(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	all, err := os.ReadFile("testdata/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	everywhere := strings.Replace(string(all), "match:", "# match:", 1)
	if err := os.WriteFile(policy, []byte(everywhere), 0o600); err != nil {
		t.Fatal(err)
	}
	got := gitlatch(t.Context(), "", noon, "policy", "test", "-f", policy, "--audit-log", r.AuditLog(), "--mode", "Enforce", "-o", "json")
	var found result
	if err := json.Unmarshal([]byte(got.Out), &found); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	requesters := map[string]bool{}
	example := ""
	for _, row := range found.Rows {
		requesters[row.Requester] = true
		if row.Requester == "oncall" && row.Kind == "apps/Deployment" {
			example = fmt.Sprintf("%d denied, such as %s %s", row.Denied, row.Example.Verb, row.Example.Target)
		}
	}
	if diff := cmp.Diff(map[string]bool{"admin": true, "oncall": true}, requesters); diff != "" {
		t.Errorf("who is denied (-want +got):\n%s\n%+v", diff, found.Rows)
	}
	if want := "3 denied, such as patch apps/Deployment prod/web"; example != want {
		t.Errorf("oncall's Deployment: %q, want %q", example, want)
	}
	if got.Code != 1 || found.Totals.Events == 0 || found.Totals.Malformed > 0 || found.Totals.Allowed == 0 {
		t.Errorf("exit %d, totals %+v, stderr %s", got.Code, found.Totals, got.Err)
	}
}
