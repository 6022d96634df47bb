// Package manifests_test asserts what manifests/ promises to whoever applies it.
package manifests_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	psa "k8s.io/pod-security-admission/api"
	podsecurity "k8s.io/pod-security-admission/policy"
)

func named(object runtime.Object) string {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return ""
	}
	return accessor.GetName()
}

func TestTheDefaultInstallIsThisAndNothingElse(t *testing.T) {
	var got []string
	for _, object := range build(t, "default") {
		accessor, err := meta.Accessor(object)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s/%s", object.GetObjectKind().GroupVersionKind().Kind, accessor.GetNamespace(), accessor.GetName()))
	}
	want := []string{ // no ChangePolicy and no webhook configuration: nothing is governed by installing
		"CustomResourceDefinition /changepolicies.gitlatch.dev",
		"CustomResourceDefinition /changerecords.gitlatch.dev",
		"Namespace /gitlatch-system",
		"ServiceAccount gitlatch-system/gitlatch-webhook",
		"ClusterRole /gitlatch-webhook",
		"ClusterRoleBinding /gitlatch-webhook",
		"Role gitlatch-system/gitlatch-webhook",
		"RoleBinding gitlatch-system/gitlatch-webhook",
		"ClusterRole /gitlatch-viewer",
		"ClusterRole /gitlatch-reviewer",
		"ClusterRole /gitlatch-breakglass",
		"ClusterRole /gitlatch-administrator",
		"PriorityClass /gitlatch",
		"PriorityLevelConfiguration /gitlatch",
		"FlowSchema /gitlatch",
		"Deployment gitlatch-system/gitlatch-webhook",
		"Service gitlatch-system/gitlatch-webhook",
		"PodDisruptionBudget gitlatch-system/gitlatch-webhook",
		"NetworkPolicy gitlatch-system/gitlatch-webhook",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests/default (-want +got):\n%s", diff)
	}
}

func TestPodsMeetTheRestrictedStandard(t *testing.T) {
	evaluator, err := podsecurity.NewEvaluator(podsecurity.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := psa.LevelVersion{Level: psa.LevelRestricted, Version: psa.LatestVersion()}
	objects := build(t, "default")
	for _, object := range objects {
		deployment, ok := object.(*appsv1.Deployment)
		if !ok {
			continue
		}
		template := deployment.Spec.Template
		for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				t.Errorf("%s: %s: %s", deployment.Name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
	labels := one[*corev1.Namespace](t, objects, "gitlatch-system").Labels
	for _, mode := range []string{"enforce", "audit", "warn"} {
		if got := labels["pod-security.kubernetes.io/"+mode]; got != "restricted" {
			t.Errorf("namespace gitlatch-system: pod security %s is %q, not restricted", mode, got)
		}
	}
}

func TestTheWebhookKeepsStanding(t *testing.T) {
	objects := build(t, "default")
	deployment := one[*appsv1.Deployment](t, objects, "gitlatch-webhook")
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	budget := one[*policyv1.PodDisruptionBudget](t, objects, "gitlatch-webhook")
	service := one[*corev1.Service](t, objects, "gitlatch-webhook")

	for _, promise := range []struct {
		name string
		kept bool
	}{
		{"two replicas", *deployment.Spec.Replicas == 2},
		{"an upgrade takes none away before another serves", deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() == 0},
		{"apart from each other, by node and by zone", pod.Affinity.PodAntiAffinity != nil && len(pod.TopologySpreadConstraints) == 1},
		{"but on one node both start", len(pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution) == 0},
		{"a priority class that is installed", pod.PriorityClassName == "gitlatch"},
		{"one container", len(pod.Containers) == 1 && len(pod.InitContainers) == 0},
		{"a read-only root", *container.SecurityContext.ReadOnlyRootFilesystem},
		{"memory is bounded, and the Go runtime knows", !container.Resources.Limits.Memory().IsZero() && environment(container, "GOMEMLIMIT") != ""},
		{"processor time is not", container.Resources.Limits.Cpu().IsZero()},
		{"probes", container.StartupProbe != nil && container.ReadinessProbe != nil && container.LivenessProbe != nil},
		{"a drain leaves one", budget.Spec.MinAvailable.IntValue() == 1},
		{"the budget is for these pods", selects(budget.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels)},
		{"the Service is for these pods", selects(service.Spec.Selector, deployment.Spec.Template.Labels)},
		{"the Deployment is for these pods", selects(deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels)},
		{"the Service leads to a port that is there", service.Spec.Ports[0].Port == 443 && hasPort(container, service.Spec.Ports[0].TargetPort.String())},
	} {
		if !promise.kept {
			t.Errorf("not kept: %s", promise.name)
		}
	}
	// What is passed is part of the promise: Ignore unless somebody chooses Fail.
	wantArgs := []string{"--failure-policy=Ignore"}
	if diff := cmp.Diff(wantArgs, container.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func environment(container corev1.Container, name string) string {
	for _, variable := range container.Env {
		if variable.Name == name {
			return variable.Value
		}
	}
	return ""
}

func hasPort(container corev1.Container, name string) bool {
	for _, port := range container.Ports {
		if port.Name == name {
			return true
		}
	}
	return false
}

func selects(selector, labels map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return len(selector) > 0
}

func TestRolesGiveTheVerbsUsedAndNoOther(t *testing.T) {
	objects := build(t, "default")
	registrations := []string{"mutatingwebhookconfigurations", "validatingwebhookconfigurations"}
	kinds := []string{"changepolicies", "changerecords"}
	read := []string{"get", "list", "watch"}
	rule := func(group string, resources, verbs []string, names ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs, ResourceNames: names}
	}
	for name, want := range map[string][]rbacv1.PolicyRule{
		"gitlatch-webhook": {
			rule("gitlatch.dev", []string{"changepolicies"}, read),
			rule("gitlatch.dev", []string{"changepolicies/status"}, []string{"update"}),
			rule("gitlatch.dev", []string{"changerecords"}, []string{"get", "list", "watch", "create", "patch"}),
			rule("gitlatch.dev", []string{"changerecords/status"}, []string{"patch"}),
			rule("authorization.k8s.io", []string{"subjectaccessreviews"}, []string{"create"}),
			rule("admissionregistration.k8s.io", registrations, []string{"get", "list", "watch", "create"}),
			rule("admissionregistration.k8s.io", registrations, []string{"update", "delete"}, "gitlatch"),
			rule("", []string{"namespaces"}, read),
			rule("*", []string{"*"}, []string{"get"}),
		},
		"gitlatch-viewer": {rule("gitlatch.dev", kinds, read)},
		"gitlatch-reviewer": {
			rule("gitlatch.dev", kinds, read),
			rule("gitlatch.dev", []string{"changerecords/status"}, []string{"get", "patch"}),
		},
		"gitlatch-breakglass": {
			rule("*", []string{"*"}, []string{"breakglass"}),
			rule("gitlatch.dev", []string{"changerecords"}, read),
		},
		"gitlatch-administrator": { // no impersonate, escalate, bind, breakglass
			rule("*", []string{"*"}, []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}),
			{NonResourceURLs: []string{"*"}, Verbs: []string{"get"}},
		},
	} {
		if diff := cmp.Diff(want, one[*rbacv1.ClusterRole](t, objects, name).Rules); diff != "" {
			t.Errorf("ClusterRole %s (-want +got):\n%s", name, diff)
		}
	}
	want := []rbacv1.PolicyRule{
		rule("", []string{"secrets"}, []string{"get", "list", "watch", "update"}, "gitlatch-webhook-ca"),
		rule("", []string{"secrets"}, []string{"create"}),
		rule("coordination.k8s.io", []string{"leases"}, []string{"get", "update"}, "gitlatch-webhook"),
		rule("coordination.k8s.io", []string{"leases"}, []string{"create"}),
		rule("", []string{"events"}, []string{"create", "patch"}),
	}
	if diff := cmp.Diff(want, one[*rbacv1.Role](t, objects, "gitlatch-webhook").Rules); diff != "" {
		t.Errorf("Role gitlatch-webhook (-want +got):\n%s", diff)
	}
}

func TestOnlyTheWebhookIsBound(t *testing.T) {
	objects := build(t, "default")
	subject := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "gitlatch-webhook", Namespace: "gitlatch-system"}}
	for _, object := range objects {
		switch binding := object.(type) {
		case *rbacv1.ClusterRoleBinding:
			if diff := cmp.Diff(subject, binding.Subjects); diff != "" || binding.RoleRef.Name != "gitlatch-webhook" {
				t.Errorf("ClusterRoleBinding %s to %s (-want +got):\n%s", binding.Name, binding.RoleRef.Name, diff)
			}
		case *rbacv1.RoleBinding:
			if diff := cmp.Diff(subject, binding.Subjects); diff != "" || binding.RoleRef.Name != "gitlatch-webhook" {
				t.Errorf("RoleBinding %s to %s (-want +got):\n%s", binding.Name, binding.RoleRef.Name, diff)
			}
		}
	}
}
