package gitlatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"

	"github.com/gitlatch/gitlatch/test/cluster"
)

// hire waits for the Deployment's Pods, has them run, as far as the control plane is concerned, and gives each replica
// the token that its kubelet would have mounted.
func (g *Gitlatch) hire(ctx context.Context) error {
	if err := os.MkdirAll(g.options.LogDir, 0o700); err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(g.cluster.Config("admin"))
	if err != nil {
		return err
	}
	pods, err := g.pods(ctx, client)
	if err != nil {
		return err
	}
	for i, pod := range pods {
		if err := g.cluster.MarkRunning(ctx, Namespace, pod.Name); err != nil {
			return err
		}
		r := g.newReplica(i, pod.Name)
		r.kubeconfig = filepath.Join(g.cluster.Dir(), "kubeconfig", fmt.Sprintf("webhook-%d", i))
		if err := g.login(ctx, pod, r.kubeconfig); err != nil {
			return fmt.Errorf("making the token of pod %s: %w", pod.Name, err)
		}
		g.replicas = append(g.replicas, r)
	}
	return nil
}

// pods waits until the ReplicaSet has made exactly the Pods that were asked for.
func (g *Gitlatch) pods(ctx context.Context, client kubernetes.Interface) ([]corev1.Pod, error) {
	var pods []corev1.Pod
	err := WaitFor(ctx, 30*time.Second, "the Deployment's pods", func(ctx context.Context) error {
		list, err := client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: componentLabel})
		if err != nil {
			return err
		}
		pods = slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
		if len(pods) != g.options.Replicas {
			return fmt.Errorf("there are %d, not %d", len(pods), g.options.Replicas)
		}
		return nil
	})
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, err
}

// login asks for the token as the node does. The node's right to it follows from the pod by a graph in the API server
// that is a moment behind.
func (g *Gitlatch) login(ctx context.Context, pod corev1.Pod, kubeconfig string) error {
	node, err := kubernetes.NewForConfig(g.cluster.Config("system:node:" + cluster.NodeName))
	if err != nil {
		return err
	}
	var token string
	err = WaitFor(ctx, 10*time.Second, "a token", func(ctx context.Context) error {
		answer, err := node.CoreV1().ServiceAccounts(Namespace).CreateToken(ctx, Account, &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{
				ExpirationSeconds: ptr.To[int64](24 * 60 * 60),
				BoundObjectRef: &authenticationv1.BoundObjectReference{
					APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID,
				},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		token = answer.Status.Token
		return nil
	})
	if err != nil {
		return err
	}
	return g.writeKubeconfig(kubeconfig, token)
}

func (g *Gitlatch) writeKubeconfig(path, token string) error {
	to := g.cluster.Config("admin")
	if len(to.CAData) == 0 {
		return errors.New("writing a kubeconfig: the cluster has no CA")
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["gitlatch"] = &clientcmdapi.Cluster{Server: to.Host, CertificateAuthorityData: to.CAData}
	config.AuthInfos[Account] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["gitlatch"] = &clientcmdapi.Context{Cluster: "gitlatch", AuthInfo: Account, Namespace: Namespace}
	config.CurrentContext = "gitlatch"
	return clientcmd.WriteToFile(*config, path)
}
