package world

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// World is a control plane and the Gitlatch on it.
type World struct {
	Plane *cluster.Cluster
	Gate  *gitlatch.Gitlatch

	// After is asked once the tests have run; an error fails them. Left out: nothing is.
	After func(context.Context) error

	serial atomic.Int64
}

// Main is a package's TestMain: it starts the control plane, has ready install what the tests share, runs them, stops
// everything, and exits. What ready leaves in w.Gate is stopped too.
func Main(m *testing.M, w *World, options cluster.Options, ready func(ctx context.Context, w *World) error) {
	logf.SetLogger(logr.Discard())
	code, err := w.run(m, options, ready)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		code = 1
	}
	os.Exit(code)
}

func (w *World) run(m *testing.M, options cluster.Options, ready func(context.Context, *World) error) (code int, err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if options.Progress == nil {
		options.Progress = os.Stderr
	}
	if w.Plane, err = cluster.Start(ctx, options); err != nil {
		return 0, err
	}
	defer w.Plane.Stop()
	defer func() {
		if w.Gate != nil {
			w.Gate.Stop()
		}
	}()
	if err := ready(ctx, w); err != nil {
		return 0, err
	}
	code = m.Run()
	if w.After != nil {
		err = w.After(ctx)
	}
	return code, err
}

// Named is a name that no other test of the package has.
func (w *World) Named(prefix string) string { return fmt.Sprintf("%s-%d", prefix, w.serial.Add(1)) }

// Client is a client of a person or an account, without a cache.
func (w *World) Client(t testing.TB, user string) client.WithWatch {
	t.Helper()
	return w.ClientOf(t, w.Plane.Config(user))
}

// ClientOf is [World.Client] for whoever this configuration is; it is left as it is.
func (w *World) ClientOf(t testing.TB, config *rest.Config) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	Must(t, clientgoscheme.AddToScheme(scheme))
	Must(t, v1alpha1.AddToScheme(scheme))
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = 2000, 2000
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	Must(t, err)
	return c
}

// Declare applies YAML as git does: server-side, by the sync identity.
func (w *World) Declare(t testing.TB, yaml string) {
	t.Helper()
	if err := w.Gate.Apply(t.Context(), yaml); err != nil {
		t.Fatalf("git could not declare: %v", err)
	}
}

// NewNamespace makes a namespace by git, with labels as YAML's flow, such as "{gate: warn}" or "{}", and waits for its
// default account.
func (w *World) NewNamespace(t testing.TB, labels string) string {
	t.Helper()
	name := w.Named("ns")
	w.Declare(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: %s}\n", name, labels))
	Eventually(t, "the default account of "+name, 30*time.Second, func(ctx context.Context) error {
		if _, stderr, code := w.Plane.Kubectl(ctx, "admin", "", "get", "sa", "default", "-n", name); code != 0 {
			return fmt.Errorf("%s", stderr)
		}
		return nil
	})
	return name
}

// Records are the records that keep selects, as listed.
func (w *World) Records(t testing.TB, keep func(*v1alpha1.ChangeRecord) bool) []v1alpha1.ChangeRecord {
	t.Helper()
	var list v1alpha1.ChangeRecordList
	Must(t, w.Client(t, "admin").List(t.Context(), &list))
	var out []v1alpha1.ChangeRecord
	for i := range list.Items {
		if keep(&list.Items[i]) {
			out = append(out, list.Items[i])
		}
	}
	return out
}

// InNamespace selects the records of one namespace.
func InNamespace(ns string) func(*v1alpha1.ChangeRecord) bool {
	return func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Request.Namespace == ns }
}

// Eventually asks until there is no error, or fails the test with the last one.
func Eventually(t testing.TB, what string, timeout time.Duration, ask func(context.Context) error) {
	t.Helper()
	Must(t, gitlatch.WaitFor(t.Context(), timeout, what, ask))
}

// Must fails the test on an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
