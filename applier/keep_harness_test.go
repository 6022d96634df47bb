package applier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const commitOne, commitTwo = "1111111111111111111111111111111111111111", "2222222222222222222222222222222222222222"

// bench is one keeper at work on a namespace of its own.
type bench struct {
	*keeper
	t       testing.TB
	space   string
	cluster *live.Cluster
	calls   *calls
	fought  []live.Key
}

// calls are the requests of the keeper's cluster but for watches.
type calls struct {
	next http.RoundTripper
	mu   sync.Mutex
	made []string
}

func (c *calls) RoundTrip(r *http.Request) (*http.Response, error) {
	if !r.URL.Query().Has("watch") {
		c.mu.Lock()
		c.made = append(c.made, r.Method)
		c.mu.Unlock()
	}
	return c.next.RoundTrip(r)
}

func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	made := c.made
	c.made = nil
	return made
}

func newBench(t testing.TB, space string, at clock.WithTicker) *bench {
	t.Helper()
	b := &bench{t: t, space: space, calls: &calls{}}
	config := applierConfig(t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		b.calls.next = next
		return b.calls
	})
	var err error
	b.cluster, err = live.New(config)
	must(t, err)
	metrics, err := newKeepMetrics(prometheus.NewPedanticRegistry())
	must(t, err)
	store := newClient(t)
	s := &keeping{
		watch:   &record.Watch{Client: store, Clock: at},
		records: &record.Keeper{Store: store, Clock: at},
		clock:   at, metrics: metrics, log: logr.Discard(),
		fought: func(_ types.NamespacedName, key live.Key, _ time.Time) { b.fought = append(b.fought, key) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { _ = s.watch.Start(ctx) })
	group.Go(func() { _ = s.records.Start(ctx) })
	b.keeper = s.newKeeper(types.NamespacedName{Namespace: "gitlatch-system", Name: space})
	b.mode(v1alpha1.DriftCorrect, false)
	t.Cleanup(func() {
		b.stop()
		cancel()
		group.Wait()
	})
	eventually(t, "the records are known", 10*time.Second, func() error {
		if !s.watch.Synced() {
			return errors.New("not yet")
		}
		return nil
	})
	return b
}

// prepared are the objects of a text, as a commit declares them.
func (b *bench) prepared(text string) []live.Object {
	b.t.Helper()
	var objects []desired.Object
	for _, document := range strings.Split(text, "\n---\n") {
		raw, err := yaml.YAMLToJSON([]byte(document))
		must(b.t, err)
		o := &unstructured.Unstructured{}
		must(b.t, o.UnmarshalJSON(raw))
		objects = append(objects, desired.Object{Unstructured: o, Source: "prod/" + o.GetName() + ".yaml"})
	}
	out, err := b.cluster.Prepare(objects, live.Preparation{Mark: b.mark, Namespace: b.space})
	must(b.t, err)
	return out
}

// run does what the run of a sync does, and returns how many objects needed a call.
func (b *bench) run(commit, text string) (applied int) {
	b.t.Helper()
	objects := b.prepared(text)
	note := commit + ` "a subject"`
	b.declare(b.cluster, note, objects)
	for i := range objects {
		o := &objects[i]
		if b.unchanged(o) {
			continue
		}
		unlock := b.lock(o.Key)
		done := b.apply(note, o)
		unlock()
		if !done {
			continue
		}
		applied++
	}
	return applied
}

// apply applies one object, unless a window covers it.
func (b *bench) apply(note string, o *live.Object) bool {
	b.t.Helper()
	held, err := b.held(b.t.Context(), o.Key)
	must(b.t, err)
	if held {
		return false
	}
	var known *live.State
	if s, ok := b.known(o.Key); ok {
		known = &s
	}
	result, err := b.cluster.Apply(b.t.Context(), o, live.ApplyOptions{Commit: note, Known: known, TookOver: b.tookOver})
	must(b.t, err)
	b.keeper.applied(o, result)
	return true
}

// prune does what the run does with what left git.
func (b *bench) prune(ref live.Ref) {
	b.t.Helper()
	defer b.lock(ref.Key)()
	b.expect(ref.Key)
	deletion, err := b.cluster.Delete(b.t.Context(), ref, b.mark)
	must(b.t, err)
	if deletion != live.Deleted {
		b.t.Errorf("pruning %s: %s", ref, deletion)
	}
}

func (b *bench) object(kind, name string) live.Ref {
	group, version := "", "v1"
	if kind == "Deployment" {
		group = "apps"
	}
	return live.Ref{Key: live.Key{Group: group, Kind: kind, Namespace: b.space, Name: name}, Version: version}
}

// read returns the live object; nil when it is gone.
func (b *bench) read(ref live.Ref) *unstructured.Unstructured {
	b.t.Helper()
	found, err := b.cluster.Get(context.Background(), ref)
	if apierrors.IsNotFound(err) {
		return nil
	}
	must(b.t, err)
	return found
}

// fields waits until what is at the path is the wanted text; "" is gone.
func (b *bench) fields(ref live.Ref, want string, path ...string) {
	b.t.Helper()
	eventually(b.t, ref.String()+" "+strings.Join(path, "."), 10*time.Second, func() error {
		found := b.read(ref)
		if found == nil {
			return errors.New("it is gone")
		}
		v, there, _ := unstructured.NestedFieldNoCopy(found.Object, path...)
		got := ""
		if there {
			got = fmt.Sprint(v)
		}
		if got != want {
			return fmt.Errorf("it is %q, want %q", got, want)
		}
		return nil
	})
}

// recordsOf waits until so many records of the namespace pass the filter, and returns
// them, oldest first.
func (b *bench) recordsOf(n int, is func(*v1alpha1.ChangeRecord) bool) []v1alpha1.ChangeRecord {
	b.t.Helper()
	var found []v1alpha1.ChangeRecord
	c := newClient(b.t)
	eventually(b.t, fmt.Sprintf("%d records", n), 15*time.Second, func() error {
		all, err := record.List(context.Background(), c, record.Filter{Namespace: b.space})
		if err != nil {
			return err
		}
		found = slices.DeleteFunc(slices.Clone(all), func(r v1alpha1.ChangeRecord) bool { return !is(&r) })
		if len(found) != n {
			return fmt.Errorf("there are %d: %s", len(found), outline(all))
		}
		return nil
	})
	slices.Reverse(found)
	return found
}

func outline(all []v1alpha1.ChangeRecord) string {
	var lines []string
	for i := range all {
		r := &all[i]
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s %s: %+v", r.Name, r.Spec.Outcome, r.Spec.Reason, r.Spec.Request.Operation, r.Spec.Request.Name, r.Status.Phase, r.Status.Resolution))
	}
	return strings.Join(lines, "\n")
}

func drifts(r *v1alpha1.ChangeRecord) bool { return r.Spec.Outcome == v1alpha1.OutcomeDrift }

func resolved(is func(*v1alpha1.ChangeRecord) bool) func(*v1alpha1.ChangeRecord) bool {
	return func(r *v1alpha1.ChangeRecord) bool {
		return is(r) && r.Status.Resolution != nil && r.Labels[v1alpha1.LabelUnresolved] == ""
	}
}

const greeting = `apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {greeting: welcome}
`

const greetings = greeting + `---
apiVersion: v1
kind: ConfigMap
metadata: {name: api}
data: {timeout: 30s}
`
