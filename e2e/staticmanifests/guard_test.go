package staticmanifests

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/test/world"
)

// sample is an admission policy and its binding under a name of Gitlatch's, as the backstop has.
const sample = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: gitlatch-sample}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [nobody.example], apiVersions: ["*"], operations: [CREATE], resources: ["*"]}
  validations:
  - expression: "true"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: gitlatch-sample}
spec: {policyName: gitlatch-sample, validationActions: [Deny]}
`

// TestAnAdministratorDoesNotTakeTheGateAway: alice and a pipeline have every right, and no webhook is asked.
func TestAnAdministratorDoesNotTakeTheGateAway(t *testing.T) {
	here.KubectlIn(t, "admin", sample, "apply", "-f", "-").MustAllow(t)
	tests := []struct{ name, user, command string }{
		{"deleting the validating configuration", "alice", "delete validatingwebhookconfiguration gitlatch"},
		{"deleting the mutating configuration", "alice", "delete mutatingwebhookconfiguration gitlatch"},
		{"deleting it from a pipeline", "pipeline", "delete validatingwebhookconfiguration gitlatch"},
		{"deleting it in the name of the webhook", "alice",
			"delete validatingwebhookconfiguration gitlatch --as=system:serviceaccount:gitlatch-system:gitlatch-webhook"},
		{"deleting it in the name of the webhook, with a uid", "alice",
			"delete validatingwebhookconfiguration gitlatch --as=system:serviceaccount:gitlatch-system:gitlatch-webhook --as-uid=1"},
		{"deleting it as if", "alice", "delete validatingwebhookconfiguration gitlatch --dry-run=server"},
		{"a configuration that asks nobody", "alice", `patch validatingwebhookconfiguration gitlatch --type=merge -p {"webhooks":[]}`},
		{"the annotation of the off switch", "alice", "annotate mutatingwebhookconfiguration gitlatch gitlatch.dev/off=INC-42:x"},
		{"an owner that is gone", "alice",
			`patch validatingwebhookconfiguration gitlatch --type=merge -p {"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"1"}]}}`},
		{"a label", "alice", "label validatingwebhookconfiguration gitlatch gitlatch.dev/owner-"},
		{"deleting the policy", "alice", "delete validatingadmissionpolicy gitlatch-sample"},
		{"deleting the binding", "alice", "delete validatingadmissionpolicybinding gitlatch-sample"},
		{"a binding that only warns", "alice",
			`patch validatingadmissionpolicybinding gitlatch-sample --type=merge -p {"spec":{"validationActions":["Warn"]}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			here.Kubectl(t, test.user, strings.Fields(test.command)...).MustFail(t, said)
		})
	}
}

// TestNoPodTakesTheGateAway: a pod with every right, as many an operator's, proves who it is, and is not Gitlatch. Nor is
// the CA injector, which changes a bundle and deletes nothing.
func TestNoPodTakesTheGateAway(t *testing.T) {
	here.KubectlIn(t, "admin", sample, "apply", "-f", "-").MustAllow(t)
	here.KubectlIn(t, "admin", injectable("gitlatch-undeleted", "{cert-manager.io/inject-ca-from: a/b}"), "apply", "-f", "-").MustAllow(t)
	for _, user := range []string{operator, injector, injector + ":unbound"} {
		t.Run(user, func(t *testing.T) {
			for _, target := range []string{"mutatingwebhookconfiguration/gitlatch", "validatingwebhookconfiguration/gitlatch", "validatingwebhookconfiguration/gitlatch-undeleted",
				"validatingadmissionpolicy/gitlatch-sample", "validatingadmissionpolicybinding/gitlatch-sample"} {
				here.Kubectl(t, user, "delete", target).MustFail(t, said)
				here.Kubectl(t, user, "label", target, "mine=yes").MustFail(t, said)
				here.Kubectl(t, "admin", "get", target).MustAllow(t)
			}
			deletesMany(t, user)
			// It is no want of rights.
			theirs := strings.ReplaceAll(sample, "gitlatch-sample", "of-a-pod")
			here.KubectlIn(t, user, theirs, "create", "-f", "-").MustAllow(t)
			here.KubectlIn(t, user, theirs, "delete", "-f", "-").MustAllow(t)
		})
	}
}

// TestADeletionOfManyIsJudgedOneByOne: such a request has no name.
func TestADeletionOfManyIsJudgedOneByOne(t *testing.T) { deletesMany(t, "alice") }

func deletesMany(t *testing.T, user string) {
	t.Helper()
	err := here.Client(t, user).DeleteAllOf(t.Context(), &admissionv1.ValidatingWebhookConfiguration{},
		client.MatchingLabels{"gitlatch.dev/owner": "gitlatch"})
	if err == nil || !strings.Contains(err.Error(), said) {
		t.Errorf("%s deleted whatever is Gitlatch's: %v", user, err)
	}
	here.Kubectl(t, "alice", "get", "validatingwebhookconfiguration", "gitlatch").MustAllow(t)
}

// TestWhatNobodyCanStoreNobodyCanTakeAway: the file's policy is not in the API, and a name like its own is refused.
func TestWhatNobodyCanStoreNobodyCanTakeAway(t *testing.T) {
	here.Kubectl(t, "admin", "get", "validatingadmissionpolicy", "gitlatch.static.k8s.io").MustFail(t, "not found")
	theirs := strings.ReplaceAll(sample, "gitlatch-sample", "gitlatch.static.k8s.io")
	here.KubectlIn(t, "admin", theirs, "apply", "-f", "-").MustFail(t, "reserved for static manifest-based configurations")
}

// TestOthersConfigurationsAreTheirOwn: the file guards what is Gitlatch's, and nothing else.
func TestOthersConfigurationsAreTheirOwn(t *testing.T) {
	theirs := strings.ReplaceAll(sample, "gitlatch-sample", "theirs")
	here.KubectlIn(t, "alice", theirs, "apply", "-f", "-").MustAllow(t)
	here.KubectlIn(t, "alice", theirs, "delete", "-f", "-").MustAllow(t)
	here.KubectlIn(t, "alice", strings.ReplaceAll(sample, "gitlatch-sample", "gitlatch-theirs"), "apply", "-f", "-").MustFail(t, said)
}

// TestAnApplyThatChangesNothingGoesThrough, as a migration of what is stored does.
func TestAnApplyThatChangesNothingGoesThrough(t *testing.T) {
	here.KubectlIn(t, "admin", sample, "apply", "-f", "-").MustAllow(t)
	c, policy := here.Client(t, "alice"), &admissionv1.ValidatingAdmissionPolicy{}
	world.Must(t, c.Get(t.Context(), client.ObjectKey{Name: "gitlatch-sample"}, policy))
	world.Must(t, c.Update(t.Context(), policy))
}
