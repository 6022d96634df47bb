package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/test/process"
)

// await asks until the answer is nil, and gives up when ctx ends, with the last answer as the reason.
func await(ctx context.Context, what string, ask func(context.Context) error) error {
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (%w)", what, err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// errEnded says that the process ended before it served.
var errEnded = errors.New("it ended before it served")

// awaitServer waits until the server answers, or has ended. The controller manager has no port to ask, and what it
// has made in an earlier life proves nothing: its log tells.
func (c *Cluster) awaitServer(ctx context.Context, server Server, p *process.Process) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-p.Exited():
			cancel(errEnded)
		case <-ctx.Done():
		}
	}()
	err := c.ask(ctx, server, p)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errEnded) {
		return errEnded
	}
	return err
}

func (c *Cluster) ask(ctx context.Context, server Server, p *process.Process) error {
	switch server {
	case Etcd:
		return await(ctx, "its health", func(ctx context.Context) error {
			return process.Answers(ctx, http.DefaultClient, "http://"+c.etcdPort.Address()+"/health")
		})
	case APIServer:
		client, err := rest.HTTPClientFor(c.Config("admin"))
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		return await(ctx, "its readiness", func(ctx context.Context) error {
			return process.Answers(ctx, client, c.URL()+"/readyz")
		})
	default:
		return await(ctx, "its controllers", func(context.Context) error {
			if strings.Contains(p.Said(), controllersBegun) {
				return nil
			}
			return errors.New("the garbage collector has not synced")
		})
	}
}

// controllersBegun is in what the garbage collector logs once it knows every resource; it is the last to begin.
const controllersBegun = "ll resource monitors have synced"

// awaitControllers waits for what only living controllers make.
func (c *Cluster) awaitControllers(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.Config("admin"))
	if err != nil {
		return err
	}
	err = await(ctx, "the service account default/default", func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
	if err != nil {
		return err
	}
	// Each controller asks for a token of its own account before it begins.
	for _, name := range []string{"generic-garbage-collector", "namespace-controller", "deployment-controller",
		"replicaset-controller", "job-controller", "horizontal-pod-autoscaler", "root-ca-cert-publisher"} {
		err := await(ctx, "the controller "+name, func(ctx context.Context) error {
			_, err := client.CoreV1().ServiceAccounts("kube-system").Get(ctx, name, metav1.GetOptions{})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settled retries what the API server refuses for a moment only, because one of its caches is behind: a node's right
// to a pod that was bound just now, an account made just now.
func settled(ctx context.Context, what string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var final error
	err := await(ctx, what, func(ctx context.Context) error {
		final = nil
		err := do(ctx)
		if err == nil || apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return err
		}
		final = err
		return nil
	})
	return errors.Join(err, final)
}
