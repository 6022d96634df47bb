package heartbeat

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/webhook/registration"
)

// The tests of this package share one real control plane with a real gate. It starts with the first that needs it. The
// heart runs here, with the account and the rights of the reporter.
var (
	plane   *cluster.Cluster
	gate    *gitlatch.Gitlatch
	started sync.Once
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	code := m.Run()
	if gate != nil {
		_ = gate.Stop()
	}
	if plane != nil {
		_ = plane.Stop()
	}
	os.Exit(code)
}

func needGate(t *testing.T) {
	t.Helper()
	started.Do(func() {
		ctx := context.Background()
		var err error
		plane, err = cluster.Start(ctx, cluster.Options{Progress: os.Stderr})
		must(t, err)
		gate, err = gitlatch.Install(ctx, plane, gitlatch.Options{Reporter: true, Progress: os.Stderr})
		must(t, err)
		gate.Reporter().Terminate() // its pod and its token stay
		must(t, gate.Policy(ctx, gitlatch.EnforceAll()))
	})
	if gate == nil {
		t.Fatal("there is no gate")
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, ask func() error) {
	t.Helper()
	must(t, gitlatch.WaitFor(t.Context(), 30*time.Second, what, func(context.Context) error { return ask() }))
}

func clientOf(t testing.TB, config *rest.Config) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	c, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	must(t, err)
	return c
}

// newHeart beats as the reporter. Its reviews find three, and fail the first time.
func newHeart(t *testing.T) (*Heart, *reviewer) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", gate.Reporter().Kubeconfig())
	must(t, err)
	m, err := NewMetrics(prometheus.NewRegistry())
	must(t, err)
	r := &reviewer{}
	c := clientOf(t, config)
	return &Heart{
		Config: config, Client: c, Namespace: gitlatch.Namespace, Every: time.Second, Metrics: m,
		Expected: expectedNow(t, c), Differences: registration.Differences, Review: r.review,
	}, r
}

// expectedNow compiles as the reporter does, for a gate at the address that is registered now.
func expectedNow(t *testing.T, c client.Client) func(context.Context) (*Expected, error) {
	t.Helper()
	var registered admissionv1.MutatingWebhookConfiguration
	must(t, c.Get(t.Context(), client.ObjectKey{Name: registration.Name}, &registered))
	options := registration.Options{
		URL: strings.TrimSuffix(*registered.Webhooks[0].ClientConfig.URL, registration.GatePath),
		Install: policy.Installation{Namespace: gitlatch.Namespace, Webhook: gitlatch.Account,
			Applier: gitlatch.ApplierAccount, Reporter: gitlatch.ReporterAccount},
	}
	return func(ctx context.Context) (*Expected, error) {
		var list v1alpha1.ChangePolicyList
		if err := c.List(ctx, &list); err != nil {
			return nil, err
		}
		out := &Expected{}
		for i := range list.Items {
			p, errs := policy.Compile(&list.Items[i])
			if len(errs) > 0 {
				return nil, errs.ToAggregate()
			}
			out.Policies = append(out.Policies, p)
		}
		var err error
		out.Gate, out.Final, err = registration.Compile(options, out.Policies)
		return out, err
	}
}

// reviewer counts how often each gap is reviewed, by its start.
type reviewer struct {
	mu    sync.Mutex
	spans map[int64][][2]time.Time
}

func (r *reviewer) review(_ context.Context, from, until time.Time, _ []*policy.Policy) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.spans == nil {
		r.spans = map[int64][][2]time.Time{}
	}
	key := from.UnixMicro()
	r.spans[key] = append(r.spans[key], [2]time.Time{from, until})
	if len(r.spans[key]) == 1 {
		return 0, errors.New("the witnesses are away")
	}
	return 3, nil
}

// of is how a gap was reviewed.
func (r *reviewer) of(from time.Time) [][2]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spans[from.UnixMicro()]
}

// start runs a heart until the test ends or stop is called.
func start(t *testing.T, h *Heart) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = h.Start(ctx)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// gapsSince are the records of gaps that were made since a time, oldest first.
func gapsSince(t *testing.T, since time.Time) []v1alpha1.ChangeRecord {
	t.Helper()
	var list v1alpha1.ChangeRecordList
	must(t, clientOf(t, plane.Config("admin")).List(t.Context(), &list))
	var out []v1alpha1.ChangeRecord
	for _, r := range gapsAmong(list.Items) {
		if r.CreationTimestamp.Time.After(since.Add(-time.Second)) {
			out = append(out, r)
		}
	}
	return out
}

// beating waits until the heart has seen the gate shut, after a time.
func beating(t *testing.T, h *Heart) {
	t.Helper()
	eventually(t, "the gate to be seen shut", func() error {
		if got := testutil.ToFloat64(h.Metrics.state.WithLabelValues("Enforcing")); got != 1 {
			return fmt.Errorf("gitlatch_gate_state{state=Enforcing} is %v", got)
		}
		return nil
	})
}

// pass waits until a new second begins: records are dated by the second.
func pass() time.Time {
	time.Sleep(1100 * time.Millisecond)
	return time.Now()
}
