package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/figures"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// operator is a controller: pod-bound, cluster-admin, and no sync.
const operator = "operators/web-operator"

// world is a control plane with Gitlatch, with the policies and objects of declared.go.
type world struct {
	plane   *cluster.Cluster
	gate    *gitlatch.Gitlatch
	guarded time.Time // from here on the policies were in force
}

// newWorld starts one. What a process is later asked to survive is not there yet: all of this goes undisturbed.
func newWorld(ctx context.Context, plane cluster.Options, gate gitlatch.Options, say func(string, ...any)) (_ *world, err error) {
	say("starting a control plane with Gitlatch")
	w := &world{}
	if w.plane, err = cluster.Start(ctx, plane); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			w.stop()
		}
	}()
	// Before the first policy: afterwards nobody makes an account's pod, or a token for it, by hand.
	if _, err = w.plane.ServiceAccount(ctx, "operators", "web-operator", cluster.AccountOptions{ClusterAdmin: true}); err != nil {
		return nil, err
	}
	if w.gate, err = gitlatch.Install(ctx, w.plane, gate); err != nil {
		return nil, err
	}
	for _, p := range []string{policyWarn, policyEnforce()} {
		if err = w.gate.Policy(ctx, p); err != nil {
			return nil, err
		}
	}
	// What git itself writes first, the API server may ask about with conditions that are a moment old.
	w.guarded = time.Now().Add(time.Second)
	if err = w.furnish(ctx); err != nil {
		return nil, err
	}
	return w, sleep(ctx, time.Until(w.guarded))
}

// furnish has git declare its objects, and the operator make its own.
func (w *world) furnish(ctx context.Context) error {
	if err := w.gate.Apply(ctx, declared()); err != nil {
		return fmt.Errorf("declaring the objects to write to: %w", err)
	}
	c, err := w.client(operator)
	if err != nil {
		return err
	}
	own := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "undeclared", Namespace: enforced}}
	return gitlatch.WaitFor(ctx, 30*time.Second, "the operator's object", func(ctx context.Context) error {
		_, err := c.CoreV1().ConfigMaps(enforced).Create(ctx, own, metav1.CreateOptions{})
		return err
	})
}

func (w *world) stop() {
	if w.gate != nil {
		_ = w.gate.Stop()
	}
	_ = w.plane.Stop() // a temporary one: there is nothing to save
}

// client is of somebody whom the control plane knows, without a limit of its own.
func (w *world) client(user string) (kubernetes.Interface, error) {
	return kubernetes.NewForConfig(w.plane.Config(user))
}

// typed is a client of Gitlatch's own kinds, for admin.
func (w *world) typed() (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return client.New(w.plane.Config("admin"), client.Options{Scheme: scheme})
}

// records are those that the filter selects.
func (w *world) records(ctx context.Context, f record.Filter, tell func(*v1alpha1.ChangeRecord)) error {
	c, err := w.typed()
	if err != nil {
		return err
	}
	if err := record.Each(ctx, c, f, tell); err != nil {
		return fmt.Errorf("reading the records: %w", err)
	}
	return nil
}

// metric adds up what a replica shows of a metric, over the series with these labels; see [figures.Counter].
func (w *world) metric(ctx context.Context, replica int, name string, labels map[string]string) (float64, error) {
	return figures.Counter(ctx, http.DefaultClient, w.gate.MetricsURL(replica), name, labels)
}

// failOpens is how often the API server let a write pass because a webhook of Gitlatch's did not answer, as the API
// server itself counts: since it started.
func (w *world) failOpens(ctx context.Context) (float64, error) {
	c, err := rest.HTTPClientFor(w.plane.Config("admin"))
	if err != nil {
		return 0, err
	}
	defer c.CloseIdleConnections()
	return figures.Counter(ctx, c, w.plane.URL()+"/metrics", "apiserver_admission_webhook_fail_open_count", nil)
}

// sleep ends early, with an error, when ctx does.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
