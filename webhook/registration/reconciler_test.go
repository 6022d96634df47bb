package registration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// control is the real control plane; its tests take turns.
var control struct {
	once sync.Once
	*cluster.Cluster
	err error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if control.Cluster != nil {
		if err := control.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, admissionv1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// admin is a client of the control plane with Gitlatch's kinds, and nothing of an
// earlier test.
func admin(t *testing.T) client.Client {
	t.Helper()
	control.once.Do(func() {
		control.Cluster, control.err = cluster.Start(context.Background(), cluster.Options{Progress: os.Stderr})
		if control.err != nil {
			return
		}
		crds, err := filepath.Abs("../../manifests/crds")
		if err != nil {
			control.err = err
			return
		}
		for _, args := range [][]string{
			{"apply", "-f", filepath.Join(crds, "gitlatch.dev_changepolicies.yaml")},
			{"wait", "--for=condition=Established", "crd/changepolicies.gitlatch.dev", "--timeout=60s"},
		} {
			if _, stderr, code := control.Kubectl(context.Background(), "admin", "", args...); code != 0 {
				control.err = errors.New(stderr)
				return
			}
		}
	})
	if control.err != nil {
		t.Fatal(control.err)
	}
	c, err := client.New(control.Config("admin"), client.Options{Scheme: scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wipe(t, c) })
	return c
}

func wipe(t *testing.T, c client.Client) {
	ctx := context.Background()
	if err := c.DeleteAllOf(ctx, &v1alpha1.ChangePolicy{}); err != nil {
		t.Error(err)
	}
	for _, o := range append(backstops(), configurations()...) {
		if err := ignoreGone(c.Delete(ctx, o)); err != nil {
			t.Error(err)
		}
	}
}

func configurations() []client.Object {
	named := metav1.ObjectMeta{Name: Name}
	return []client.Object{
		&admissionv1.MutatingWebhookConfiguration{ObjectMeta: named},
		&admissionv1.ValidatingWebhookConfiguration{ObjectMeta: named},
	}
}

// heard collects tampering.
type heard struct {
	sync.Mutex
	all []Tampering
}

func (h *heard) Tampered(_ context.Context, t Tampering) {
	h.Lock()
	defer h.Unlock()
	h.all = append(h.all, t)
}

func newReconciler(c client.Client, told *heard) *Reconciler {
	o := serviceOptions()
	o.Service, o.URL = nil, "https://127.0.0.1:1" // nobody answers; Ignore lets it pass
	return &Reconciler{Client: c, Live: c, Options: o, Bundle: bundle, Tamperer: told, Metrics: NewMetrics(prometheus.NewRegistry())}
}

// bundle is a certificate, since the API server reads it.
func bundle() []byte {
	raw, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		panic(err)
	}
	return raw
}

func run(t *testing.T, r *Reconciler) reconcile.Result {
	t.Helper()
	result, err := r.Reconcile(t.Context(), theOne())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func versions(t *testing.T, c client.Client) []string {
	t.Helper()
	var out []string
	for _, o := range configurations() {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			t.Fatal(err)
		}
		out = append(out, o.GetResourceVersion())
	}
	return out
}

func create(t *testing.T, c client.Client, in ...*v1alpha1.ChangePolicy) {
	t.Helper()
	for _, p := range in {
		if err := c.Create(t.Context(), p.DeepCopy()); err != nil {
			t.Fatal(err)
		}
	}
}

func ready(t *testing.T, c client.Client, name string) metav1.Condition {
	t.Helper()
	var p v1alpha1.ChangePolicy
	if err := c.Get(t.Context(), client.ObjectKey{Name: name}, &p); err != nil {
		t.Fatal(err)
	}
	got := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady)
	if got == nil {
		t.Fatalf("policy %s has no Ready condition", name)
	}
	out := *got
	out.LastTransitionTime = metav1.Time{}
	return out
}

// The API server takes the rules and type-checks the conditions; what it stores is
// what was compiled, so that a second look writes nothing.
func TestTheAPIServerAcceptsWhatIsCompiled(t *testing.T) {
	c := admin(t)
	for _, n := range []struct {
		name string
		in   []*v1alpha1.ChangePolicy
	}{
		{"no policy", nil}, {"one", []*v1alpha1.ChangePolicy{changePolicy("cluster", nil)}},
		{"three", threePolicies()}, {"a hundred", manyPolicies(100)},
		{"one of many users", []*v1alpha1.ChangePolicy{longPolicies()["sync identities"]}},
	} {
		t.Run(n.name, func(t *testing.T) {
			t.Cleanup(func() { wipe(t, c) })
			create(t, c, n.in...)
			told := &heard{}
			run(t, newReconciler(c, told))
			before := versions(t, c)
			again := newReconciler(c, told)
			run(t, again)
			run(t, again)
			if diff := cmp.Diff(before, versions(t, c)); diff != "" {
				t.Errorf("an unchanged configuration was written: %s", diff)
			}
			if len(told.all) > 0 {
				t.Errorf("tampering by nobody: %+v", told.all)
			}
		})
	}
}

func TestNothingIsRegisteredBeforeItServes(t *testing.T) {
	c := admin(t)
	r := newReconciler(c, nil)
	r.Tamperer = nil
	serving := errors.New("not yet")
	r.Ready = func() error { return serving }
	if got := run(t, r).RequeueAfter; got != unready {
		t.Errorf("asked again after %s", got)
	}
	for _, o := range configurations() {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); ignoreGone(err) != nil || err == nil {
			t.Errorf("%s: %v", kindOf(o), err)
		}
	}
	serving = nil
	run(t, r)
	versions(t, c)
}

func TestAnInvalidPolicyKeepsItsLastGoodGeneration(t *testing.T) {
	c := admin(t)
	create(t, c, changePolicy("cluster", nil), changePolicy("broken", func(s *v1alpha1.ChangePolicySpec) {
		s.Trusted = []v1alpha1.TrustedSubject{{Subject: v1alpha1.Subject{User: "x"}, Resources: []v1alpha1.ResourceRule{{APIGroups: []string{""}, Resources: []string{"pods"}}}, Fields: []string{"a..b"}}}
	}))
	r := newReconciler(c, &heard{})
	run(t, r)
	wanted := metav1.Condition{Type: "Ready", Status: "True", Reason: ReasonRegistered, ObservedGeneration: 1,
		Message: "the API server asks the gate about what this policy governs"}
	if diff := cmp.Diff(wanted, ready(t, c, "cluster")); diff != "" {
		t.Error(diff)
	}
	got := ready(t, c, "broken")
	if got.Reason != ReasonInvalid || !strings.HasPrefix(got.Message, "spec.trusted[0].fields[0]: ") || !strings.HasSuffix(got.Message, "; the policy is not in force") {
		t.Errorf("got %+v", got)
	}
	before := versions(t, c)
	var p v1alpha1.ChangePolicy
	if err := c.Get(t.Context(), client.ObjectKey{Name: "cluster"}, &p); err != nil {
		t.Fatal(err)
	}
	p.Spec.Match.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "x", Operator: "Perhaps"}}}
	if err := c.Update(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	run(t, r)
	if diff := cmp.Diff(before, versions(t, c)); diff != "" {
		t.Errorf("an invalid change opened the gate: %s", diff)
	}
	got = ready(t, c, "cluster")
	if got.Reason != ReasonInvalid || !strings.HasSuffix(got.Message, "; generation 1 is still in force") {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]float64{0, 1, 1}, []float64{
		testutil.ToFloat64(r.Metrics.policies.WithLabelValues(stateValid)),
		testutil.ToFloat64(r.Metrics.policies.WithLabelValues(stateKept)),
		testutil.ToFloat64(r.Metrics.policies.WithLabelValues(stateInvalid)),
	}); diff != "" {
		t.Error(diff)
	}
}

func TestTheOffSwitchStandsUntilItIsTakenAway(t *testing.T) {
	c := admin(t)
	create(t, c, changePolicy("cluster", nil))
	told := &heard{}
	r := newReconciler(c, told)
	run(t, r)
	for _, kind := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
		_, stderr, code := control.Kubectl(t.Context(), "admin", "", "patch", kind, Name, "--type=merge",
			"-p", `{"metadata":{"annotations":{"gitlatch.dev/off":"INC-42: drill"}},"webhooks":[]}`)
		if code != 0 {
			t.Fatal(stderr)
		}
	}
	before := versions(t, c)
	run(t, r)
	run(t, newReconciler(c, &heard{})) // one that just came up stands down as well
	if diff := cmp.Diff(before, versions(t, c)); diff != "" {
		t.Errorf("written while off: %s", diff)
	}
	if got := ready(t, c, "cluster"); got.Reason != ReasonStandingDown || got.Message != "the off switch is set: INC-42: drill" {
		t.Errorf("got %+v", got)
	}
	if len(told.all) != 1 || !told.all[0].Off || told.all[0].What != "switched off: INC-42: drill" || told.all[0].Manager != "kubectl-patch" {
		t.Errorf("told %+v", told.all)
	}
	if got := testutil.ToFloat64(r.Metrics.standingDown); got != 1 {
		t.Errorf("metric %v", got)
	}
	for _, kind := range []string{"mutatingwebhookconfiguration", "validatingwebhookconfiguration"} {
		if _, stderr, code := control.Kubectl(t.Context(), "admin", "", "annotate", kind, Name, "gitlatch.dev/off-"); code != 0 {
			t.Fatal(stderr)
		}
	}
	run(t, r)
	if got := ready(t, c, "cluster"); got.Reason != ReasonRegistered {
		t.Errorf("got %+v", got)
	}
	for _, o := range configurations() {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil || len(webhooksOf(o)) != 3 {
			t.Errorf("%s has %d webhooks: %v", kindOf(o), len(webhooksOf(o)), err)
		}
	}
	if got := testutil.ToFloat64(r.Metrics.standingDown); got != 0 {
		t.Errorf("metric %v", got)
	}
}

func TestRestoringBacksOffWhenSomebodyInsists(t *testing.T) {
	c := admin(t)
	create(t, c, changePolicy("cluster", nil))
	told := &heard{}
	r := newReconciler(c, told)
	clock := time.Now()
	r.Now = func() time.Time { return clock }
	run(t, r)
	weaken := func() {
		o := configurations()[0]
		patch := client.RawPatch("application/json-patch+json", []byte(`[{"op":"replace","path":"/webhooks/2/timeoutSeconds","value":1}]`))
		if err := c.Patch(t.Context(), o, patch, client.FieldOwner("evil")); err != nil {
			t.Fatal(err)
		}
	}
	for range patienceFrom {
		weaken()
		run(t, r)
		clock = clock.Add(100 * time.Millisecond)
	}
	weaken()
	if got := run(t, r).RequeueAfter; got <= 0 || got > time.Second {
		t.Errorf("waits %s", got)
	}
	if got := ready(t, c, "cluster"); got.Reason != ReasonContested || got.Status != metav1.ConditionUnknown {
		t.Errorf("got %+v", got)
	}
	clock = clock.Add(time.Second)
	run(t, r)
	if len(told.all) != patienceFrom+1 {
		t.Fatalf("told %d times", len(told.all))
	}
	got := told.all[0]
	if got.Time.IsZero() {
		t.Error("nothing is known of the time")
	}
	got.Time = time.Time{}
	if diff := cmp.Diff(Tampering{Kind: "MutatingWebhookConfiguration", Name: Name, What: "gate.gitlatch.dev timeoutSeconds", Manager: "evil"}, got); diff != "" {
		t.Error(diff)
	}
	if got := testutil.ToFloat64(r.Metrics.rewrites.WithLabelValues("MutatingWebhookConfiguration")); got != patienceFrom+1 {
		t.Errorf("metric %v", got)
	}
}
