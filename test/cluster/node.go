package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// NodeName is the cluster's one node. It is an object only: nothing runs on it.
const NodeName = "gitlatch-node"

// Components that [Cluster.Config] knows besides the people, by their client certificates.
const (
	controllerManagerUser = "system:kube-controller-manager"
	schedulerUser         = "system:kube-scheduler"
	nodeUser              = "system:node:" + NodeName
)

func (c *Cluster) knowComponents() error {
	for user, groups := range map[string][]string{
		controllerManagerUser: nil,
		schedulerUser:         nil,
		nodeUser:              {"system:nodes"},
	} {
		config, err := c.Certificate(user, groups...)
		if err != nil {
			return err
		}
		if err := c.know(user, config); err != nil {
			return err
		}
	}
	return nil
}

// clientOf is the typed client of somebody whom Config knows.
func (c *Cluster) clientOf(user string) (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(c.Config(user))
}

// registerNode makes the node as its kubelet would: under the node's own name, ready from the start, so that the node
// lifecycle controller sees no reason to taint it. No heartbeat follows; the controller is told not to wait for one.
func (c *Cluster) registerNode(ctx context.Context) error {
	kubelet, err := c.clientOf(nodeUser)
	if err != nil {
		return err
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:   NodeName,
			Labels: map[string]string{corev1.LabelHostname: NodeName, corev1.LabelOSStable: "linux"},
		},
		Status: corev1.NodeStatus{Conditions: nodeConditions()},
	}
	node.Status.Capacity = corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("64"),
		corev1.ResourceMemory: resource.MustParse("256Gi"),
		corev1.ResourcePods:   resource.MustParse("1000"),
	}
	node.Status.Allocatable = node.Status.Capacity
	_, err = kubelet.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("registering node %s: %w", NodeName, err)
	}
	return nil
}

func nodeConditions() []corev1.NodeCondition {
	now := metav1.Now()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus) corev1.NodeCondition {
		return corev1.NodeCondition{
			Type: kind, Status: status, LastHeartbeatTime: now, LastTransitionTime: now,
			Reason: "Pretended", Message: "there is no kubelet",
		}
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeReady, corev1.ConditionTrue),
		condition(corev1.NodeMemoryPressure, corev1.ConditionFalse),
		condition(corev1.NodeDiskPressure, corev1.ConditionFalse),
		condition(corev1.NodePIDPressure, corev1.ConditionFalse),
	}
}
