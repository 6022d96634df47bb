package reporter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Scenario 27: the gate is removed, something is changed by hand, the gate is restored. The removal, the gap and the
// change are on record by themselves; the audit log tells who it was.
func TestTheGateRemovedAChangeByHandTheGateRestored(t *testing.T) {
	shut(t)
	began := time.Now()
	ns := named("removed")
	synced(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n---\n%s", ns,
		strings.NewReplacer("OBJECT", "settings", "namespace: shop", "namespace: "+ns, "red", "blue").Replace(newConfigMap)))
	kubectl(t, "admin", "", "patch", "validatingwebhookconfiguration/gitlatch", "--type=json", "-p", `[{"op":"replace","path":"/webhooks/0/timeoutSeconds","value":1}]`)
	tampering(t, began)
	time.Sleep(2 * time.Second) // managedFields tell the second
	shut(t)

	before := gaps(t)
	gone := time.Now()
	gate.Kill(0)
	must(t, gate.RemoveBackstop(t.Context()))
	for _, configuration := range strings.Split(both, ",") {
		kubectl(t, "admin", "", "delete", configuration)
	}
	kubectl(t, "alice", "", "-n", ns, "patch", "configmap", "settings", "-p", `{"data":{"color":"red"}}`)
	gap := newGap(t, before, "ConfigurationMissing", gone)
	startGate(t)
	refused(t, "alice", "", "-n", ns, "patch", "configmap", "settings", "-p", `{"data":{"color":"green"}}`)
	reviewed(t, ends(t, gap))
	must(t, api(t, "admin").Get(t.Context(), client.ObjectKeyFromObject(gap), gap))
	if gap.Status.Gap.Findings < 1 {
		t.Errorf("the review of the gap found %d", gap.Status.Gap.Findings)
	}

	found := bypassOf(t, ns)
	want := v1alpha1.RecordedRequest{
		Operation: "UPDATE", Version: "v1", Resource: "configmaps", Kind: "ConfigMap", Namespace: ns, Name: "settings", FieldManager: "kubectl-patch",
	}
	if diff := cmp.Diff(want, found.Spec.Request); diff != "" {
		t.Errorf("the bypass on record (-want +got):\n%s", diff)
	}
	if s := &found.Spec; s.Evidence != v1alpha1.EvidenceManagedFields || s.Confidence != v1alpha1.ConfidenceIndicated || s.Requester.Username != "" {
		t.Errorf("the bypass on record is %s by %s, of %q", s.Confidence, s.Evidence, s.Requester.Username)
	}
	namedByTheLog(t, ns, began)
}

// tampering waits for the record of what was done to the gate, beside that of the gap.
func tampering(t *testing.T, since time.Time) {
	t.Helper()
	eventually(t, "the record of the tampering", 15*time.Second, func() error {
		var list v1alpha1.ChangeRecordList
		must(t, api(t, "admin").List(t.Context(), &list, client.MatchingLabels{v1alpha1.LabelOutcome: string(v1alpha1.OutcomeTampered)}))
		for _, r := range list.Items {
			if r.Spec.Gap == nil && r.Spec.Request.Kind == "ValidatingWebhookConfiguration" && r.Spec.Request.FieldManager == "kubectl-patch" &&
				r.Status.LastSeen.After(since.Add(-time.Second)) {
				return nil
			}
		}
		return fmt.Errorf("it is none of %d", len(list.Items))
	})
}

// bypassOf is the one record of a bypass in a namespace.
func bypassOf(t *testing.T, ns string) *v1alpha1.ChangeRecord {
	t.Helper()
	var list v1alpha1.ChangeRecordList
	must(t, api(t, "admin").List(t.Context(), &list, client.MatchingLabels{v1alpha1.LabelOutcome: string(v1alpha1.OutcomeBypass), v1alpha1.LabelNamespace: ns}))
	if len(list.Items) != 1 {
		t.Fatalf("%d records of bypasses in %s, want 1", len(list.Items), ns)
	}
	return &list.Items[0]
}

// namedByTheLog asks the real plugin, with the API server's audit log.
func namedByTheLog(t *testing.T, ns string, since time.Time) {
	t.Helper()
	dir := t.TempDir()
	must(t, gitlatch.Build(t.Context(), dir, "kubectl-gitlatch"))
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "kubectl-gitlatch"), "audit", "--all", "-o", "json",
		"--since", (time.Since(since) + 5*time.Second).String(), "--audit-log", plane.AuditLog()) // its clock starts after ours
	cmd.Env = plane.KubectlEnv("admin")
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("auditing: %v, want exit 1: %s", err, said.String())
	}
	var report struct{ Findings []audit.Finding }
	must(t, json.Unmarshal(out.Bytes(), &report))
	var got []string
	for i := range report.Findings {
		f := &report.Findings[i]
		tampers := strings.HasSuffix(f.Request.Resource, "webhookconfigurations") && f.Request.Name == "gitlatch"
		if f.Evidence == v1alpha1.EvidenceAuditLog && !f.At.Before(since) && (f.Request.Namespace == ns || tampers) {
			got = append(got, fmt.Sprintf("%s %s %s by %s", f.Confidence, f.Request.Operation, f.Request.Resource, f.Requester.Username))
		}
	}
	slices.Sort(got)
	want := []string{
		"Proven DELETE mutatingwebhookconfigurations by admin",
		"Proven DELETE validatingwebhookconfigurations by admin",
		"Proven UPDATE configmaps by alice",
		"Proven UPDATE validatingwebhookconfigurations by admin",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the audit log tells (-want +got):\n%s", diff)
	}
}
