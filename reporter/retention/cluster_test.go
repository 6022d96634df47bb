package retention

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// The tests of this package share one real control plane, and have its records to
// themselves: they run one after the other.
var (
	shared  *cluster.Cluster
	started sync.Once
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	if asked := os.Getenv(childEnv); asked != "" {
		if err := child(asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

func needCluster(t testing.TB) {
	t.Helper()
	started.Do(func() {
		c, err := cluster.Start(context.Background(), cluster.Options{Progress: os.Stderr})
		must(t, err)
		shared = c
		crd, err := filepath.Abs("../../manifests/crds/gitlatch.dev_changerecords.yaml")
		must(t, err)
		for _, args := range [][]string{
			{"apply", "-f", crd},
			{"wait", "--for=condition=Established", "crd/changerecords.gitlatch.dev", "--timeout=30s"},
			{"create", "namespace", systemNamespace},
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

const systemNamespace = "gitlatch-system"

func clientOf(config *rest.Config) (client.WithWatch, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	config = rest.CopyConfig(config)
	config.QPS = -1
	return client.NewWithWatch(config, client.Options{Scheme: scheme})
}

// rig is a loop on the real cluster, with no records and no archive yet.
type rig struct {
	*Loop
	client  client.WithWatch
	metrics *prometheus.Registry
	heads   *archive.Heads
	clock   *clocktesting.FakeClock
	path    string
	now     time.Time
}

func newRig(t testing.TB, options Options) *rig {
	t.Helper()
	needCluster(t)
	c, err := clientOf(shared.Config("admin"))
	must(t, err)
	must(t, c.DeleteAllOf(t.Context(), &v1alpha1.ChangeRecord{}))
	must(t, client.IgnoreNotFound(c.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: archive.HeadsConfigMap}})))
	r := &rig{
		client: c, metrics: prometheus.NewPedanticRegistry(), path: filepath.Join(t.TempDir(), "archive.jsonl"),
		heads: &archive.Heads{Client: c, Namespace: systemNamespace, Sink: archive.SinkFile},
		now:   time.Now().Add(100 * day).Truncate(time.Microsecond), // what is made now is old then
	}
	r.clock = clocktesting.NewFakeClock(r.now)
	metrics, err := NewMetrics(r.metrics)
	must(t, err)
	r.Loop = &Loop{Store: c, Sink: &archive.File{Path: r.path}, Heads: r.heads, Metrics: metrics, Clock: r.clock, Options: options}
	t.Cleanup(func() { must(t, r.Sink.Close()) })
	return r
}

// seed makes a record that was seen last so long before the rig's clock.
func (r *rig) seed(t testing.TB, name string, rec *v1alpha1.ChangeRecord) {
	t.Helper()
	must(t, r.put(t.Context(), name, rec))
}

func (r *rig) put(ctx context.Context, name string, rec *v1alpha1.ChangeRecord) error {
	shift := r.now.Sub(noon())
	rec.Name, rec.CreationTimestamp = name, metav1.Time{}
	status := rec.Status.DeepCopy()
	status.FirstSeen.Time, status.LastSeen.Time = status.FirstSeen.Add(shift), status.LastSeen.Add(shift)
	if status.Review != nil {
		status.Review.At.Time = status.Review.At.Add(shift)
	}
	if rec.Spec.BreakGlass != nil {
		rec.Spec.BreakGlass.Until.Time = rec.Spec.BreakGlass.Until.Add(shift)
	}
	if err := r.client.Create(ctx, rec); err != nil {
		return err
	}
	before := rec.DeepCopy()
	rec.Status = *status
	return r.client.Status().Patch(ctx, rec, client.MergeFrom(before))
}

// seedMany makes so many old denials, a few at a time.
func (r *rig) seedMany(t testing.TB, n int, age time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	next := make(chan int)
	errs := make(chan error, n)
	for range 16 {
		all.Go(func() {
			for i := range next {
				errs <- r.put(t.Context(), fmt.Sprintf("cr-%05d", i), seen(v1alpha1.OutcomeDenied, v1alpha1.PhaseClosed, age-time.Duration(i)*time.Second))
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
}

// left are the names of the records that are there.
func (r *rig) left(t testing.TB) []string {
	t.Helper()
	var list v1alpha1.ChangeRecordList
	must(t, r.client.List(t.Context(), &list))
	names := []string{}
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	slices.Sort(names)
	return names
}

func (r *rig) pass(t testing.TB) *Result {
	t.Helper()
	result, err := r.Pass(t.Context())
	must(t, err)
	return result
}

// kept are the names of the records in the archive, in its order, which is intact up to
// the head that the cluster knows.
func (r *rig) kept(t testing.TB) []string {
	t.Helper()
	head, err := r.heads.Load(t.Context())
	must(t, err)
	data, err := os.ReadFile(r.path)
	must(t, err)
	v := &archive.Verifier{Head: &head}
	must(t, v.Read(t.Context(), r.path, bytes.NewReader(data)))
	if report := v.Finish(); !report.Intact || report.Last.Seq < head.Seq {
		t.Errorf("the archive is %+v", report)
	}
	names := []string{}
	for text := range bytes.Lines(data) {
		var l struct{ Record *v1alpha1.ChangeRecord }
		must(t, json.Unmarshal(text, &l))
		if l.Record != nil {
			names = append(names, l.Record.Name)
		}
	}
	return names
}

// figures are the metrics that are not 0, by name and label.
func (r *rig) figures(t testing.TB) map[string]float64 {
	t.Helper()
	families, err := r.metrics.Gather()
	must(t, err)
	out := map[string]float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			name := family.GetName()
			for _, l := range m.Label {
				name += " " + l.GetValue()
			}
			if value := m.GetCounter().GetValue() + m.GetGauge().GetValue(); value != 0 {
				out[name] = value
			}
		}
	}
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
