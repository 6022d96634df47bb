package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Under Enforce, with objects: All, the cluster does its own work: it is denied nothing, and not even asked about.
func TestTheControlPlaneWorks(t *testing.T) {
	mark := auditMark(t)
	t.Run("a Deployment rolls out, twice", func(t *testing.T) { rollsOut(t) })
	t.Run("an HPA scales to its minimum, and all goes with the Deployment", func(t *testing.T) { scalesAndGoes(t) })
	t.Run("a Job finishes and is collected", func(t *testing.T) { jobEnds(t) })
	t.Run("a StatefulSet and a DaemonSet get their pods", func(t *testing.T) { setsGetPods(t) })
	t.Run("a namespace with content is deleted to the end", func(t *testing.T) { namespaceEnds(t) })
	t.Run("a namespace gets its account and its CA", func(t *testing.T) {
		ns := newNamespace(t, "")
		eventually(t, "the CA's ConfigMap", exists("-n", ns, "configmap/kube-root-ca.crt"))
		kubectl(t, syncer, "-n", ns, "delete", "serviceaccount/default", "configmap/kube-root-ca.crt").MustAllow(t)
		eventually(t, "the CA's ConfigMap, again", exists("-n", ns, "configmap/kube-root-ca.crt"))
		eventually(t, "the default account, again", exists("-n", ns, "serviceaccount/default"))
	})

	seen := map[string]int{}
	for _, e := range auditedSince(t, mark, bySystem) {
		seen[e.User.Username]++
		if calledOut(e) {
			t.Errorf("the API server asked about %s of %s: %v", act(e), e.User.Username, e.Annotations)
		}
		if e.ResponseStatus != nil && strings.Contains(e.ResponseStatus.Message, "gitlatch") {
			t.Errorf("%s of %s was answered %q", act(e), e.User.Username, e.ResponseStatus.Message)
		}
	}
	for _, who := range []string{
		"deployment-controller", "replicaset-controller", "horizontal-pod-autoscaler", "generic-garbage-collector",
		"job-controller", "ttl-after-finished-controller", "namespace-controller", "root-ca-cert-publisher",
		"service-account-controller", "endpointslice-controller", "statefulset-controller", "daemon-set-controller",
	} {
		if seen["system:serviceaccount:kube-system:"+who] == 0 {
			t.Errorf("the audit log shows no write of %s: the test saw nothing of it", who)
		}
	}
	if found := here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		q := &r.Spec.Requester
		return isSystem(q.Username) && (q.UID != "" || len(q.Extra) > 0) // and nobody who only poses as one
	}); len(found) > 0 {
		t.Errorf("there is a record of the control plane: %+v", found[0].Spec)
	}
}

// isSystem: the names of a cluster's own, whoever bears them.
func isSystem(user string) bool {
	return strings.HasPrefix(user, "system:") &&
		(!strings.HasPrefix(user, "system:serviceaccount:") || strings.HasPrefix(user, "system:serviceaccount:kube-system:"))
}

func bySystem(e *auditv1.Event) bool { return e.ImpersonatedUser == nil && isSystem(e.User.Username) }

func rollsOut(t *testing.T) {
	ns := newNamespace(t, "")
	kubelet(t, ns)
	declareShop(t, ns)
	kubectl(t, "admin", "-n", ns, "rollout", "status", "deployment/web", "--timeout=60s").MustAllow(t)
	declare(t, strings.ReplaceAll(fmt.Sprintf(shop, ns), "registry.example/web:1", "registry.example/web:2"))
	kubectl(t, "admin", "-n", ns, "rollout", "status", "deployment/web", "--timeout=60s").MustAllow(t)
	eventually(t, "two ready endpoints of Service web", func(context.Context) error {
		got := kubectl(t, "admin", "-n", ns, "get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o",
			"jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}")
		if n := len(strings.Fields(got.Out)); n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

func scalesAndGoes(t *testing.T) {
	ns := newNamespace(t, "")
	kubelet(t, ns)
	declareShop(t, ns)
	declare(t, fmt.Sprintf(`apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: %s}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 4
  maxReplicas: 6
`, ns))
	kubectl(t, "admin", "-n", ns, "wait", "deployment/web", "--for=jsonpath={.status.readyReplicas}=4", "--timeout=30s").MustAllow(t)
	kubectl(t, syncer, "-n", ns, "delete", "hpa/web", "deployment/web").MustAllow(t)
	eventually(t, "the ReplicaSets and Pods to go", none("-n", ns, "replicasets,pods", "-l", "app=web"))
}

func jobEnds(t *testing.T) {
	ns := newNamespace(t, "")
	kubelet(t, ns)
	declare(t, fmt.Sprintf(`apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: %s}
spec:
  ttlSecondsAfterFinished: 1
  template:
    spec:
      restartPolicy: Never
      tolerations: [{operator: Exists}]
      containers: [{name: once, image: registry.example/once:1}]
`, ns))
	kubectl(t, "admin", "-n", ns, "wait", "job/once", "--for=condition=Complete", "--timeout=30s").MustAllow(t)
	eventually(t, "the Job and its Pod to be collected", none("-n", ns, "jobs,pods"))
}

func setsGetPods(t *testing.T) {
	ns := newNamespace(t, "")
	kubelet(t, ns)
	for _, kind := range []string{"StatefulSet", "DaemonSet"} {
		more := ""
		if kind == "StatefulSet" {
			more = "serviceName: db\n  replicas: 2"
		}
		declare(t, fmt.Sprintf(`apiVersion: apps/v1
kind: %[2]s
metadata: {name: db, namespace: %[1]s}
spec:
  %[3]s
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      tolerations: [{operator: Exists}]
      containers: [{name: db, image: registry.example/db:1}]
`, ns, kind, more))
	}
	kubectl(t, "admin", "-n", ns, "rollout", "status", "statefulset/db", "--timeout=30s").MustAllow(t)
	eventually(t, "the DaemonSet's pod", func(context.Context) error {
		if kubectl(t, "admin", "-n", ns, "get", "pods", "-l", "app=DaemonSet", "-o", "name").Out == "" {
			return errNone
		}
		return nil
	})
}

func namespaceEnds(t *testing.T) {
	ns := newNamespace(t, "")
	kubelet(t, ns)
	declareShop(t, ns)
	podOf(t, ns)
	kubectl(t, syncer, "delete", "namespace", ns, "--wait=false").MustAllow(t)
	eventually(t, "the namespace to be gone", none("namespace", ns, "--ignore-not-found"))
}

// exists and none are questions for eventually, put as admin.
func exists(args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, stderr, code := plane.Kubectl(ctx, "admin", "", append([]string{"get"}, args...)...); code != 0 {
			return fmt.Errorf("%s", stderr)
		}
		return nil
	}
}

func none(args ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		stdout, stderr, code := plane.Kubectl(ctx, "admin", "", append([]string{"get", "-o", "name"}, args...)...)
		if code != 0 || stdout != "" {
			return fmt.Errorf("%s%s", stdout, stderr)
		}
		return nil
	}
}

// kubelet does, until the test ends, what a scheduler and a node would do to the pods of a namespace: they run, those
// that never restart succeed, and what is deleted goes.
func kubelet(t *testing.T, ns string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	c := here.Client(t, "admin")
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			list := &corev1.PodList{}
			if err := c.List(ctx, list, client.InNamespace(ns)); err == nil {
				for i := range list.Items {
					tend(ctx, &list.Items[i])
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { stop(); <-done })
}

// tend: what goes wrong is tried again in the next round.
func tend(ctx context.Context, pod *corev1.Pod) {
	switch {
	case pod.DeletionTimestamp != nil:
		_ = plane.FinishDeletion(ctx, pod.Namespace, pod.Name)
	case pod.Status.Phase != corev1.PodPending:
	case pod.Spec.RestartPolicy == corev1.RestartPolicyNever:
		_ = plane.MarkSucceeded(ctx, pod.Namespace, pod.Name)
	default:
		_ = plane.MarkRunning(ctx, pod.Namespace, pod.Name)
	}
}
