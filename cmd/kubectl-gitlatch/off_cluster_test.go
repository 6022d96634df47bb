package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const offGone = "the backstop is off, and the webhook configurations were gone: nothing is refused or recorded until a pod of the webhook registers itself again\n"

// off: what is left of the gate is switched off, whatever of it is gone or can't be written; and what is left alone as a
// whole stays as it was.
func (r *rig) off(t *testing.T) {
	off := func(user string) outcome { return r.as(t, user, "off", "--reason", "INC-42: it denies everything") }
	write := func() string {
		_, said, _ := r.Kubectl(t.Context(), "alice", "", "create", "configmap", "by-hand", "-n", "default", "--dry-run=server")
		return said
	}
	const missing = "error: switching the gate off: the gate is not registered here: there is no webhook configuration gitlatch\n"
	if diff := cmp.Diff(outcome{Err: missing, Code: 1}, off("admin")); diff != "" {
		t.Errorf("where nothing is (-want +got):\n%s", diff)
	}

	defer r.kubectl(t, offText, "delete", "--ignore-not-found", "-f", "-")
	r.kubectl(t, offText, "create", "-f", "-")
	denied := func() {
		t.Helper()
		for end := time.Now().Add(time.Minute); !strings.Contains(write(), "denied request: by the backstop"); time.Sleep(100 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the backstop does not deny: %s", write())
			}
		}
	}
	denied()
	if got := off("reviewer"); got.Code != 1 || !strings.Contains(got.Err, "forbidden") {
		t.Errorf("without rights: %+v", got)
	}
	if said := write(); !strings.Contains(said, "denied request: by the backstop") {
		t.Errorf("what was refused lifted the backstop: %s", said)
	}

	r.kubectl(t, "", "delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", "gitlatch")
	if diff := cmp.Diff(outcome{Out: offGone}, off("admin")); diff != "" {
		t.Errorf("with the backstop alone (-want +got):\n%s", diff)
	}
	if said := write(); said != "" {
		t.Errorf("with the backstop off: %s", said)
	}

	// Half of it may be written: that half, and the backstop, are off, and the other is named.
	r.kubectl(t, offText, "apply", "-f", "-")
	r.kubectl(t, offHalfText, "create", "-f", "-")
	defer r.kubectl(t, offHalfText, "delete", "-f", "-")
	denied()
	got := off("reviewer")
	if got.Code != 1 || got.Out != "" || !strings.HasPrefix(got.Err, `error: switching the gate off: validatingwebhookconfigurations.admissionregistration.k8s.io "gitlatch" is forbidden: `) {
		t.Errorf("with half of the rights: %+v", got)
	}
	if said := write(); said != "" {
		t.Errorf("with half of it off: %s", said)
	}
}

// offText is a backstop that denies ConfigMaps, and a registration that asks nobody.
const offText = `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: gitlatch}
spec:
  failurePolicy: Ignore
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], resources: [configmaps], operations: [CREATE]}]
  validations: [{expression: "false", message: by the backstop}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: gitlatch}
spec: {policyName: gitlatch, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: gitlatch}
webhooks: []
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: gitlatch}
webhooks: []
`

const offHalfText = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: half-off}
rules:
- {apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [patch]}
- {apiGroups: [admissionregistration.k8s.io], resources: [validatingadmissionpolicybindings], verbs: [delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: half-off}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: half-off}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}]
`
