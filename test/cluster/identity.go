package cluster

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// AccountOptions say what [Cluster.ServiceAccount] gives. The zero value is an account without rights, whose token is
// bound to a pod of its own.
type AccountOptions struct {
	// Unbound asks for a token that is bound to no pod: one that was minted and carried out of the cluster.
	Unbound bool

	// ClusterAdmin and Rules are what the account may do, everywhere. Neither gives nothing.
	ClusterAdmin bool
	Rules        []rbacv1.PolicyRule

	// By makes the objects: namespace, account, rights, pod. Left out, admin does.
	By *rest.Config

	// As asks for the token. Left out, it is the node, as for every pod; for an unbound token, admin.
	As *rest.Config
}

// Identity is a service account with a token that works, for 24 hours.
type Identity struct {
	Namespace, Name string
	UID             types.UID

	// PodName and PodUID are the pod that the token is bound to; empty when it is bound to none.
	PodName string
	PodUID  types.UID

	Token      string
	Config     *rest.Config
	Kubeconfig string // the path of a file

	// Login is the name by which Config, Kubeconfig and Kubectl know this identity: "namespace/name", and
	// "namespace/name:unbound" with a token bound to no pod.
	Login string
}

// User returns the name that the API server knows the identity by.
func (i *Identity) User() string { return "system:serviceaccount:" + i.Namespace + ":" + i.Name }

const tokenSeconds = 24 * 60 * 60

// ServiceAccount makes sure of a namespace, an account, its rights and, unless Unbound, a Pod object of that account
// on the node, and returns the account with a token. Pod-bound tokens are requested by the node, as they are in
// production: Gitlatch refuses them to persons. What is there already is used as it is.
func (c *Cluster) ServiceAccount(
	ctx context.Context, namespace, name string, options AccountOptions,
) (*Identity, error) {
	identity, err := c.account(ctx, namespace, name, options)
	if err != nil {
		return nil, fmt.Errorf("making service account %s/%s: %w", namespace, name, err)
	}
	return identity, nil
}

func (c *Cluster) account(ctx context.Context, namespace, name string, options AccountOptions) (*Identity, error) {
	if options.By == nil {
		options.By = c.Config("admin")
	}
	client, err := kubernetes.NewForConfig(options.By)
	if err != nil {
		return nil, err
	}
	i := &Identity{Namespace: namespace, Name: name, Login: namespace + "/" + name}
	if err := i.ensureAccount(ctx, client); err != nil {
		return nil, err
	}
	if err := i.ensureRights(ctx, client, options); err != nil {
		return nil, err
	}
	if options.Unbound {
		i.Login += ":unbound"
	} else if err := i.ensurePod(ctx, client); err != nil {
		return nil, err
	}
	if err := c.mint(ctx, i, options.As); err != nil {
		return nil, err
	}
	i.Config = c.withToken(i.Token)
	i.Kubeconfig = c.kubeconfigPath(i.Login)
	return i, c.know(i.Login, i.Config)
}

func (i *Identity) ensureAccount(ctx context.Context, client kubernetes.Interface) error {
	_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{Name: i.Namespace},
	}, metav1.CreateOptions{})
	if ignoreExists(err) != nil {
		return err
	}
	accounts := client.CoreV1().ServiceAccounts(i.Namespace)
	made := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: i.Name}}
	_, err = accounts.Create(ctx, made, metav1.CreateOptions{})
	if ignoreExists(err) != nil {
		return err
	}
	account, err := accounts.Get(ctx, i.Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	i.UID = account.UID
	return nil
}

func (i *Identity) ensureRights(ctx context.Context, client kubernetes.Interface, options AccountOptions) error {
	subject := rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: i.Namespace, Name: i.Name}
	name := "test:" + i.Namespace + ":" + i.Name
	if options.ClusterAdmin {
		if err := bind(ctx, client, name+":admin", "cluster-admin", subject); err != nil {
			return err
		}
	}
	if len(options.Rules) == 0 {
		return nil
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: options.Rules}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); ignoreExists(err) != nil {
		return err
	}
	return bind(ctx, client, name, name, subject)
}

// ensurePod makes the pod, already on the node. It ends at once when it is deleted: nobody would end it later.
func (i *Identity) ensurePod(ctx context.Context, client kubernetes.Interface) error {
	pods := client.CoreV1().Pods(i.Namespace)
	i.PodName = i.Name + "-0"
	_, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: i.PodName},
		Spec: corev1.PodSpec{
			ServiceAccountName:            i.Name,
			NodeName:                      NodeName,
			TerminationGracePeriodSeconds: new(int64(0)),
			// The node may ask only for tokens that the pod mounts.
			AutomountServiceAccountToken: new(true),
			Containers:                   []corev1.Container{{Name: "none", Image: "registry.example/none"}},
			Tolerations:                  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
		},
	}, metav1.CreateOptions{})
	if ignoreExists(err) != nil {
		return err
	}
	pod, err := pods.Get(ctx, i.PodName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	i.PodUID = pod.UID
	return nil
}

// mint asks for the token. The node's right to it follows from the pod by a graph in the API server that is a moment
// behind.
func (c *Cluster) mint(ctx context.Context, i *Identity, as *rest.Config) error {
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(tokenSeconds))},
	}
	requester := "admin"
	if i.PodName != "" {
		requester = nodeUser
		request.Spec.BoundObjectRef = &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: i.PodName, UID: i.PodUID,
		}
	}
	if as == nil {
		as = c.Config(requester)
	}
	client, err := kubernetes.NewForConfig(as)
	if err != nil {
		return err
	}
	return settled(ctx, "a token", func(ctx context.Context) error {
		answer, err := client.CoreV1().ServiceAccounts(i.Namespace).CreateToken(ctx, i.Name, request, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		i.Token = answer.Status.Token
		return nil
	})
}
