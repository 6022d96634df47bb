package review

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// plane is the control plane that the tests share; TestMain sets it once. It has the
// kinds of Gitlatch, and no gate.
var plane *cluster.Cluster

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reporter/review:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if plane, err = cluster.Start(ctx, cluster.Options{Progress: os.Stderr}); err != nil {
		return 0, err
	}
	defer plane.Stop()
	crd, err := filepath.Abs("../../manifests/crds/gitlatch.dev_changerecords.yaml")
	if err != nil {
		return 0, err
	}
	for _, args := range [][]string{
		{"apply", "-f", crd},
		{"wait", "--for=condition=Established", "crd/changerecords.gitlatch.dev", "--timeout=30s"},
		{"create", "namespace", "prod"},
	} {
		if _, stderr, code := plane.Kubectl(ctx, "admin", "", args...); code != 0 {
			return 0, fmt.Errorf("kubectl %v: %s", args, stderr)
		}
	}
	return m.Run(), nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newClient(t *testing.T) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	config := rest.CopyConfig(plane.Config("admin"))
	config.QPS = -1
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	must(t, err)
	return c
}

// store writes a record as the gate and a reviewer left it.
func store(t *testing.T, name string, tweaks ...tweak) {
	t.Helper()
	c, rec := newClient(t), flagged(append(tweaks, named(name))...)
	status := rec.Status
	must(t, c.Create(t.Context(), rec))
	t.Cleanup(func() { must(t, client.IgnoreNotFound(c.Delete(context.Background(), rec))) })
	if status.LastSeen.IsZero() {
		status.LastSeen = status.FirstSeen
	}
	before := rec.DeepCopy()
	rec.Status = status
	must(t, c.Status().Patch(t.Context(), rec, client.MergeFrom(before)))
}

// start runs a loop until the test ends, or until stop.
func start(t *testing.T, clock *clocktesting.FakeClock) (m *Metrics, stop func()) {
	t.Helper()
	m, err := NewMetrics(prometheus.NewPedanticRegistry(), Overdue{}, clock)
	must(t, err)
	l := &Loop{Client: newClient(t), Clock: clock, Metrics: m}
	if !l.NeedLeaderElection() {
		t.Error("two loops would run side by side")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Start(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return m, stop
}

func read(t *testing.T, name string) *v1alpha1.ChangeRecord {
	t.Helper()
	rec := &v1alpha1.ChangeRecord{}
	must(t, newClient(t).Get(t.Context(), client.ObjectKey{Name: name}, rec))
	return rec
}

// become waits until a record stands as wanted.
func become(t *testing.T, name string, phase v1alpha1.Phase, resolution *v1alpha1.Resolution) {
	t.Helper()
	var diff string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		got := read(t, name).Status
		if got.Resolution != nil {
			got.Resolution.At = metav1.NewTime(got.Resolution.At.UTC())
		}
		want := []any{phase, resolution}
		if diff = cmp.Diff(want, []any{got.Phase, got.Resolution}); diff == "" {
			return
		}
	}
	t.Fatalf("%s (-want +got):\n%s", name, diff)
}

// stays checks that a record stands as it did, after another that came later has moved.
func stays(t *testing.T, name string, phase v1alpha1.Phase, resolution *v1alpha1.Resolution) {
	t.Helper()
	if got := read(t, name).Status; got.Phase != phase || cmp.Diff(resolution, got.Resolution) != "" {
		t.Errorf("%s is %s, %+v; want %s, %+v", name, got.Phase, got.Resolution, phase, resolution)
	}
}

func settled(state v1alpha1.ResolutionState, commit string) *v1alpha1.Resolution {
	return &v1alpha1.Resolution{State: state, Commit: commit, At: metav1.NewTime(two())}
}
