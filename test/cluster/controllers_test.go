package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const workloads = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NAMESPACE}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/none}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: NAMESPACE}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: once, image: registry.example/none}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: content, namespace: NAMESPACE}
`

// apply makes the workloads, as alice, in a namespace of their own.
func apply(t *testing.T, namespace string) {
	t.Helper()
	manifest := "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAMESPACE}\n---" + workloads
	manifest = strings.ReplaceAll(manifest, "NAMESPACE", namespace)
	if _, stderr, code := shared.Kubectl(t.Context(), "alice", manifest, "apply", "-f", "-"); code != 0 {
		t.Fatal(stderr)
	}
}

// awaitPods waits until the controllers have made so many pods, and does something to each.
func awaitPods(
	t *testing.T, namespace, label string, count int, do func(ctx context.Context, namespace, pod string) error,
) {
	t.Helper()
	var pods []corev1.Pod
	eventually(t, label, func() string {
		pods = podsOf(t, clientFor(t, shared.Config("admin")), namespace, label)
		return cmp.Diff(count, len(pods))
	})
	for _, pod := range pods {
		if err := do(t.Context(), namespace, pod.Name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestControllersWorkOnWhatIsApplied(t *testing.T) {
	apply(t, "rollout")
	awaitPods(t, "rollout", "app=web", 2, shared.MarkRunning)
	awaitPods(t, "rollout", "job-name=once", 1, shared.MarkSucceeded)
	client := clientFor(t, shared.Config("admin"))
	eventually(t, "the rollout completes", func() string {
		web, err := client.AppsV1().Deployments("rollout").Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(int32(2), web.Status.ReadyReplicas)
	})
	eventually(t, "the job finishes", func() string {
		once, err := client.BatchV1().Jobs("rollout").Get(t.Context(), "once", metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(int32(1), once.Status.Succeeded)
	})
}

func TestANamespaceWithContentIsDeletedToTheEnd(t *testing.T) {
	apply(t, "ending")
	awaitPods(t, "ending", "app=web", 2, shared.MarkRunning)
	client := clientFor(t, shared.Config("admin"))
	if err := client.CoreV1().Namespaces().Delete(t.Context(), "ending", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace is gone", func() string {
		for _, pod := range podsOf(t, client, "ending", "") {
			if pod.DeletionTimestamp == nil || pod.Spec.NodeName == "" {
				continue // not asked to end, or nobody's to end
			}
			if err := shared.FinishDeletion(t.Context(), "ending", pod.Name); err != nil {
				return err.Error()
			}
		}
		_, err := client.CoreV1().Namespaces().Get(t.Context(), "ending", metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return ""
		}
		return fmt.Sprintf("it is there: %v", err)
	})
}

func podsOf(t *testing.T, client kubernetes.Interface, namespace, selector string) []corev1.Pod {
	t.Helper()
	list, err := client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestTheNodeStaysFreeOfTaints(t *testing.T) {
	client := clientFor(t, shared.Config("admin"))
	eventually(t, "taints", func() string {
		node, err := client.CoreV1().Nodes().Get(t.Context(), NodeName, metav1.GetOptions{})
		if err != nil {
			return err.Error()
		}
		return cmp.Diff(0, len(node.Spec.Taints))
	})
}

func TestKubectlIsTheUser(t *testing.T) {
	stdout, stderr, code := shared.Kubectl(t.Context(), "oncall", "",
		"auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
	if diff := cmp.Diff([]any{"oncall", "", 0}, []any{stdout, stderr, code}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, stderr, code = shared.Kubectl(t.Context(), "reviewer", "", "get", "nodes")
	want := `Error from server (Forbidden): nodes is forbidden: User "reviewer" cannot list resource "nodes"` +
		` in API group "" at the cluster scope` + "\n"
	if diff := cmp.Diff([]any{want, 1}, []any{stderr, code}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stdout, _, _ = shared.Kubectl(t.Context(), "alice", "", "version", "-o", "json")
	if version := shared.Assets().Version; strings.Count(stdout, fmt.Sprintf("%q", version)) != 2 && version != "" {
		t.Errorf("client and server should both say %s:\n%s", version, stdout)
	}
}
