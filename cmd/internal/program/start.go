package program

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// NewLogger writes JSON lines.
func NewLogger(to io.Writer, verbosity int) logr.Logger {
	return logr.FromSlogHandler(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: slog.Level(-verbosity)}))
}

// ForLibraries has the libraries log through this logger: theirs is one of the
// process.
func ForLibraries(l logr.Logger) {
	log.SetLogger(l)
	klog.SetLogger(l.WithName("client-go").V(1)) // it tells much, and little that helps
}

// Listen takes a port before anything else is done: a port in use is the mistake
// that is made most.
func Listen(name, address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, UsageError{fmt.Errorf("listening on %s: %w; free it, or choose another with %s", address, err, name)}
	}
	return listener, nil
}

// Config reaches the API server as the user agent: by a kubeconfig, or, where none
// is named, as the pod's own account.
//
// The client's own limit is taken away. The API server has fair queues, and what
// waits for the limit waits where nobody sees it.
func Config(kubeconfig, agent string) (*rest.Config, error) {
	config, err := load(kubeconfig)
	if err != nil {
		return nil, UsageError{err}
	}
	config.QPS = -1
	config.UserAgent = agent
	return config, nil
}

func load(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, errors.New("no kubeconfig, and this is not a pod; set --kubeconfig")
		}
		return config, nil
	}
	if _, err := os.Stat(kubeconfig); err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w; check --kubeconfig", err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig %s: %w; check --kubeconfig", kubeconfig, err)
	}
	return config, nil
}

// Lease is the lock of the leader, without the events that the default one writes:
// they would need a right of their own. Who holds a lease under this identity is
// taken for this process.
func Lease(config *rest.Config, namespace, name, identity string) (resourcelock.Interface, error) {
	leases, err := coordinationv1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for leases: %w", err)
	}
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: name},
		Client:     leases,
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}, nil
}
