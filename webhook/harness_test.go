package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// gate is a handler behind a real TLS server, with its surroundings in hand.
type gate struct {
	t        testing.TB
	handler  *Handler
	server   *httptest.Server
	recorder *notebook
	grants   *fixedGrants
	lookups  *fixedLookups
}

// newGate serves one phase under the policies; more handlers can share it.
func newGate(t testing.TB, final bool, policies ...*policy.Policy) *gate {
	t.Helper()
	g := &gate{t: t, recorder: &notebook{}, grants: &fixedGrants{}, lookups: &fixedLookups{}}
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	g.handler = &Handler{
		Final:    final,
		Install:  policy.Installation{Namespace: "gitlatch-system", Webhook: "gitlatch-webhook"},
		Policies: fixedPolicies(policies),
		Lookups:  g.lookups,
		Grants:   g.grants,
		Recorder: g.recorder,
		Memory:   &Memory{},
		Budget:   NewBudget(64, 64<<20, 128<<20),
		Metrics:  metrics,
		Log:      logr.Discard(),
	}
	g.server = httptest.NewUnstartedServer(g.handler)
	g.server.EnableHTTP2 = true
	g.server.Config.HTTP2 = NewServer(g.handler, nil).HTTP2
	g.server.StartTLS()
	t.Cleanup(g.server.Close)
	return g
}

// post sends a body as the API server does, and demands HTTP 200 and a review.
func (g *gate) post(body []byte) *admissionv1.AdmissionResponse {
	g.t.Helper()
	return g.send(http.MethodPost, "application/json", bytes.NewReader(body))
}

func (g *gate) send(method, contentType string, body io.Reader) *admissionv1.AdmissionResponse {
	g.t.Helper()
	r, err := http.NewRequest(method, g.server.URL, body)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	response, err := g.server.Client().Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return reviewed(g.t, response.StatusCode, raw)
}

func reviewed(t testing.TB, code int, raw []byte) *admissionv1.AdmissionResponse {
	t.Helper()
	if code != http.StatusOK {
		t.Fatalf("HTTP %d, want 200: %s", code, raw)
	}
	var out admissionv1.AdmissionReview
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("the answer is no review: %v: %s", err, raw)
	}
	if out.Kind != "AdmissionReview" || out.APIVersion != "admission.k8s.io/v1" || out.Response == nil {
		t.Fatalf("the answer is no AdmissionReview v1: %s", raw)
	}
	return out.Response
}

// deployment is a review of alice's update of Deployment prod/web, changed by
// each tweak.
func deployment(tweaks ...func(*admissionv1.AdmissionRequest)) []byte {
	r := &admissionv1.AdmissionRequest{
		UID:       "7d9c6c1e-0000-4000-8000-000000000001",
		Kind:      metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Resource:  metav1.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
		Namespace: "prod",
		Name:      "web",
		Operation: admissionv1.Update,
	}
	r.UserInfo.Username = "alice"
	r.UserInfo.Groups = []string{"devs", "system:authenticated"}
	r.Object.Raw = []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7"},"spec":{"replicas":4}}`)
	r.OldObject.Raw = []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7"},"spec":{"replicas":2}}`)
	r.Options.Raw = []byte(`{"kind":"UpdateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"kubectl-edit"}`)
	for _, tweak := range tweaks {
		tweak(r)
	}
	raw, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request:  r,
	})
	if err != nil {
		panic(err)
	}
	return raw
}

// policyIn is a policy that governs everything but kube-node-lease.
func policyIn(t testing.TB, mode v1alpha1.Mode, tweaks ...func(*v1alpha1.ChangePolicySpec)) *policy.Policy {
	t.Helper()
	in := &v1alpha1.ChangePolicy{ObjectMeta: metav1.ObjectMeta{Name: "cluster"}, Spec: v1alpha1.ChangePolicySpec{
		Mode:  mode,
		Match: v1alpha1.Match{ExcludeNamespaces: []string{"kube-node-lease"}},
		Sync: []v1alpha1.SyncIdentity{{
			Subject:       v1alpha1.Subject{ServiceAccount: &v1alpha1.Account{Namespace: "flux-system", Name: "kustomize-controller"}},
			FieldManagers: []string{"kustomize-controller"},
		}},
		BreakGlass: &v1alpha1.BreakGlass{AllowedGroups: []string{"oncall"}},
	}}
	for _, tweak := range tweaks {
		tweak(&in.Spec)
	}
	p, errs := policy.Compile(in)
	if err := errs.ToAggregate(); err != nil {
		t.Fatal(err)
	}
	return p
}

type fixedPolicies []*policy.Policy

func (p fixedPolicies) Policies(context.Context) ([]*policy.Policy, error) { return p, nil }

// unreadPolicies is a source that never gets to know the policies.
type unreadPolicies struct{}

func (unreadPolicies) Policies(ctx context.Context) ([]*policy.Policy, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// notebook is a recorder that keeps what it was given.
type notebook struct {
	mu      sync.Mutex
	entries []record.Entry
	broken  bool
}

var errNoRecord = errors.New("writing the record: the API server is away")

func (n *notebook) Denied(_ context.Context, e record.Entry) (string, error) {
	return n.write(e)
}

func (n *notebook) Admitted(_ context.Context, e record.Entry) (*v1alpha1.ChangeRecord, error) {
	name, err := n.write(e)
	if err != nil {
		return nil, err
	}
	return &v1alpha1.ChangeRecord{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: e.Spec}, nil
}

func (n *notebook) write(e record.Entry) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.broken {
		return "", errNoRecord
	}
	n.entries = append(n.entries, e)
	return "cr-7f3k9q2m", nil
}

func (n *notebook) outcomes() []v1alpha1.Outcome {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []v1alpha1.Outcome
	for _, e := range n.entries {
		out = append(out, e.Spec.Outcome)
	}
	return out
}

// fixedGrants knows the windows that it is given and keeps what it is told.
type fixedGrants struct {
	windows    []policy.Window
	live       func() ([]policy.Window, error) // left out: windows are live as they are
	authorized policy.Authorization
	asked      int
	opened     []policy.Window
	closed     []policy.Window
	refused    []v1alpha1.Reason
	stamps     []PatchOp
	stampsErr  error
}

func (g *fixedGrants) Windows(*policy.Request) []policy.Window { return g.windows }
func (g *fixedGrants) LiveWindows(context.Context, *policy.Request) ([]policy.Window, error) {
	if g.live != nil {
		return g.live()
	}
	return g.windows, nil
}
func (g *fixedGrants) Guarded(*policy.Request) []string { return nil }
func (g *fixedGrants) Authorize(context.Context, *policy.Request) policy.Authorization {
	g.asked++
	return g.authorized
}
func (g *fixedGrants) Opened(_ *v1alpha1.ChangeRecord, w policy.Window) {
	g.opened = append(g.opened, w)
}
func (g *fixedGrants) Close(_ context.Context, ws []policy.Window, _ v1alpha1.WindowEndReason) error {
	g.closed = append(g.closed, ws...)
	return nil
}
func (g *fixedGrants) Refused(r v1alpha1.Reason)                           { g.refused = append(g.refused, r) }
func (g *fixedGrants) CheckStamps(*policy.Request, *policy.Decision) error { return g.stampsErr }

func (g *fixedGrants) Stamps(*policy.Request, *policy.Decision, string) []PatchOp {
	return g.stamps
}

// fixedLookups finds every namespace without labels, and the parent it is given.
type fixedLookups struct {
	parent  map[string]any
	pod     *policy.PodFact
	parents int
	panics  bool
}

func (l *fixedLookups) NamespaceLabels(context.Context, string) (map[string]string, error) {
	return map[string]string{}, nil
}
func (l *fixedLookups) Pod(context.Context, string, string) (*policy.PodFact, error) {
	if l.pod == nil {
		return nil, errors.New("reading the pod: the API server is away")
	}
	return l.pod, nil
}
func (l *fixedLookups) Parent(context.Context, *policy.Request) (map[string]any, error) {
	l.parents++
	if l.panics {
		panic("a Secret's value: hunter2")
	}
	if l.parent == nil {
		return nil, errors.New("reading the parent: the API server is away")
	}
	return l.parent, nil
}
