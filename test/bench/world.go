package main

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Logins that the measurements use, beside the people of package cluster.
const (
	operator   = "operators/web-operator" // pod-bound, cluster-admin
	controller = "system:kube-controller-manager"
	node       = "system:node:" + cluster.NodeName
)

// world is a control plane with the identities and objects that are measured with; gate is nil where there is no
// Gitlatch.
type world struct {
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
}

// newWorld starts a control plane. Both kinds are the same but for the gate: ready comes before it is installed, so
// that its processes start in what they are measured in.
func newWorld(ctx context.Context, progress io.Writer) (*world, error) {
	plane, err := cluster.Start(ctx, cluster.Options{Progress: progress})
	if err != nil {
		return nil, err
	}
	w := &world{plane: plane}
	if err := w.hire(ctx); err != nil {
		w.stop()
		return nil, err
	}
	return w, nil
}

func (w *world) stop() {
	if w.gate != nil {
		_ = w.gate.Stop()
	}
	_ = w.plane.Stop() // a temporary one: there is nothing to save
}

// hire makes the identities before the first policy: afterwards, people no longer get them by hand.
func (w *world) hire(ctx context.Context) error {
	for _, a := range [][2]string{{gitlatch.SyncNamespace, gitlatch.SyncAccount}, {"operators", "web-operator"}} {
		if _, err := w.plane.ServiceAccount(ctx, a[0], a[1], cluster.AccountOptions{ClusterAdmin: true}); err != nil {
			return err
		}
	}
	admin, err := w.client("admin")
	if err != nil {
		return err
	}
	_, err = admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "bench:controller-manager"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: controller}},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("granting %s what it writes here: %w", controller, err)
	}
	return nil
}

// guard installs Gitlatch with two policies: Enforce, and Audit in namespaces labelled gate=audit.
func (w *world) guard(ctx context.Context, progress io.Writer) (err error) {
	fmt.Fprintln(progress, "installing Gitlatch")
	if w.gate, err = gitlatch.Install(ctx, w.plane, gitlatch.Options{}); err != nil {
		return err
	}
	for _, p := range []string{policyAudit, policyCluster} {
		if err := w.gate.Policy(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// furnish has git declare the objects, as it does with Gitlatch and without, and the operator make its own.
func (w *world) furnish(ctx context.Context) error {
	_, stderr, code := w.plane.Kubectl(ctx, gitlatch.SyncLogin, declared(),
		"apply", "--server-side", "--force-conflicts", "--field-manager="+gitlatch.SyncFieldManager, "-f", "-")
	if code != 0 {
		return fmt.Errorf("declaring the objects to write to: %s", stderr)
	}
	c, err := w.client(operator)
	if err != nil {
		return err
	}
	own := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "undeclared", Namespace: enforced}, Data: data()}
	return gitlatch.WaitFor(ctx, 30*time.Second, "the operator's object", func(ctx context.Context) error {
		_, err := c.CoreV1().ConfigMaps(enforced).Create(ctx, own, metav1.CreateOptions{})
		return err
	})
}

// client is of somebody whom the control plane knows, without a limit of its own.
func (w *world) client(user string) (kubernetes.Interface, error) {
	return unlimited(w.plane.Config(user))
}

func unlimited(config *rest.Config) (kubernetes.Interface, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1
	return kubernetes.NewForConfig(config)
}

// both starts two control planes at once.
func both(ctx context.Context, progress io.Writer) (bare, gated *world, err error) {
	fmt.Fprintln(progress, "starting two control planes")
	type started struct {
		w   *world
		err error
	}
	other := make(chan started, 1)
	go func() {
		w, err := newWorld(ctx, io.Discard)
		other <- started{w, err}
	}()
	bare, err = newWorld(ctx, progress)
	second := <-other
	if err == nil && second.err == nil {
		return bare, second.w, nil
	}
	for _, w := range []*world{bare, second.w} {
		if w != nil {
			w.stop()
		}
	}
	if err == nil {
		err = second.err
	}
	return nil, nil, err
}
