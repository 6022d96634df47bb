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
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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

// newHeart beats as the reporter. Its reviews find three, after one that fails.
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

type reviewer struct {
	mu    sync.Mutex
	spans [][2]time.Time
}

func (r *reviewer) review(_ context.Context, from, until time.Time) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, [2]time.Time{from, until})
	if len(r.spans) == 1 {
		return 0, errors.New("the witnesses are away")
	}
	return 3, nil
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

// TestAGateThatIsShut: the reporter's own account hears both webhooks deny, and nothing of that is left behind. An API
// server that is not reached does not change it.
func TestAGateThatIsShut(t *testing.T) {
	needGate(t)
	since := pass()
	admin := clientOf(t, plane.Config("admin"))
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: "kubernetes-elsewhere", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: ptr("https"), Port: ptr(int32(6443))}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}}, // TEST-NET-1, RFC 5737
	}
	sync := clientOf(t, plane.Config(gitlatch.SyncLogin))
	must(t, sync.Create(t.Context(), slice, client.FieldOwner(gitlatch.SyncFieldManager)))
	t.Cleanup(func() { _ = sync.Delete(context.Background(), slice) })
	h, _ := newHeart(t)
	stop := start(t, h)
	beating(t, h)
	stop()
	for _, want := range []struct {
		what string
		got  float64
		want float64
	}{
		{"gitlatch_gate_enforcing", testutil.ToFloat64(h.Metrics.enforcing), 1},
		{"gitlatch_gate_expected{Enforcing}", testutil.ToFloat64(h.Metrics.expected.WithLabelValues("Enforcing")), 1},
		{"gitlatch_gate_state{Failing}", testutil.ToFloat64(h.Metrics.state.WithLabelValues("Failing")), 0},
		{"gitlatch_gap_open", testutil.ToFloat64(h.Metrics.open), 0},
		{"gitlatch_heartbeat_api_servers{denied}", testutil.ToFloat64(h.Metrics.servers.WithLabelValues("denied")), 1},
		{"gitlatch_heartbeat_api_servers{unreachable}", testutil.ToFloat64(h.Metrics.servers.WithLabelValues("unreachable")), 1},
		{"gitlatch_heartbeat_total{passed}", testutil.ToFloat64(h.Metrics.beats.WithLabelValues("passed")), 0},
	} {
		if want.got != want.want {
			t.Errorf("%s is %v, want %v", want.what, want.got, want.want)
		}
	}
	if left := time.Until(time.Unix(int64(testutil.ToFloat64(h.Metrics.expires)), 0)); left < time.Hour {
		t.Errorf("the gate's certificate is said to expire in %s", left)
	}
	if got := gapsSince(t, since); len(got) != 0 {
		t.Errorf("there are %d records of gaps, and the gate was shut", len(got))
	}
	var records v1alpha1.ChangeRecordList
	must(t, admin.List(t.Context(), &records))
	for _, r := range records.Items {
		if r.Spec.Reason == v1alpha1.ReasonCanary {
			t.Errorf("a canary left the record %s", r.Name)
		}
	}
}

// TestAGapOutlivesTheReporter: one that stops while the gate is away, and another that starts, tell of one gap; its
// review is tried until it is complete.
func TestAGapOutlivesTheReporter(t *testing.T) {
	needGate(t)
	since := pass()
	h, _ := newHeart(t)
	stop := start(t, h)
	beating(t, h)
	gate.Kill(0)
	var found []v1alpha1.ChangeRecord
	eventually(t, "the gap to be recorded", func() error {
		if found = gapsSince(t, since); len(found) == 0 || found[0].Status.Phase == "" {
			return errors.New("there is no record, or only half of one")
		}
		return nil
	})
	stop()
	again, r := newHeart(t)
	start(t, again)
	eventually(t, "the next heart to beat", func() error {
		if testutil.ToFloat64(again.Metrics.state.WithLabelValues("Failing")) != 1 {
			return errors.New("it does not say Failing")
		}
		return nil
	})
	must(t, gate.Start(t.Context(), 0))
	var ended v1alpha1.ChangeRecord
	admin := clientOf(t, plane.Config("admin"))
	eventually(t, "the gap to end", func() error {
		must(t, admin.Get(t.Context(), client.ObjectKeyFromObject(&found[0]), &ended))
		if ended.Status.Gap == nil {
			return errors.New("it is open")
		}
		return nil
	})
	for again.reviewDue(t.Context()) < reviewAgain { // it waits for the witnesses
		time.Sleep(time.Second)
	}
	again.reviewDue(t.Context())
	must(t, admin.Get(t.Context(), client.ObjectKeyFromObject(&found[0]), &ended))
	wantSpan := [2]time.Time{ended.Spec.Gap.Since.Time, ended.Status.Gap.At.Time}
	r.mu.Lock()
	spans := r.spans
	r.mu.Unlock()
	if diff := cmp.Diff([][2]time.Time{wantSpan, wantSpan}, spans); diff != "" {
		t.Errorf("reviews, the first of which failed (-want +got):\n%s", diff)
	}
	if ended.Status.Gap.Audited == nil || ended.Status.Gap.Findings != 3 || ended.Labels[v1alpha1.LabelGap] != "" {
		t.Errorf("after the review: %+v, label %q", ended.Status.Gap, ended.Labels[v1alpha1.LabelGap])
	}
	if all := gapsSince(t, since); len(all) != 1 {
		t.Errorf("there are %d records of one gap", len(all))
	}
	if got := ended.Spec.Gap.Cause; got != string(CauseNoAnswer) {
		t.Errorf("the cause is %s", got)
	}
}

// TestTheTimeInWhichNobodyLooked is a gap that has begun and ended when it is found.
func TestTheTimeInWhichNobodyLooked(t *testing.T) {
	needGate(t)
	since := pass()
	admin := clientOf(t, plane.Config("admin"))
	h, _ := newHeart(t)
	left := time.Now().Add(-10 * time.Minute).Truncate(time.Microsecond)
	must(t, memory{Seen: left, Expected: v1alpha1.GateEnforcing}.keep(t.Context(), h.Client, h.Namespace))
	stop := start(t, h)
	beating(t, h)
	var found []v1alpha1.ChangeRecord
	eventually(t, "the gap to be recorded", func() error {
		if found = gapsSince(t, since); len(found) != 1 || found[0].Status.Gap == nil {
			return fmt.Errorf("there are %d records, or it is open", len(found))
		}
		return nil
	})
	want := v1alpha1.Gap{State: v1alpha1.GateFailing, Expected: v1alpha1.GateEnforcing, Since: metav1.NewMicroTime(left), Cause: string(CauseUnwatched)}
	if diff := cmp.Diff(want, *found[0].Spec.Gap); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	stop()
	var kept corev1.ConfigMap
	must(t, admin.Get(t.Context(), client.ObjectKey{Namespace: gitlatch.Namespace, Name: memoryName}, &kept))
	if seen := readMemory(kept.Data[memoryKey]).Seen; time.Since(seen) > 10*time.Second {
		t.Errorf("it keeps that it looked last at %s", seen)
	}
}
