package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

const gitSync = "[{serviceAccount: {namespace: gitops, name: sync}, fieldManagers: [sync]}]"

// A policy that can't work is refused as it is applied, by git as by anybody, and
// the refusal names the field: by the schema, by its CEL rules, or by the judge.
func TestPoliciesThatCanNotWorkAreRefused(t *testing.T) {
	for _, c := range []struct{ what, spec, path, why string }{
		{"no mode", "{sync: " + gitSync + "}", "spec.mode", "Required value"},
		{"no such mode", "{mode: Block, sync: " + gitSync + "}", "spec.mode", "Unsupported value"},
		{"no sync identity", "{mode: Audit, sync: []}", "spec.sync", "without a sync identity"},
		{"a sync identity without field managers", "{mode: Audit, sync: [{user: git}]}", "spec.sync[0].fieldManagers", "Required value"},
		{"everybody as sync identity", "{mode: Audit, sync: [{group: 'system:authenticated', fieldManagers: [sync]}]}", "spec.sync[0]", "would let every write through"},
		{"an account and a user at once", "{mode: Audit, sync: [{user: git, serviceAccount: {namespace: a, name: b}, fieldManagers: [sync]}]}", "spec.sync[0]", "exactly one of"},
		{"a service account by user name", "{mode: Audit, sync: [{user: 'system:serviceaccount:a:b', fieldManagers: [sync]}]}", "spec.sync[0]", "under serviceAccount"},
		{"break-glass for everybody", "{mode: Audit, sync: " + gitSync + ", breakGlass: {allowedGroups: ['system:authenticated']}}", "spec.breakGlass.allowedGroups", "no list"},
		{"break-glass for nobody", "{mode: Audit, sync: " + gitSync + ", breakGlass: {}}", "spec.breakGlass.allowedGroups", "Required value"},
		{"break-glass for a month", "{mode: Audit, sync: " + gitSync + ", breakGlass: {allowedGroups: [oncall], maxDuration: 720h}}", "spec.breakGlass.maxDuration", "between 1s and 168h"},
		{"a pattern that is none", "{mode: Audit, sync: " + gitSync + ", breakGlass: {allowedGroups: [oncall], reasonPattern: '(['}}", "spec.breakGlass.reasonPattern", ""},
		{"a selector with no such operator", "{mode: Audit, sync: " + gitSync + ", match: {namespaceSelector: {matchExpressions: [{key: a, operator: Near}]}}}", "spec.match.namespaceSelector", ""},
		{"a trusted field that is no path", "{mode: Audit, sync: " + gitSync + ", trusted: [{user: x, resources: [{apiGroups: [''], resources: [pods]}], fields: ['a..b']}]}", "spec.trusted[0].fields[0]", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			text := "apiVersion: gitlatch.dev/v1alpha1\nkind: ChangePolicy\nmetadata: {name: broken}\nspec: " + c.spec + "\n"
			for _, user := range []string{syncer, "admin"} {
				got := here.KubectlIn(t, user, text, "create", "--validate=false", "-f", "-")
				if got.Code == 0 || !strings.Contains(got.Err, c.path) || !strings.Contains(got.Err, c.why) {
					t.Errorf("%s: want a refusal that names %s (%s), got exit %d: %s%s", user, c.path, c.why, got.Code, got.Out, got.Err)
				}
			}
		})
	}
}

// What a policy says holds about a second after it is said.
func TestPolicyChangesAreFollowed(t *testing.T) {
	ns := newNamespace(t, "moving")
	declareShop(t, ns)
	mona, tries := newVisitor(t, "mona", "devs"), 0
	label := func() error { // another one each time: what changes nothing is let through
		tries++
		return mona.Patch(t.Context(), configMap(ns, "settings"), patchOf(fmt.Sprintf(`{"metadata":{"labels":{"try":"%d"}}}`, tries)))
	}
	if err := label(); err != nil {
		t.Fatalf("where no policy governs, somebody is denied: %v", err)
	}
	for i, mode := range []v1alpha1.Mode{v1alpha1.ModeEnforce, v1alpha1.ModeAudit, v1alpha1.ModeEnforce} {
		declare(t, fmt.Sprintf(`apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: moving}
spec:
  mode: %s
  match: {clusterScoped: false, namespaceSelector: {matchLabels: {gate: moving}}}
  sync: %s
`, mode, gitSync))
		said := time.Now()
		err := gitlatch.WaitFor(t.Context(), 10*time.Second, string(mode), func(context.Context) error {
			if err := label(); isDenial(err, v1alpha1.ReasonOutOfBand) != (mode == v1alpha1.ModeEnforce) {
				return fmt.Errorf("the answer is still %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(said); took > 3*time.Second { // about one; a busy machine is slower
			t.Errorf("change %d to %s was followed after %s", i, mode, took)
		}
		if err := gate.WaitPolicy(t.Context(), "moving"); err != nil {
			t.Error(err)
		}
	}
	if err := here.Client(t, syncer).Delete(t.Context(), policyNamed("moving")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the policy to be gone", func(context.Context) error { return label() })
}

func policyNamed(name string) client.Object {
	policy := &v1alpha1.ChangePolicy{}
	policy.Name = name
	return policy
}

// The webhook configurations are nobody's to change: what is edited or deleted is
// put back, with a record.
func TestTamperingIsUndoneAndRecorded(t *testing.T) {
	before := map[string]any{}
	for _, kind := range []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} {
		before[kind] = registered(t, kind)
	}
	for _, c := range []struct {
		what, kind, operation, manager, says string
		args                                 []string
	}{
		{"emptied", "MutatingWebhookConfiguration", "UPDATE", "", "every webhook removed", []string{"patch", "mutatingwebhookconfiguration", "gitlatch", "--type=merge", "-p", `{"webhooks":[]}`}},
		{"narrowed", "ValidatingWebhookConfiguration", "UPDATE", "kubectl-patch", "builtin.final.gitlatch.dev namespaceSelector", []string{"patch", "validatingwebhookconfiguration", "gitlatch", "--type=json", "-p",
			`[{"op":"replace","path":"/webhooks/0/namespaceSelector","value":{"matchLabels":{"none":"such"}}}]`}},
		{"deleted", "ValidatingWebhookConfiguration", "DELETE", "", "deleted", []string{"delete", "validatingwebhookconfiguration", "gitlatch"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			kubectl(t, "admin", c.args...).MustAllow(t)
			done := time.Now()
			eventually(t, "the registration to be as it was", func(context.Context) error {
				if diff := cmp.Diff(before[c.kind], registered(t, c.kind)); diff != "" {
					return fmt.Errorf("it differs (-want +got):\n%s", diff)
				}
				return nil
			})
			if took := time.Since(done); took > 3*time.Second { // about one; a busy machine is slower
				t.Errorf("it was put back after %s", took)
			}
			eventually(t, "a record of the tampering", func(context.Context) error {
				return tamperedWith(t, c.kind, c.operation, c.manager, c.says)
			})
		})
	}
	ns := newNamespace(t, "")
	kubectl(t, "alice", "-n", ns, "create", "configmap", "mine").MustDeny(t, v1alpha1.ReasonOutOfBand)
}

// tamperedWith wants a record, whole, of this tampering. The manager is known only
// where it owns a field afterwards: who removes or deletes owns none.
func tamperedWith(t *testing.T, kind, operation, manager, what string) error {
	t.Helper()
	want := v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeTampered, Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonBuiltIn,
		Request: v1alpha1.RecordedRequest{
			Operation: operation, Group: "admissionregistration.k8s.io", Version: "v1", Resource: strings.ToLower(kind) + "s",
			Kind: kind, Name: "gitlatch", FieldManager: manager,
		},
		Evidence: v1alpha1.EvidenceWatch, Confidence: v1alpha1.ConfidenceIndicated,
		Message: kind + " gitlatch: " + what,
	}
	closest := "there is none"
	for _, r := range here.Records(t, func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Outcome == v1alpha1.OutcomeTampered }) {
		if closest = cmp.Diff(want, r.Spec); closest == "" {
			return nil
		}
	}
	return fmt.Errorf("no record as it should be (-want +got):\n%s", closest)
}

// registered is what a webhook configuration says; nil where it is not there.
func registered(t *testing.T, kind string) any {
	t.Helper()
	config := &unstructured.Unstructured{}
	config.SetAPIVersion("admissionregistration.k8s.io/v1")
	config.SetKind(kind)
	if err := here.Client(t, "admin").Get(t.Context(), client.ObjectKey{Name: "gitlatch"}, config); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return config.Object["webhooks"]
}
