package manifests_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func TestTheApplierKeepsStanding(t *testing.T) {
	objects := build(t, "default")
	deployment := one[*appsv1.Deployment](t, objects, "gitlatch-applier")
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	service := one[*corev1.Service](t, objects, "gitlatch-receiver")
	network := one[*networkingv1.NetworkPolicy](t, objects, "gitlatch-applier")
	volume := pod.Volumes[0]

	for _, promise := range []struct {
		name string
		kept bool
	}{
		{"one replica", *deployment.Spec.Replicas == 1},
		{"an upgrade waits for the lease, ready", deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() == 0},
		{"its own account, whose token the pod is given", pod.ServiceAccountName == "gitlatch-applier" && *pod.AutomountServiceAccountToken},
		{"a priority class that is installed", pod.PriorityClassName == "gitlatch"},
		{"one container", len(pod.Containers) == 1 && len(pod.InitContainers) == 0},
		{"a read-only root", *container.SecurityContext.ReadOnlyRootFilesystem},
		{"memory is bounded, and the Go runtime knows", !container.Resources.Limits.Memory().IsZero() && environment(container, "GOMEMLIMIT") != ""},
		{"processor time is not", container.Resources.Limits.Cpu().IsZero()},
		{"probes", container.StartupProbe != nil && container.ReadinessProbe != nil && container.LivenessProbe != nil},
		{"room for repositories, bounded", len(pod.Volumes) == 1 && volume.EmptyDir != nil && !volume.EmptyDir.SizeLimit.IsZero()},
		{"where it looks for it", container.VolumeMounts[0].Name == volume.Name && container.VolumeMounts[0].MountPath == "/var/lib/gitlatch"},
		{"the Service is for these pods", selects(service.Spec.Selector, deployment.Spec.Template.Labels)},
		{"and not for the webhook's", !selects(service.Spec.Selector, one[*appsv1.Deployment](t, objects, "gitlatch-webhook").Spec.Template.Labels)},
		{"the Deployment is for these pods", selects(deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels)},
		{"the Service leads to a port that is there", hasPort(container, service.Spec.Ports[0].TargetPort.String())},
		{"the network policy is for these pods", selects(network.Spec.PodSelector.MatchLabels, deployment.Spec.Template.Labels)},
		{"it may ask for names, git and the API server", cmp.Equal(ports(network), []int{53, 53, 443, 22, 6443, 8443, 16443})},
	} {
		if !promise.kept {
			t.Errorf("not kept: %s", promise.name)
		}
	}
	wantCommand, wantArgs := []string{"/applier"}, []string{"--receiver-bind-address=:8082"}
	if diff := cmp.Diff([][]string{wantCommand, wantArgs}, [][]string{container.Command, container.Args}); diff != "" {
		t.Errorf("command and arguments (-want +got):\n%s", diff)
	}
}

// ports that a policy lets out, anywhere.
func ports(policy *networkingv1.NetworkPolicy) []int {
	var all []int
	for _, rule := range policy.Spec.Egress {
		for _, port := range rule.Ports {
			if len(rule.To) == 0 {
				all = append(all, port.Port.IntValue())
			}
		}
	}
	return all
}

func TestTheSampleSyncsAreThese(t *testing.T) {
	files, err := filepath.Glob("samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, file := range files {
		for _, object := range decode(t, file) {
			if sync, ok := object.(*v1alpha1.GitSync); ok {
				got[filepath.Base(file)] = sync.Namespace + "/" + sync.Name + " as " + sync.Spec.ServiceAccountName
			}
		}
	}
	want := map[string]string{"gitsync.yaml": "gitlatch-system/prod as ", "tenant.yaml": "team-a/team-a as team-a-applier"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
