package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What a scheduler and a kubelet would do to pods, done with their identities.

// MarkRunning binds a pod to the node as the scheduler, unless it is bound, and reports it running and ready as the
// node. The controllers then count it: a rollout of pods so marked completes.
func (c *Cluster) MarkRunning(ctx context.Context, namespace, name string) error {
	return c.mark(ctx, namespace, name, "running", func(pod *corev1.Pod, now metav1.Time) {
		pod.Status.Phase = corev1.PodRunning
		setReady(pod, corev1.ConditionTrue, now)
		eachContainer(pod, corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}, true)
	})
}

// MarkSucceeded is MarkRunning for a pod whose containers have all ended with exit code 0, as a Job's do.
func (c *Cluster) MarkSucceeded(ctx context.Context, namespace, name string) error {
	return c.mark(ctx, namespace, name, "succeeded", func(pod *corev1.Pod, now metav1.Time) {
		pod.Status.Phase = corev1.PodSucceeded
		setReady(pod, corev1.ConditionFalse, now)
		eachContainer(pod, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason: "Completed", StartedAt: now, FinishedAt: now,
		}}, false)
	})
}

// FinishDeletion removes a pod that is being deleted, as its node does once the containers have ended. Only pods that
// are bound to a node need it: others are gone at once. A pod that is gone already is no error.
func (c *Cluster) FinishDeletion(ctx context.Context, namespace, name string) error {
	kubelet, err := c.clientOf(nodeUser)
	if err != nil {
		return err
	}
	err = settled(ctx, "the node's right to the pod", func(ctx context.Context) error {
		err := kubelet.CoreV1().Pods(namespace).Delete(ctx, name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("finishing the deletion of pod %s/%s: %w", namespace, name, err)
	}
	return nil
}

func (c *Cluster) mark(
	ctx context.Context, namespace, name, state string, change func(*corev1.Pod, metav1.Time),
) error {
	kubelet, err := c.clientOf(nodeUser)
	if err != nil {
		return err
	}
	if err := c.schedule(ctx, namespace, name); err != nil {
		return fmt.Errorf("binding pod %s/%s to the node: %w", namespace, name, err)
	}
	err = settled(ctx, "the node's right to the pod", func(ctx context.Context) error {
		pod, err := kubelet.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		change(pod, metav1.Now())
		_, err = kubelet.CoreV1().Pods(namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return fmt.Errorf("marking pod %s/%s as %s: %w", namespace, name, state, err)
	}
	return nil
}

func (c *Cluster) schedule(ctx context.Context, namespace, name string) error {
	scheduler, err := c.clientOf(schedulerUser)
	if err != nil {
		return err
	}
	pods := scheduler.CoreV1().Pods(namespace)
	pod, err := pods.Get(ctx, name, metav1.GetOptions{})
	if err != nil || pod.Spec.NodeName != "" {
		return err
	}
	return pods.Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: NodeName},
	}, metav1.CreateOptions{})
}

func setReady(pod *corev1.Pod, status corev1.ConditionStatus, now metav1.Time) {
	pod.Status.Conditions = nil
	for _, c := range []struct {
		kind   corev1.PodConditionType
		status corev1.ConditionStatus
	}{
		{corev1.PodScheduled, corev1.ConditionTrue},
		{corev1.PodInitialized, corev1.ConditionTrue},
		{corev1.ContainersReady, status},
		{corev1.PodReady, status},
	} {
		pod.Status.Conditions = append(pod.Status.Conditions,
			corev1.PodCondition{Type: c.kind, Status: c.status, LastTransitionTime: now})
	}
	pod.Status.StartTime = &now
	pod.Status.HostIP = "127.0.0.1"
	pod.Status.HostIPs = []corev1.HostIP{{IP: pod.Status.HostIP}}
	pod.Status.PodIP = podIP(pod)
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
}

// podIP gives a pod an address that is its own with good odds, so that a Service gets its endpoints.
func podIP(pod *corev1.Pod) string {
	var sum uint16
	for _, b := range []byte(pod.UID) {
		sum = sum*31 + uint16(b)
	}
	return fmt.Sprintf("10.244.%d.%d", sum>>8, sum&0xff)
}

func eachContainer(pod *corev1.Pod, state corev1.ContainerState, ready bool) {
	pod.Status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, ImageID: container.Image,
			State: state, Ready: ready, Started: new(ready),
		})
	}
}
