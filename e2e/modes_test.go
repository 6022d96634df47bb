package e2e

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// Warn lets a person through, tells them what the denial would have said, and has
// recorded it before the write is stored.
func TestWarnAdmitsWarnsAndRecords(t *testing.T) {
	ns := newNamespace(t, "warn")
	declareShop(t, ns)
	wendy := newVisitor(t, "wendy", "devs")
	cm := configMap(ns, "settings")
	if err := wendy.Patch(t.Context(), cm, patchOf(`{"data":{"color":"red"}}`), client.FieldOwner("by-hand")); err != nil {
		t.Fatalf("Warn did not admit: %v", err)
	}
	rec := one(t, "wendy's patch", world.InNamespace(ns))
	want := []string{
		"OutOfBand: ConfigMap " + ns + "/settings is changed through git only.",
		"policy: warn    you: wendy    record: " + rec.Name,
		"next: change it in git; gitops/sync brings it here",
	}
	got := wendy.warnings.take()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	for _, line := range got {
		if len(line) > 120 || strings.Contains(line, "\n") {
			t.Errorf("a warning is not one line of 120 characters: %q", line)
		}
	}
	wantRecordedFirst(t, &rec, cm)
	wantFlagged(t, &rec, "warn", "wendy", cm)
	wantAnnotations(t, gateAnnotations(t, "wendy", "patch", ns), "flag", "warn", rec.Name)
	deniedText := newVisitor(t, "walter", "devs")
	enforced := newNamespace(t, "")
	declareShop(t, enforced)
	err := deniedText.Patch(t.Context(), configMap(enforced, "settings"), patchOf(`{"data":{"color":"red"}}`))
	deniedFor(t, err, v1alpha1.ReasonOutOfBand)
	for _, line := range []string{strings.ReplaceAll(want[0], ns, enforced), want[2]} {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("the warning says %q and the denial does not: %v", line, err)
		}
	}
}

// Audit lets a person through in silence, and has recorded it before.
func TestAuditAdmitsAndRecords(t *testing.T) {
	ns := newNamespace(t, "audit")
	declareShop(t, ns)
	anna := newVisitor(t, "anna", "devs")
	cm := configMap(ns, "settings")
	if err := anna.Patch(t.Context(), cm, patchOf(`{"data":{"color":"red"}}`), client.FieldOwner("by-hand")); err != nil {
		t.Fatalf("Audit did not admit: %v", err)
	}
	if got := anna.warnings.take(); got != nil {
		t.Errorf("Audit says aloud: %q", got)
	}
	rec := one(t, "anna's patch", world.InNamespace(ns))
	wantRecordedFirst(t, &rec, cm)
	wantFlagged(t, &rec, "audit", "anna", cm)
	wantAnnotations(t, gateAnnotations(t, "anna", "patch", ns), "flag", "audit", rec.Name)
}

// What is denied, and what git does, stands in the API server's audit log as well.
func TestAuditLogSaysWhatTheGateDecided(t *testing.T) {
	ns := newNamespace(t, "")
	declareShop(t, ns)
	ed := newVisitor(t, "ed", "devs")
	deniedFor(t, ed.Patch(t.Context(), configMap(ns, "settings"), patchOf(`{"data":{"color":"red"}}`)), v1alpha1.ReasonOutOfBand)
	rec := one(t, "ed's patch", world.InNamespace(ns))
	want := map[string]string{
		"gate.gitlatch.dev/decision": "deny", "gate.gitlatch.dev/class": "out-of-band", "gate.gitlatch.dev/reason": "OutOfBand",
		"gate.gitlatch.dev/policy": "cluster", "gate.gitlatch.dev/record": rec.Name,
	}
	if diff := cmp.Diff(want, gateAnnotations(t, "ed", "patch", ns)); diff != "" {
		t.Errorf("annotations of a denial (-want +got):\n%s", diff)
	}
}

// wantRecordedFirst: etcd numbers its writes, so the record's number is lower than
// that of the object which it speaks of.
func wantRecordedFirst(t *testing.T, rec *v1alpha1.ChangeRecord, object client.Object) {
	t.Helper()
	// The record's own number has grown with its status since: its first counts.
	created := firstVersion(t, rec.Name)
	stored, err := strconv.ParseUint(object.GetResourceVersion(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if created >= stored {
		t.Errorf("record %s was written as %d, after the write that it records (%d)", rec.Name, created, stored)
	}
}

func wantFlagged(t *testing.T, rec *v1alpha1.ChangeRecord, policy, user string, cm *corev1.ConfigMap) {
	t.Helper()
	want := v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeFlagged, Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonOutOfBand, Policy: policy,
		Requester: rec.Spec.Requester,
		Request: v1alpha1.RecordedRequest{
			UID: rec.Spec.Request.UID, Operation: "UPDATE", Version: "v1", Resource: "configmaps", Kind: "ConfigMap",
			Namespace: cm.Namespace, Name: cm.Name, FieldManager: "by-hand",
		},
		Target:   &v1alpha1.Target{UID: cm.UID, ResourceVersion: rec.Spec.Target.ResourceVersion},
		Changes:  []v1alpha1.Change{{Path: ".data.color", From: `"blue"`, To: `"red"`, Declared: true}},
		Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		Message: fmt.Sprintf("ConfigMap %s/%s is changed through git only", cm.Namespace, cm.Name),
	}
	if diff := cmp.Diff(want, rec.Spec); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if got := rec.Spec.Requester; got.Username != user || !cmp.Equal(got.Groups, []string{"devs", "system:authenticated"}) {
		t.Errorf("requester of the record: %+v", got)
	}
}

// wantAnnotations: both webhooks leave the same words, each under its name.
func wantAnnotations(t *testing.T, got map[string]string, decision, policy, record string) {
	t.Helper()
	want := map[string]string{}
	for _, webhook := range []string{"gate.gitlatch.dev/", "final.gitlatch.dev/"} {
		want[webhook+"decision"], want[webhook+"class"], want[webhook+"reason"] = decision, "out-of-band", "OutOfBand"
		want[webhook+"policy"], want[webhook+"record"] = policy, record
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("annotations in the audit log (-want +got):\n%s", diff)
	}
}

// Admitted is not stored: what a quota stops afterwards ends as NotPersisted, what
// is there as Observed.
func TestAdmittedBecomesObservedOrNotPersisted(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t, "audit")
	declareShop(t, ns)
	declare(t, fmt.Sprintf("apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: full, namespace: %s}\nspec: {hard: {count/configmaps: 1}}\n", ns))
	eventually(t, "the quota to be counted", func(ctx context.Context) error {
		quota := &corev1.ResourceQuota{}
		err := here.Client(t, "admin").Get(ctx, client.ObjectKey{Namespace: ns, Name: "full"}, quota)
		if err == nil && len(quota.Status.Used) == 0 {
			return errNone
		}
		return err
	})
	phil := newVisitor(t, "phil", "devs")
	if err := phil.Create(t.Context(), configMap(ns, "one-more")); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "exceeded quota") {
		t.Fatalf("want the quota to stop it, got %v", err)
	}
	if err := phil.Patch(t.Context(), configMap(ns, "settings"), patchOf(`{"data":{"color":"red"}}`)); err != nil {
		t.Fatal(err)
	}
	wantPhase(t, ns, "CREATE", v1alpha1.PhaseNotPersisted)
	wantPhase(t, ns, "UPDATE", v1alpha1.PhaseObserved)
}

// The same where another validating webhook says no: it is asked after the record
// is written.
func TestStoppedByAnotherWebhookIsNotPersisted(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t, "audit")
	declareShop(t, ns)
	declare(t, fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: stops-%[1]s}
webhooks:
- name: stops.e2e.example
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  timeoutSeconds: 1
  clientConfig: {url: "https://127.0.0.1:1/nobody-listens"}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[1]s}}
  rules: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [UPDATE]}]
`, ns))
	vic := newVisitor(t, "vic", "devs")
	i := 0
	eventually(t, "the API server to know of the other webhook", func(ctx context.Context) error {
		i++
		err := vic.Patch(ctx, configMap(ns, "settings"), patchOf(fmt.Sprintf(`{"data":{"color":"red-%d"}}`, i)))
		if err == nil {
			return errNone
		}
		if !strings.Contains(err.Error(), "stops.e2e.example") {
			t.Fatalf("want the other webhook to stop it, got %v", err)
		}
		return nil
	})
	last := func(r *v1alpha1.ChangeRecord) bool {
		return world.InNamespace(ns)(r) && len(r.Spec.Changes) == 1 && r.Spec.Target.ResourceVersion == versionOf(t, ns)
	}
	one(t, "the patch that was stopped", last)
	waitPhase(t, last, v1alpha1.PhaseNotPersisted)
}

func versionOf(t *testing.T, ns string) string {
	t.Helper()
	cm := configMap(ns, "settings")
	if err := here.Client(t, "admin").Get(t.Context(), client.ObjectKeyFromObject(cm), cm); err != nil {
		t.Fatal(err)
	}
	return cm.ResourceVersion
}

func wantPhase(t *testing.T, ns, operation string, phase v1alpha1.Phase) {
	t.Helper()
	waitPhase(t, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Request.Namespace == ns && r.Spec.Request.Operation == operation
	}, phase)
}

// waitPhase waits for the second look, thirty seconds after the first.
func waitPhase(t *testing.T, keep func(*v1alpha1.ChangeRecord) bool, phase v1alpha1.Phase) {
	t.Helper()
	err := gitlatch.WaitFor(t.Context(), time.Minute, "phase "+string(phase), func(context.Context) error {
		rec := one(t, "a record whose phase is waited for", keep)
		if rec.Status.Phase != phase {
			return fmt.Errorf("record %s is %q", rec.Name, rec.Status.Phase)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// firstVersion is the resourceVersion with which a record was created, as the
// audit log has it.
func firstVersion(t *testing.T, name string) uint64 {
	t.Helper()
	events := audited(t, isCreationOf(name))
	if len(events) == 0 {
		t.Fatalf("the creation of record %s is not in the audit log", name)
	}
	created := &metav1.PartialObjectMetadata{}
	if err := decodeResponse(&events[0], created); err != nil {
		t.Fatal(err)
	}
	version, err := strconv.ParseUint(created.ResourceVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return version
}
