package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// preflightElsewhere: -n says where Gitlatch is, or will be. What holds up its pods in gitlatch-system does not there.
func (r *rig) preflightElsewhere(t *testing.T) {
	const held = "Blocks Webhooks ValidatingWebhookConfiguration planted-fail (fail.planted.example)"
	for namespace, want := range map[string]bool{"gitlatch-system": true, "latch": false} {
		report, _ := r.preflightReport(t, 1, "-n", namespace)
		if got := slices.Contains(subjects(report, checkWebhooks), held); got != want {
			t.Errorf("in %s: %t, want %t: %v", namespace, got, want, subjects(report, checkWebhooks))
		}
	}
}

// preflightForbidden: what could not be read is a finding, and no answer "nothing blocks" hides it.
func (r *rig) preflightForbidden(t *testing.T) {
	report, got := r.preflightReport(t, 3, "--platform", "none", "--as-nobody")
	if len(subjects(report, checkAccounts)) == 0 || !report.Incomplete || !strings.Contains(got.Out, "this could not be looked at: reading pods: ") {
		t.Errorf("%+v", got)
	}
}

// preflightPartly: one kind that can't be read takes nothing else away.
func (r *rig) preflightPartly(t *testing.T) {
	defer r.kubectl(t, partlyText, "delete", "--ignore-not-found", "-f", "-")
	r.kubectl(t, partlyText, "create", "-f", "-")
	report, _ := r.preflightReport(t, 1, "--as-nobody")
	unread := slices.DeleteFunc(slices.Clone(report.Findings), func(f preflightFinding) bool { return !strings.HasPrefix(f.Message, "this could not be looked at: ") })
	var got []string
	for _, f := range unread {
		got = append(got, string(f.Check)+" "+f.Subject)
	}
	want := []string{"Platform ConfigMap kube-system/kubeadm-config", "Platform nodes", "Accounts secrets", "Poses roles"}
	if diff := cmp.Diff(want, got); diff != "" || !report.Incomplete {
		t.Errorf("incomplete %t; what could not be looked at (-want +got):\n%s", report.Incomplete, diff)
	}
	// Without Secrets it is not known that its token was used, so that it is a warning.
	if got := subjects(report, checkAccounts); !slices.Contains(got, "Warns Accounts sa:planted/robot") {
		t.Errorf("the pipeline is not told of: %v", got)
	}
	if got := subjects(report, checkPoses); !slices.Contains(got, "Warns Poses user:mallory") {
		t.Errorf("the poser is not told of: %v", got)
	}
	if got := subjects(report, checkPlatform); !slices.Contains(got, "Notes Platform unknown") {
		t.Errorf("that the platform is not known is not told of: %v", got)
	}
}

// partlyText lets reviewers read all that preflight reads but four kinds.
const partlyText = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: planted-partly}
rules:
- {apiGroups: [""], resources: [pods, namespaces, serviceaccounts, services], verbs: [get, list]}
- {apiGroups: [apps], resources: [deployments, statefulsets, daemonsets], verbs: [list]}
- {apiGroups: [batch], resources: [jobs, cronjobs], verbs: [list]}
- {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles, clusterrolebindings, rolebindings], verbs: [list]}
- {apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations], verbs: [list]}
- {apiGroups: [apiregistration.k8s.io], resources: [apiservices], verbs: [list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: planted-partly}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: planted-partly}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: reviewers}]
`
