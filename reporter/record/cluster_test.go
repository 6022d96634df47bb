package record

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// The tests of this package share one real control plane. It starts with the
// first that needs it: fuzzing does not.
var (
	shared  *cluster.Cluster
	started sync.Once
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

func needCluster(t *testing.T) {
	t.Helper()
	started.Do(func() {
		c, err := cluster.Start(context.Background(), cluster.Options{Progress: os.Stderr})
		must(t, err)
		shared = c
		crds, err := filepath.Abs("../../manifests/crds")
		must(t, err)
		for _, args := range [][]string{
			{"apply", "-f", filepath.Join(crds, "gitlatch.dev_changerecords.yaml"), "-f", filepath.Join(crds, "gitlatch.dev_changepolicies.yaml")},
			{"wait", "--for=condition=Established", "crd/changerecords.gitlatch.dev", "crd/changepolicies.gitlatch.dev", "--timeout=30s"},
		} {
			if _, stderr, code := c.Kubectl(context.Background(), "admin", "", args...); code != 0 {
				t.Fatal(stderr)
			}
		}
	})
	if shared == nil {
		t.Fatal("there is no control plane")
	}
}

func adminConfig(t *testing.T) *rest.Config {
	t.Helper()
	needCluster(t)
	config := rest.CopyConfig(shared.Config("admin"))
	config.QPS = -1
	return config
}

func newClient(t *testing.T) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.NewWithWatch(adminConfig(t), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// creations counts what reaches the real store.
type creations struct {
	client.WithWatch
	made, existed atomic.Int64
}

func (c *creations) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	err := c.WithWatch.Create(ctx, obj, opts...)
	switch {
	case err == nil:
		c.made.Add(1)
	case apierrors.IsAlreadyExists(err):
		c.existed.Add(1)
	}
	return err
}

func newWriter(t *testing.T, replica string) (*Writer, *creations) {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewPedanticRegistry())
	if err != nil {
		t.Fatal(err)
	}
	store := &creations{WithWatch: newClient(t)}
	return &Writer{Store: store, Replica: replica, Metrics: metrics, Options: Options{WriteTimeout: 5 * time.Second}}, store
}

// person is a requester of one test alone, so that tests find their own records.
func person(t *testing.T, name string) string {
	return name + "@" + strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
}

func denial(user, target string) Entry {
	e := entryOf("ConfigMap", operationUpdate)
	e.Spec.Outcome, e.Spec.Reason, e.Spec.Class = v1alpha1.OutcomeDenied, v1alpha1.ReasonOutOfBand, v1alpha1.ClassOutOfBand
	e.Spec.Requester.Username = user
	e.Spec.Request.Name = target
	return e
}

func recordsOf(t *testing.T, user string) []v1alpha1.ChangeRecord {
	t.Helper()
	found, err := List(t.Context(), newClient(t), Filter{User: user})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func get(t *testing.T, name string) *v1alpha1.ChangeRecord {
	t.Helper()
	rec := &v1alpha1.ChangeRecord{}
	if err := newClient(t).Get(t.Context(), client.ObjectKey{Name: name}, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

func eventually(t *testing.T, what string, timeout time.Duration, ask func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return ask(), nil })
	if err != nil {
		t.Fatalf("%s: not within %s", what, timeout)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// away moves the start of a test out of the last moments of a bucket of time.
func away(size, margin time.Duration) {
	if left := size - time.Duration(time.Now().UnixNano()%int64(size)); left < margin {
		time.Sleep(left)
	}
}

func uid(n int) types.UID { return types.UID(fmt.Sprintf("review-%d", n)) }
