package registration

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// platform stands in for a platform: after each write it adds its requirements where they are missing, as AKS's admissions
// enforcer does, under that one's field manager (aws-observability/helm-charts pull request 350).
type platform struct {
	client   client.WithWatch
	requires []metav1.LabelSelectorRequirement

	mu     sync.Mutex
	writes int
}

func (p *platform) insist(ctx context.Context) {
	for ctx.Err() == nil {
		for _, o := range configurations() {
			if err := p.client.Get(ctx, client.ObjectKeyFromObject(o), o); err == nil {
				p.rewrite(ctx, o)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *platform) rewrite(ctx context.Context, o client.Object) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	patch := []operation{{"test", "/metadata/resourceVersion", o.GetResourceVersion()}}
	for i, w := range webhooksOf(o) {
		s := w.NamespaceSelector.DeepCopy()
		for _, r := range p.requires {
			if !slices.ContainsFunc(s.MatchExpressions, func(has metav1.LabelSelectorRequirement) bool {
				return has.String() == r.String()
			}) {
				s.MatchExpressions = append(s.MatchExpressions, r)
			}
		}
		if len(s.MatchExpressions) > len(w.NamespaceSelector.MatchExpressions) {
			patch = append(patch, operation{"replace", fmt.Sprintf("/webhooks/%d/namespaceSelector", i), s})
		}
	}
	if len(patch) == 1 {
		return
	}
	raw, err := json.Marshal(patch)
	if err == nil && p.client.Patch(ctx, o, client.RawPatch("application/json-patch+json", raw), client.FieldOwner("admissionsenforcer")) == nil {
		p.mu.Lock()
		p.writes++
		p.mu.Unlock()
	}
}

func (p *platform) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

// A platform that rewrites what we register gets what it is known to take, and is told of; nobody gets more, and nobody
// writes for ever.
func TestAPlatformThatRewritesIsToldOfAndNotFought(t *testing.T) {
	known := platformRequirements()
	for name, requires := range map[string][]metav1.LabelSelectorRequirement{"AKS": known[:3], "GKE Autopilot": known[3:]} {
		t.Run(name, func(t *testing.T) { rewritten(t, requires) })
	}
}

func rewritten(t *testing.T, requires []metav1.LabelSelectorRequirement) {
	c := admin(t)
	t.Cleanup(func() { wipe(t, c) })
	told := &heard{}
	r := underManager(t, told)
	watching, err := client.NewWithWatch(control.Config("admin"), client.Options{Scheme: scheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{client: watching, requires: requires}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.insist(ctx) }()
	t.Cleanup(func() { stop(); <-done })

	create(t, c, changePolicy("cluster", nil))
	within(t, "policy and platform are followed", 10*time.Second, func() bool { return count(t, c) == 6 && added(t, c, requires) })
	quiet(t, c, p)
	want := exempted(exemptions(configured(t, c, 0), withoutRequirements(configured(t, c, 0))))
	within(t, "the policy says what is not guarded", 5*time.Second, func() bool {
		return strings.HasSuffix(ready(t, c, "cluster").Message, "; but "+want)
	})
	told.Lock()
	for _, kind := range []string{"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} {
		if !slices.ContainsFunc(told.all, func(g Tampering) bool { return g.Kind == kind && g.What == want && g.Manager == "admissionsenforcer" }) {
			t.Errorf("nobody was told of %s: %+v", kind, told.all)
		}
		if got := testutil.ToFloat64(r.Metrics.exemptions.WithLabelValues(kind)); got != float64(len(requires)) {
			t.Errorf("the metric of %s is %v, want %d", kind, got, len(requires))
		}
		if got := testutil.ToFloat64(r.Metrics.rewrites.WithLabelValues(kind)); got != 0 {
			t.Errorf("%s was restored %v times", kind, got)
		}
	}
	told.Unlock()

	// What anybody else changes is restored, beside it.
	for _, path := range []string{`[{"op":"replace","path":"/webhooks/2/timeoutSeconds","value":1}]`,
		`[{"op":"add","path":"/webhooks/2/namespaceSelector/matchExpressions/-","value":{"key":"team","operator":"NotIn","values":["evil"]}}]`} {
		before := configured(t, c, 0).GetResourceVersion()
		if err := c.Patch(t.Context(), configurations()[0], client.RawPatch("application/json-patch+json", []byte(path)), client.FieldOwner("evil")); err != nil {
			t.Fatal(err)
		}
		within(t, "restored", 2*time.Second, func() bool {
			o := configured(t, c, 0)
			w := webhooksOf(o)[2]
			return o.GetResourceVersion() != before && *w.TimeoutSeconds == timeoutSeconds && !strings.Contains(w.NamespaceSelector.String(), "team")
		})
		within(t, "rewritten again", 5*time.Second, func() bool { return added(t, c, requires) })
	}
	quiet(t, c, p)
	if got := testutil.ToFloat64(r.Metrics.rewrites.WithLabelValues("MutatingWebhookConfiguration")); got != 2 {
		t.Errorf("restored %v times, want 2", got)
	}
}

// quiet: for two seconds nobody writes.
func quiet(t *testing.T, c client.Client, p *platform) {
	t.Helper()
	time.Sleep(300 * time.Millisecond) // the last of both
	before, writes := versions(t, c), p.count()
	time.Sleep(2 * time.Second)
	if after := versions(t, c); !slices.Equal(before, after) || p.count() != writes {
		t.Errorf("they fight: versions %v, then %v; the platform wrote %d times, then %d", before, after, writes, p.count())
	}
}

func configured(t *testing.T, c client.Client, i int) client.Object {
	t.Helper()
	o := configurations()[i]
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	return o
}

// withoutRequirements is what stood there before the platform came.
func withoutRequirements(o client.Object) client.Object {
	out := o.DeepCopyObject().(client.Object)
	webhooks := slices.Clone(webhooksOf(out))
	for i := range webhooks {
		webhooks[i].NamespaceSelector = withoutPlatform(webhooks[i].NamespaceSelector, nil)
	}
	setWebhooks(out, webhooks)
	return out
}

// added: every webhook carries what the platform requires.
func added(t *testing.T, c client.Client, requires []metav1.LabelSelectorRequirement) bool {
	t.Helper()
	for i := range configurations() {
		for _, w := range webhooksOf(configured(t, c, i)) {
			if !slices.ContainsFunc(w.NamespaceSelector.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool {
				return r.String() == requires[len(requires)-1].String()
			}) {
				return false
			}
		}
	}
	return true
}

// underManager runs a reconciler as the webhook does.
func underManager(t *testing.T, told *heard) *Reconciler {
	t.Helper()
	m, err := ctrl.NewManager(control.Config("admin"), ctrl.Options{
		Scheme: scheme(t), Metrics: server.Options{BindAddress: "0"}, Cache: cache.Options{ByObject: Cached()},
		Controller: config.Controller{SkipNameValidation: ptr(true)}, // several in one process
	})
	if err != nil {
		t.Fatal(err)
	}
	r := newReconciler(m.GetClient(), told)
	r.Live = m.GetAPIReader()
	if err := r.SetupWithManager(m); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return r
}

// What the policies themselves leave out is no platform's doing.
func TestWhatThePoliciesLeaveOutIsNoExemption(t *testing.T) {
	p := changePolicy("cluster", func(s *v1alpha1.ChangePolicySpec) {
		s.Match.ExcludeNamespaces = []string{"kube-system", "gke-gmp-system", "gke-managed-cim"}
	})
	want, _, err := Compile(serviceOptions(), compiled(t, p))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Webhooks {
		sortValues(want.Webhooks[i].NamespaceSelector)
	}
	live := want.DeepCopy()
	if got := append(differences(live, want), exemptions(live, want)...); len(got) > 0 {
		t.Errorf("of an untouched configuration: %v", got)
	}
	live.Webhooks[2].NamespaceSelector = &metav1.LabelSelector{}
	if got := differences(live, want); !slices.Equal(got, []string{"gate.gitlatch.dev namespaceSelector"}) {
		t.Errorf("without what the policies leave out: %v", got)
	}
}

// sortValues brings the list into the order that the platform has.
func sortValues(s *metav1.LabelSelector) {
	order := []string{"kube-system", "gke-gmp-system", "gke-managed-cim"}
	for i := range s.MatchExpressions {
		slices.SortFunc(s.MatchExpressions[i].Values, func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
	}
}

// A platform that refuses our rules is told of in the policies.
func TestARefusalIsSaid(t *testing.T) {
	c := admin(t)
	create(t, c, changePolicy("cluster", nil))
	r := newReconciler(c, &heard{})
	r.Options.Service, r.Options.URL = &Service{Namespace: "x", Name: "x", Path: "no-path"}, ""
	_, err := r.Reconcile(t.Context(), theOne())
	if err == nil {
		t.Fatal("the API server took a path that is none")
	}
	got := ready(t, c, "cluster")
	if got.Reason != ReasonRefused || got.Status != metav1.ConditionFalse ||
		!strings.HasPrefix(got.Message, "the API server does not let the webhooks be registered as they should be: creating MutatingWebhookConfiguration gitlatch: ") {
		t.Errorf("got %+v", got)
	}
	var none admissionv1.MutatingWebhookConfiguration
	if err := c.Get(t.Context(), client.ObjectKey{Name: Name}, &none); ignoreGone(err) != nil || err == nil {
		t.Errorf("something is registered: %v", err)
	}
}
