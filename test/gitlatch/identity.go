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

// What the containers are told of their memory limits, in manifests/default.
const (
	webhookMemory  = "216MiB"
	applierMemory  = "440MiB"
	reporterMemory = "216MiB"
)

// hire waits for the Deployments' Pods, has them run, as far as the control plane is concerned, and gives each process
// the token that its kubelet would have mounted.
func (g *Gitlatch) hire(ctx context.Context) error {
	if err := os.MkdirAll(g.options.LogDir, 0o700); err != nil {
		return err
	}
	pods, err := g.waitPods(ctx, webhook)
	if err != nil {
		return err
	}
	for i, pod := range pods {
		r := &replica{member: g.join(fmt.Sprintf("%s-%d", webhook, i), pod.Name, webhookMemory)}
		if err := g.login(ctx, pod, Account, r.kubeconfig); err != nil {
			return err
		}
		g.replicas = append(g.replicas, r)
	}
	if pods, err = g.waitPods(ctx, applier); err != nil {
		return err
	}
	for _, pod := range pods {
		g.applier = &Applier{member: g.join(applier, pod.Name, applierMemory), dataDir: filepath.Join(g.cluster.Dir(), applier)}
		if err := g.login(ctx, pod, ApplierAccount, g.applier.kubeconfig); err != nil {
			return err
		}
	}
	if pods, err = g.waitPods(ctx, reporter); err != nil {
		return err
	}
	for _, pod := range pods {
		g.reporter = &Reporter{member: g.join(reporter, pod.Name, reporterMemory)}
		if err := g.login(ctx, pod, ReporterAccount, g.reporter.kubeconfig); err != nil {
			return err
		}
	}
	return nil
}

// waitPods waits until the ReplicaSet of a component has made exactly the Pods that were asked for.
func (g *Gitlatch) waitPods(ctx context.Context, component string) ([]corev1.Pod, error) {
	client, err := kubernetes.NewForConfig(g.cluster.Config("admin"))
	if err != nil {
		return nil, err
	}
	var pods []corev1.Pod
	err = WaitFor(ctx, 30*time.Second, "the "+component+"'s pods", func(ctx context.Context) error {
		list, err := client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + component})
		if err != nil {
			return err
		}
		pods = slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
		if want := g.pods(component); len(pods) != want {
			return fmt.Errorf("there are %d, not %d", len(pods), want)
		}
		return nil
	})
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, err
}

// login has a pod run and makes its kubeconfig.
func (g *Gitlatch) login(ctx context.Context, pod corev1.Pod, account, kubeconfig string) error {
	if err := g.cluster.MarkRunning(ctx, Namespace, pod.Name); err != nil {
		return err
	}
	token, err := g.token(ctx, pod, account)
	if err != nil {
		return fmt.Errorf("making the token of pod %s: %w", pod.Name, err)
	}
	return g.writeKubeconfig(kubeconfig, account, token)
}

// token asks for a pod's token as the node does. The node's right to it follows from the pod by a graph in the API server
// that is a moment behind.
func (g *Gitlatch) token(ctx context.Context, pod corev1.Pod, account string) (string, error) {
	node, err := kubernetes.NewForConfig(g.cluster.Config("system:node:" + cluster.NodeName))
	if err != nil {
		return "", err
	}
	var token string
	err = WaitFor(ctx, 10*time.Second, "a token", func(ctx context.Context) error {
		answer, err := node.CoreV1().ServiceAccounts(Namespace).CreateToken(ctx, account, &authenticationv1.TokenRequest{
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
	return token, err
}

func (g *Gitlatch) writeKubeconfig(path, account, token string) error {
	to := g.cluster.Config("admin")
	if len(to.CAData) == 0 {
		return errors.New("writing a kubeconfig: the cluster has no CA")
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["gitlatch"] = &clientcmdapi.Cluster{Server: to.Host, CertificateAuthorityData: to.CAData}
	config.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts["gitlatch"] = &clientcmdapi.Context{Cluster: "gitlatch", AuthInfo: account, Namespace: Namespace}
	config.CurrentContext = "gitlatch"
	return clientcmd.WriteToFile(*config, path)
}
