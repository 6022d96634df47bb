// Package manifests_test asserts what manifests/ promises to whoever applies it.
package manifests_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
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
	want := []string{ // no ChangePolicy, no webhook configuration, no GitSync: nothing is governed or applied by installing
		"CustomResourceDefinition /changepolicies.gitlatch.dev",
		"CustomResourceDefinition /changerecords.gitlatch.dev",
		"CustomResourceDefinition /gitsyncs.gitlatch.dev",
		"Namespace /gitlatch-system",
		"ServiceAccount gitlatch-system/gitlatch-webhook",
		"ClusterRole /gitlatch-webhook",
		"ClusterRoleBinding /gitlatch-webhook",
		"Role gitlatch-system/gitlatch-webhook",
		"RoleBinding gitlatch-system/gitlatch-webhook",
		"ServiceAccount gitlatch-system/gitlatch-applier",
		"ClusterRole /gitlatch-applier",
		"ClusterRoleBinding /gitlatch-applier",
		"Role gitlatch-system/gitlatch-applier",
		"RoleBinding gitlatch-system/gitlatch-applier",
		"ClusterRole /gitlatch-applier-cluster",
		"ClusterRoleBinding /gitlatch-applier-cluster",
		"ServiceAccount gitlatch-system/gitlatch-reporter",
		"ClusterRole /gitlatch-reporter",
		"ClusterRoleBinding /gitlatch-reporter",
		"Role gitlatch-system/gitlatch-reporter",
		"RoleBinding gitlatch-system/gitlatch-reporter",
		"ClusterRole /gitlatch-viewer",
		"ClusterRole /gitlatch-operator",
		"ClusterRole /gitlatch-reviewer",
		"ClusterRole /gitlatch-breakglass",
		"ClusterRole /gitlatch-administrator",
		"PriorityClass /gitlatch",
		"PriorityLevelConfiguration /gitlatch",
		"FlowSchema /gitlatch",
		"Deployment gitlatch-system/gitlatch-webhook",
		"Deployment gitlatch-system/gitlatch-applier",
		"Deployment gitlatch-system/gitlatch-reporter",
		"Service gitlatch-system/gitlatch-webhook",
		"PodDisruptionBudget gitlatch-system/gitlatch-webhook",
		"NetworkPolicy gitlatch-system/gitlatch-webhook",
		"Service gitlatch-system/gitlatch-receiver",
		"NetworkPolicy gitlatch-system/gitlatch-applier",
		"NetworkPolicy gitlatch-system/gitlatch-reporter",
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

// TestEveryPodSaysWhichCommandItIsFor: the image holds all of them.
func TestEveryPodSaysWhichCommandItIsFor(t *testing.T) {
	got := map[string][]string{}
	for _, object := range build(t, "default") {
		if deployment, ok := object.(*appsv1.Deployment); ok {
			for _, container := range deployment.Spec.Template.Spec.Containers {
				got[deployment.Name] = append(got[deployment.Name], container.Command...)
			}
		}
	}
	want := map[string][]string{"gitlatch-webhook": {"/webhook"}, "gitlatch-applier": {"/applier"}, "gitlatch-reporter": {"/reporter"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, command := range got {
		if info, err := os.Stat("../cmd" + command[0]); err != nil || !info.IsDir() {
			t.Errorf("there is no cmd%s: %v", command[0], err)
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
