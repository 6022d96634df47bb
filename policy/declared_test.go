package policy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// live is an object whose managedFields the API server's own code keeps.
type live struct {
	t  testing.TB
	fm managedfieldstest.TestFieldManager
}

func newLive(t testing.TB, gvk schema.GroupVersionKind) *live {
	converter := managedfields.NewDeducedTypeConverter()
	if gvk.Group != "example.com" {
		converter = applyconfigurations.NewTypeConverter(scheme.Scheme)
	}
	return &live{t, managedfieldstest.NewTestFieldManager(converter, gvk)}
}

// now is the object as JSON gives it.
func (l *live) now() map[string]any {
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(l.fm.Live())
	if err != nil {
		l.t.Fatal(err)
	}
	return runtime.DeepCopyJSON(out)
}

func (l *live) apply(manager string, obj map[string]any) error {
	return l.fm.Apply(&unstructured.Unstructured{Object: runtime.DeepCopyJSON(obj)}, manager, true)
}

func (l *live) update(manager string, edit func(map[string]any)) {
	l.t.Helper()
	obj := l.now()
	edit(obj)
	if err := l.fm.Update(&unstructured.Unstructured{Object: obj}, manager); err != nil {
		l.t.Fatal(err)
	}
}

func inspected(t testing.TB, old, new map[string]any, guarded ...string) touch {
	s := newScene()
	q := question{req: &Request{Operation: Update, Old: old, Object: new}, facts: &Facts{Guarded: guarded}}
	return s.policy(t).inspect(q.req, q.facts, q.differences)
}

const git = "kustomize-controller"

const podTemplate = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web, "a\"b.c/ü]": "x"}
  finalizers: [git/keep]
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: {disk: ssd}
      containers:
      - name: web
        image: "web:1"
        args: [a, b]
        env: [{name: A, value: "1"}, {name: B, value: "2"}]
        ports: [{containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]
      - {name: side, image: "side:1"}
`

const widget = `
apiVersion: example.com/v1
kind: Widget
metadata: {name: web}
spec: {size: 3, ratio: 0.5, nested: {deep: {er: true}}, list: [{name: a}, {name: b}]}
`

func deploymentKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
}

func widgetKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Widget"}
}

func podSpecOf(o map[string]any) map[string]any { return child(o, "spec", "template", "spec") }

func containerOf(o map[string]any, i int) map[string]any {
	return list(podSpecOf(o), "containers")[i].(map[string]any)
}

func TestWhatAnHonestWriteTouches(t *testing.T) {
	port := func(o map[string]any, i int) map[string]any {
		return list(containerOf(o, 0), "ports")[i].(map[string]any)
	}
	const web = `.spec.template.spec.containers[name="web"]`
	for _, c := range []struct {
		name string
		kind schema.GroupVersionKind
		text string
		edit func(map[string]any)
		want []string
	}{
		{name: "a field of alice's own", edit: func(o map[string]any) { child(o, "metadata", "labels")["mine"] = "1" }},
		{name: "a changed scalar", edit: func(o map[string]any) { child(o, "spec")["replicas"] = int64(5) }, want: []string{".spec.replicas"}},
		{name: "a removed label", edit: func(o map[string]any) { delete(child(o, "metadata", "labels"), "app") }, want: []string{".metadata.labels.app"}},
		{name: "a label whose key needs quotes", edit: func(o map[string]any) { child(o, "metadata", "labels")[`a"b.c/ü]`] = "y" }, want: []string{`.metadata.labels["a\"b.c/ü]"]`}},
		{name: "an item's field", edit: func(o map[string]any) { containerOf(o, 0)["image"] = "web:2" }, want: []string{web + ".image"}},
		{name: "an item added", edit: func(o map[string]any) {
			podSpecOf(o)["containers"] = append(list(podSpecOf(o), "containers"), map[string]any{"name": "extra"})
		}},
		{name: "an item put in front", edit: func(o map[string]any) {
			podSpecOf(o)["containers"] = append([]any{map[string]any{"name": "extra"}}, list(podSpecOf(o), "containers")...)
		}},
		{name: "items in another order", edit: func(o map[string]any) { slices.Reverse(list(podSpecOf(o), "containers")) }},
		{name: "an item removed", edit: func(o map[string]any) { podSpecOf(o)["containers"] = list(podSpecOf(o), "containers")[:1] }, want: []string{`.spec.template.spec.containers[name="side"]`}},
		{name: "an item renamed", edit: func(o map[string]any) { containerOf(o, 1)["name"] = "other" }, want: []string{`.spec.template.spec.containers[name="side"]`}},
		{name: "a field added to an item with two keys", edit: func(o map[string]any) { port(o, 1)["name"] = "dns" }},
		{name: "a key of an item with two keys", edit: func(o map[string]any) { port(o, 1)["containerPort"] = int64(81) }, want: []string{web + `.ports[containerPort=80,protocol="UDP"]`}},
		{name: "an atomic list", edit: func(o map[string]any) { containerOf(o, 0)["args"] = []any{"a"} }, want: []string{web + ".args"}},
		{name: "an atomic map", edit: func(o map[string]any) { podSpecOf(o)["nodeSelector"] = map[string]any{"disk": "ssd", "x": "y"} }, want: []string{".spec.template.spec.nodeSelector"}},
		{name: "a value of a set", edit: func(o map[string]any) { child(o, "metadata")["finalizers"] = []any{"mine"} }, want: []string{`.metadata.finalizers[="git/keep"]`, ".metadata.finalizers"}},
		{name: "a value added to a set", edit: func(o map[string]any) { child(o, "metadata")["finalizers"] = []any{"git/keep", "mine"} }, want: []string{".metadata.finalizers"}},
		{name: "a parent that is no map any more", edit: func(o map[string]any) { delete(o, "spec") }, want: []string{".spec"}},
		{name: "nothing"},
		{name: "a custom field", kind: widgetKind(), text: widget, edit: func(o map[string]any) { child(o, "spec", "nested", "deep")["er"] = false }, want: []string{".spec.nested.deep.er"}},
		{name: "a custom field beside it", kind: widgetKind(), text: widget, edit: func(o map[string]any) { child(o, "spec", "nested", "deep")["mine"] = false }},
		{name: "a custom list", kind: widgetKind(), text: widget, edit: func(o map[string]any) { list(child(o, "spec"), "list")[1].(map[string]any)["x"] = "y" }, want: []string{".spec.list"}},
		{name: "a whole number for a float", kind: widgetKind(), text: widget, edit: func(o map[string]any) { child(o, "spec")["ratio"] = int64(1) }, want: []string{".spec.ratio"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.text == "" {
				c.kind, c.text = deploymentKind(), podTemplate
			}
			l := newLive(t, c.kind)
			if err := l.apply(git, object(c.text)); err != nil {
				t.Fatal(err)
			}
			old := l.now()
			if c.edit != nil {
				l.update("kubectl-edit", c.edit)
			}
			got := inspected(t, old, l.now())
			if diff := cmp.Diff(touch{declared: true, paths: c.want, fields: got.fields}, got, cmp.AllowUnexported(touch{})); diff != "" {
				t.Errorf("touch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatOthersDoToManagedFields(t *testing.T) {
	start := func(t *testing.T) *live {
		l := newLive(t, deploymentKind())
		if err := l.apply(git, object(podTemplate)); err != nil {
			t.Fatal(err)
		}
		return l
	}
	check := func(t *testing.T, want, got touch) {
		t.Helper()
		want.declared, want.fields = true, got.fields
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(touch{})); diff != "" {
			t.Errorf("touch (-want +got):\n%s", diff)
		}
	}
	const head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
	t.Run("another manager takes a path over by force", func(t *testing.T) {
		l := start(t)
		old := l.now()
		if err := l.apply("alice", object(head+"spec: {replicas: 9}")); err != nil {
			t.Fatal(err)
		}
		check(t, touch{paths: []string{".spec.replicas"}}, inspected(t, old, l.now()))
	})
	t.Run("another manager shares a path", func(t *testing.T) {
		l := start(t)
		old := l.now()
		if err := l.apply("alice", object(head+"spec: {replicas: 3}")); err != nil {
			t.Fatal(err)
		}
		check(t, touch{}, inspected(t, old, l.now()))
	})
	t.Run("a path that was taken over is the sync's again after it applies", func(t *testing.T) {
		l := start(t)
		l.update("alice", func(o map[string]any) { child(o, "spec")["replicas"] = int64(9) })
		eroded := l.now()
		l.update("alice", func(o map[string]any) { child(o, "spec")["replicas"] = int64(10) })
		check(t, touch{}, inspected(t, eroded, l.now()))
		check(t, touch{paths: []string{".spec.replicas"}}, inspected(t, eroded, l.now(), ".spec.replicas"))
		if err := l.apply(git, object(podTemplate)); err != nil {
			t.Fatal(err)
		}
		old := l.now()
		l.update("alice", func(o map[string]any) { child(o, "spec")["replicas"] = int64(9) })
		check(t, touch{paths: []string{".spec.replicas"}}, inspected(t, old, l.now()))
	})
	t.Run("another webhook changes a value after ownership was settled", func(t *testing.T) {
		l := start(t)
		old, now := l.now(), l.now()
		containerOf(now, 0)["image"] = "evil:1"
		check(t, touch{paths: []string{`.spec.template.spec.containers[name="web"].image`}}, inspected(t, old, now))
	})
	t.Run("an entry of another version that resolves nowhere", func(t *testing.T) {
		old := object(`{apiVersion: apps/v1, metadata: {managedFields: [{manager: kustomize-controller, operation: Apply, apiVersion: apps/v1beta1, fieldsType: FieldsV1, fieldsV1: {f:spec: {f:rollbackTo: {f:revision: {}}}}}]}, spec: {a: 1}}`)
		check(t, touch{paths: []string{".spec.rollbackTo"}}, inspected(t, old, old))
	})
	t.Run("an entry of this version that resolves nowhere", func(t *testing.T) {
		old := object(`{apiVersion: apps/v1, metadata: {managedFields: [{manager: kustomize-controller, operation: Apply, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {f:spec: {f:rollbackTo: {f:revision: {}}}}}]}, spec: {a: 1}}`)
		check(t, touch{}, inspected(t, old, old))
	})
	t.Run("the sync's entry on status declares nothing", func(t *testing.T) {
		old := object(`{apiVersion: apps/v1, metadata: {managedFields: [{manager: kustomize-controller, operation: Update, subresource: status, apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {f:status: {f:x: {}}}}]}, status: {x: 1}}`)
		got := inspected(t, old, object(`{status: {x: 2}}`))
		if diff := cmp.Diff(touch{}, got, cmp.AllowUnexported(touch{})); diff != "" {
			t.Errorf("touch (-want +got):\n%s", diff)
		}
	})
	t.Run("a key of no known form", func(t *testing.T) {
		for _, key := range []string{"x", "z:1", "k:{}", "k:[]", "k:{", "v:", "v:1 2", "i:-1", "i:x", ""} {
			old := map[string]any{"metadata": map[string]any{"managedFields": []any{map[string]any{"manager": git, "fieldsType": "FieldsV1", "fieldsV1": map[string]any{key: map[string]any{}}}}}}
			if got := inspected(t, old, old); len(got.paths) == 0 {
				t.Errorf("%q touches nothing", key)
			}
		}
	})
	t.Run("a guarded path that can't be read is touched", func(t *testing.T) {
		l := start(t)
		check(t, touch{paths: []string{"["}}, inspected(t, l.now(), l.now(), "["))
	})
}

// An item that is there twice: which of them a key names can't be told, so that
// a change of any touches it.
func TestItemsThatAreThereTwice(t *testing.T) {
	env := func(values ...string) map[string]any {
		var items []any
		for _, v := range values {
			items = append(items, map[string]any{"name": "A", "value": v})
		}
		return map[string]any{"spec": map[string]any{"env": items, "set": []any{"x"}}}
	}
	owned := map[string]any{"f:spec": map[string]any{"f:env": map[string]any{`k:{"name":"A"}`: map[string]any{".": map[string]any{}, "f:value": map[string]any{}}}}}
	for _, c := range []struct {
		name     string
		old, new []string
		want     bool
	}{
		{"the same", []string{"1", "2"}, []string{"1", "2"}, false},
		{"the second changes", []string{"1", "2"}, []string{"1", "3"}, true},
		{"the second goes", []string{"1", "2"}, []string{"1"}, true},
		{"a second comes", []string{"1"}, []string{"1", "2"}, true},
		{"they change places", []string{"1", "2"}, []string{"2", "1"}, true},
	} {
		old, new := env(c.old...), env(c.new...)
		entry := []any{map[string]any{"manager": git, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": owned}}
		old["metadata"], new["metadata"] = map[string]any{"managedFields": entry}, map[string]any{"managedFields": entry}
		got := inspected(t, old, new)
		if touched := len(got.paths) > 0; touched != c.want || got.forged != "" {
			t.Errorf("%s: %v, forged %q", c.name, got.paths, got.forged)
		}
	}
}

// A differential test with the API server's own algorithm: whatever is applied
// and edited, a write touches something declared exactly when the value of a leaf
// that the sync owned has changed, and no honest write is a forgery.
func TestTouchedExactlyWhenADeclaredLeafChanged(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	touched, untouched := 0, 0
	for round := range 400 {
		kind, gen := deploymentKind(), randomDeployment
		if round%4 == 0 {
			kind, gen = widgetKind(), randomWidget
		}
		l := newLive(t, kind)
		if err := l.apply(git, gen(rng)); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			old := l.now()
			switch rng.IntN(6) {
			case 0:
				if err := l.apply("alice", gen(rng)); err != nil {
					t.Fatal(err)
				}
			case 1:
				if err := l.apply(git, gen(rng)); err != nil {
					t.Fatal(err)
				}
				continue // the sync itself is not judged by this
			case 2: // another webhook, which changes values and not who owns them
				now := l.now()
				mutate(rng, now)
				check(t, old, now)
				continue
			default:
				l.update("kubectl-edit", func(o map[string]any) {
					for range 1 + rng.IntN(3) {
						mutate(rng, o)
					}
				})
			}
			if check(t, old, l.now()) {
				touched++
			} else {
				untouched++
			}
		}
	}
	if touched < 100 || untouched < 100 {
		t.Errorf("%d writes touched something and %d nothing: too few to show anything", touched, untouched)
	}
}

// check compares the judge's walk with one over the decoded set.
func check(t *testing.T, old, new map[string]any) bool {
	t.Helper()
	got := inspected(t, old, new)
	for _, v := range managedFields(old) {
		e, _ := readEntry(v)
		kept := findEntry(new, &e)
		sameAsEverywhere(t, e.fields, kept.fields, old, new)
	}
	want := leavesChanged(t, old, new)
	if (got.fields > 0) != want {
		t.Fatalf("touched %v, by the decoded set %t\nold: %v\nnew: %v", got.paths, want, old, new)
	}
	if got.forged != "" {
		t.Fatalf("forged %q\nold: %v\nnew: %v", got.forged, old, new)
	}
	return want
}

func leavesChanged(t *testing.T, old, new map[string]any) bool {
	for _, e := range (&unstructured.Unstructured{Object: old}).GetManagedFields() {
		if e.Manager != git {
			continue
		}
		set := fieldSet(t, e)
		changed := false
		// Labels or annotations that git wrote as an empty map: it declared no key.
		open := func(p fieldpath.Path) bool {
			return (p.String() == ".metadata.labels" || p.String() == ".metadata.annotations") && set.Leaves().Has(p)
		}
		set.Leaves().Iterate(func(p fieldpath.Path) {
			if open(p) {
				return
			}
			was, a := lookup(old, p)
			is, b := lookup(new, p)
			changed = changed || a != b || !cmp.Equal(was, is)
		})
		// A member that is not a leaf is there itself, whatever it holds.
		set.Iterate(func(p fieldpath.Path) {
			if open(p) {
				return
			}
			was, a := lookup(old, p)
			is, b := lookup(new, p)
			changed = changed || a != b || fmt.Sprintf("%T", was) != fmt.Sprintf("%T", is)
		})
		if changed {
			return true
		}
	}
	return false
}

func fieldSet(t *testing.T, e metav1.ManagedFieldsEntry) *fieldpath.Set {
	set := &fieldpath.Set{}
	if err := set.FromJSON(e.FieldsV1.GetRawReader()); err != nil {
		t.Fatal(err)
	}
	return set
}

// lookup resolves a decoded path, by the library's own elements.
func lookup(v any, p fieldpath.Path) (any, bool) {
	for _, e := range p {
		switch {
		case e.FieldName != nil:
			m, _ := v.(map[string]any)
			var ok bool
			if v, ok = m[*e.FieldName]; !ok {
				return nil, false
			}
			continue
		case e.Index != nil:
			l, _ := v.([]any)
			if *e.Index >= len(l) {
				return nil, false
			}
			v = l[*e.Index]
			continue
		}
		l, _ := v.([]any)
		i := slices.IndexFunc(l, func(x any) bool {
			if e.Value != nil {
				return value.Equals(value.NewValueInterface(x), *e.Value)
			}
			m, _ := x.(map[string]any)
			for _, f := range *e.Key {
				if !value.Equals(value.NewValueInterface(m[f.Name]), f.Value) {
					return false
				}
			}
			return m != nil
		})
		if i < 0 {
			return nil, false
		}
		v = l[i]
	}
	return v, true
}

func some[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func randomDeployment(rng *rand.Rand) map[string]any {
	labels := map[string]any{}
	for range rng.IntN(4) {
		labels[some(rng, "a", "b", "c/d.e", `q"\[x]`, "ü")] = some(rng, "1", "2", "")
	}
	var containers []any
	for _, name := range []string{"web", "side", "db"} {
		if rng.IntN(2) == 0 {
			continue
		}
		c := map[string]any{"name": name, "image": some(rng, "x:1", "x:2")}
		if rng.IntN(2) == 0 {
			c["args"] = some(rng, []any{"a"}, []any{"a", "b"}, []any{})
		}
		var ports, env []any
		for _, p := range []string{"TCP", "UDP", "SCTP"} {
			if rng.IntN(2) == 0 {
				ports = append(ports, map[string]any{"containerPort": int64(80), "protocol": p})
				env = append(env, map[string]any{"name": p, "value": some(rng, "1", "2")})
			}
		}
		if ports != nil {
			c["ports"], c["env"] = ports, env
		}
		containers = append(containers, c)
	}
	spec := map[string]any{"template": map[string]any{"spec": map[string]any{}}}
	if rng.IntN(3) > 0 {
		spec["replicas"] = int64(rng.IntN(3))
	}
	if containers != nil {
		child(spec, "template", "spec")["containers"] = containers
	}
	if rng.IntN(2) == 0 {
		child(spec, "template", "spec")["nodeSelector"] = map[string]any{some(rng, "a", "b"): "x"}
	}
	return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "web", "labels": labels}, "spec": spec}
}

func randomWidget(rng *rand.Rand) map[string]any {
	var value func(int) any
	value = func(depth int) any {
		switch n := rng.IntN(6); {
		case n == 0 && depth > 0:
			return []any{value(depth - 1), value(depth - 1)}
		case n < 3 && depth > 0:
			m := map[string]any{}
			for range rng.IntN(3) {
				m[some(rng, "a", "b", "c")] = value(depth - 1)
			}
			return m
		}
		return some[any](rng, "x", int64(1), 0.5, true)
	}
	spec := map[string]any{}
	for range 4 {
		spec[some(rng, "a", "b", "c", "d")] = value(3)
	}
	return map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "web"}, "spec": spec}
}

// mutate changes, adds or removes something anywhere below spec or the labels.
func mutate(rng *rand.Rand, obj map[string]any) {
	if rng.IntN(4) == 0 {
		m, ok := meta(obj)["labels"].(map[string]any)
		if !ok {
			m = map[string]any{}
			meta(obj)["labels"] = m
		}
		m[some(rng, "a", "b", "mine")] = some(rng, "1", "9")
		return
	}
	mutateIn(rng, child(obj, "spec"))
}

func mutateIn(rng *rand.Rand, m map[string]any) {
	keys := slices.Sorted(maps.Keys(m))
	if len(keys) == 0 {
		return
	}
	k := some(rng, keys...)
	switch v := m[k].(type) {
	case map[string]any:
		if rng.IntN(8) > 0 && len(v) > 0 {
			mutateIn(rng, v)
			return
		}
		if k != "template" && k != "spec" {
			delete(m, k)
		}
	case []any:
		m[k] = mutateList(rng, v)
	case string:
		if k != "name" && k != "protocol" { // keys of a list go with their item
			m[k] = fmt.Sprintf("x:%d", rng.IntN(4))
		}
	case int64:
		if k != "containerPort" {
			m[k] = v + int64(rng.IntN(2))
		}
	case bool, float64:
		delete(m, k)
	}
}

func mutateList(rng *rand.Rand, l []any) []any {
	if len(l) == 0 {
		return l
	}
	i := rng.IntN(len(l))
	item, isMap := l[i].(map[string]any)
	switch n := rng.IntN(4); {
	case n == 0:
		return slices.Delete(slices.Clone(l), i, i+1)
	case n == 1:
		out := slices.Clone(l)
		slices.Reverse(out)
		return out
	case isMap:
		mutateIn(rng, item)
	}
	return l
}

// Templates often leave "labels: {}" behind, and the API server then says that git
// owns the map, as it does of an atomic one.
func TestEmptyLabelsAndAnnotationsDeclareNoKey(t *testing.T) {
	l := newLive(t, deploymentKind())
	if err := l.apply(git, object(`{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {}, annotations: {}}, spec: {replicas: 2, template: {spec: {nodeSelector: {}}}}}`)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		want       []string
	}{
		{"a label", "metadata|labels|x", nil},
		{"an annotation", "metadata|annotations|x", nil},
		{"a key of another map that is empty", "spec|template|spec|nodeSelector|x", []string{".spec.template.spec.nodeSelector"}},
	} {
		old := l.now()
		l.update("alice", func(o map[string]any) {
			put(func(*Request) map[string]any { return o }, c.path, "y")(&scene{req: &Request{}})
		})
		got := inspected(t, old, l.now())
		if !cmp.Equal(got.paths, c.want) || got.forged != "" {
			t.Errorf("%s: touched %v, forged %q; want %v", c.name, got.paths, got.forged, c.want)
		}
	}
}
