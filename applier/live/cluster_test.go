package live

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	logf "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// The tests of this package share one real control plane. It starts with the first that
// needs it.
var (
	shared  *cluster.Cluster
	started sync.Once
	spaces  atomic.Int64
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

func adminConfig(t testing.TB) *rest.Config {
	t.Helper()
	started.Do(func() {
		c, err := cluster.Start(context.Background(), cluster.Options{Progress: os.Stderr})
		must(t, err)
		shared = c
	})
	if shared == nil {
		t.Fatal("there is no control plane")
	}
	return rest.CopyConfig(shared.Config("admin"))
}

// calls counts the requests that change or read objects, by method.
type calls struct {
	next http.RoundTripper
	mu   sync.Mutex
	made []string
}

func (c *calls) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.made = append(c.made, r.Method+" "+r.URL.Path)
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := c.made
	c.made = nil
	return made
}

func newCluster(t testing.TB) (*Cluster, *calls) {
	t.Helper()
	counted := &calls{}
	config := adminConfig(t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		counted.next = next
		return counted
	})
	c, err := New(config)
	must(t, err)
	return c, counted
}

// newSpace makes a namespace of one test alone.
func newSpace(t testing.TB) string {
	t.Helper()
	adminConfig(t)
	name := fmt.Sprintf("live-%d", spaces.Add(1))
	kubectl(t, "", "create", "namespace", name)
	return name
}

func kubectl(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, code := shared.Kubectl(context.Background(), "admin", stdin, args...)
	if code != 0 {
		t.Fatalf("kubectl %s: %s", strings.Join(args, " "), stderr)
	}
	return stdout
}

func declare(t testing.TB, text string) desired.Object {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	must(t, err)
	obj := &unstructured.Unstructured{}
	must(t, obj.UnmarshalJSON(raw))
	return desired.Object{Unstructured: obj, Source: "clusters/prod/" + obj.GetName() + ".yaml"}
}

const mark = "gitlatch-system.prod"

// prepare makes one object of a sync.
func prepare(t testing.TB, c *Cluster, namespace, text string, ignore ...v1alpha1.IgnoreRule) *Object {
	t.Helper()
	prepared, err := c.Prepare([]desired.Object{declare(t, text)}, Preparation{Mark: mark, Namespace: namespace, Ignore: ignore})
	must(t, err)
	return &prepared[0]
}

// taken records takeovers.
type taken struct{ list []Takeover }

func (k *taken) over(_ context.Context, t Takeover) error {
	k.list = append(k.list, t)
	return nil
}

func apply(t testing.TB, c *Cluster, o *Object, known *State) Result {
	t.Helper()
	r, err := c.Apply(t.Context(), o, ApplyOptions{Commit: `3f2c1ab "raise web"`, Known: known, TookOver: (&taken{}).over})
	must(t, err)
	return r
}

func get(t testing.TB, c *Cluster, o *Object) *unstructured.Unstructured {
	t.Helper()
	obj, err := c.Get(t.Context(), o.Ref)
	must(t, err)
	return obj
}

func field(t testing.TB, obj *unstructured.Unstructured, path ...string) any {
	t.Helper()
	v, _, err := unstructured.NestedFieldCopy(obj.Object, path...)
	must(t, err)
	return v
}

func eventually(t testing.TB, what string, timeout time.Duration, ask func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return ask(), nil })
	if err != nil {
		t.Fatalf("%s: not within %s", what, timeout)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func managers(m metav1.Object) (names []string) {
	for _, e := range m.GetManagedFields() {
		name := e.Manager + " " + string(e.Operation)
		if e.Subresource != "" {
			name += " " + e.Subresource
		}
		names = append(names, name)
	}
	return names
}

const configMap = `{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {colour: green, size: "1"}}`

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 80}]
        resources: {limits: {cpu: 1000m, memory: 1Gi}}
        env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
`
