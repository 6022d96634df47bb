package policy

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
)

// sameAsEverywhere: looking where two objects and two sets differ finds what looking
// everywhere does, and the objects are alike exactly when comparing them says so.
func sameAsEverywhere(t *testing.T, owned, kept, old, new map[string]any) {
	t.Helper()
	where := comparing(old, new)
	if alike := sameObjects(old, new); where.alike != alike {
		t.Fatalf("alike: %t, want %t", where.alike, alike)
	}
	var narrow, wide walker
	inside := narrow.compare(&Request{Old: old, Object: new}, owned, kept, func() *places { return where })
	if inside && !within(kept, owned) {
		t.Fatalf("the set grew\nowned: %v\nkept: %v", owned, kept)
	}
	if len(kept) == 0 {
		kept = nil
	}
	wide.node(owned, kept, side{old, true}, side{new, true})
	if len(wide.touched) >= MaxTouched { // which of them are told depends on the order
		return
	}
	slices.Sort(narrow.touched)
	slices.Sort(wide.touched)
	if diff := cmp.Diff(wide.touched, narrow.touched); diff != "" || narrow.dropped != wide.dropped {
		t.Fatalf("touched (-everywhere +where they differ):\n%s\ndropped %q, want %q\nowned: %v\nkept: %v\nold: %v\nnew: %v",
			diff, narrow.dropped, wide.dropped, owned, kept, old, new)
	}
}

// FuzzPlaces: any two sets over any two objects.
func FuzzPlaces(f *testing.F) {
	owned := asJSON(`{f:spec: {f:replicas: {}, f:list: {'k:{"name":"a"}': {".": {}, f:x: {}}, 'k:{"name":"b"}': {".": {}, f:x: {}}}, f:set: {'v:"a"': {}, 'i:0': {}}}}`)
	for _, kept := range []string{string(owned), `{f:spec: {f:list: {'k:{"name":"a"}': {".": {}}}}}`, `{f:spec: {}}`} {
		f.Add(owned, asJSON(kept), []byte(`{"spec":{"replicas":1,"list":[{"name":"a","x":1},{"name":"b","x":1}],"set":["a"]}}`),
			[]byte(`{"spec":{"replicas":2,"list":[{"name":"a","x":2},{"name":"b","x":1}],"set":["b"]}}`))
	}
	ports := []byte(`{"f:a":{"k:{\"a\":1,\"b\":\"x\"}":{".":{},"f:c":{}},"k:{\"a\":2,\"b\":\"x\"}":{".":{},"f:c":{}}}}`)
	f.Add(ports, ports, []byte(`{"a":[{"a":1,"b":"x","c":1},{"a":2,"b":"x","c":1}]}`), []byte(`{"a":[{"a":1,"b":"x","c":2},{"a":2,"b":"x","c":1}]}`))
	f.Add(ports, ports, []byte(`{"a":[{"a":1,"b":"x","c":1},{"a":1,"b":"x","c":1}]}`), []byte(`{"a":[{"a":1,"b":"x","c":1},{"a":1,"b":"x","c":2}]}`))
	f.Add(ports, ports, []byte(`{"a":[{"a":1.0,"b":"x","c":1},{"a":-0.0,"b":"x"}],"metadata":{}}`), []byte(`{"a":[{"a":1,"b":"x","c":2},{"a":0,"b":"x"}],"metadata":null}`))
	f.Add([]byte(`{"f:metadata":{"f:labels":{},"f:managedFields":{}},"f:a":{"x":{},"f:y":1}}`), []byte(`{"f:metadata":{"f:labels":{"f:a":{}}}}`), []byte(`{"metadata":{"labels":{"a":"b"},"generation":1}}`), []byte(`{"metadata":{"labels":{"a":"c"},"generation":2}}`))
	f.Add(ports, ports, []byte(`{"a":[{"a":1,"b":"x","c":1},{"a":2,"b":"x","c":1}]}`), []byte(`{"a":[{"a":2,"b":"x","c":1},{"a":1,"b":"x","c":2},{"a":1,"b":"x"}]}`))
	f.Fuzz(func(t *testing.T, fields, still, was, is []byte) {
		owned, kept, old, new := decoded(fields), decoded(still), decoded(was), decoded(is)
		if owned == nil || old == nil || new == nil || mixed(owned) {
			return
		}
		sameAsEverywhere(t, owned, kept, old, new)
		sameAsEverywhere(t, owned, runtime.DeepCopyJSON(owned), old, new)
		sameAsEverywhere(t, owned, runtime.DeepCopyJSON(owned), old, runtime.DeepCopyJSON(old))
	})
}

// Small trees of few names, so that most of what a list or a set can be comes up:
// items twice, without their keys, of other types, out of order, keys that can't be
// read, sets that shrank, grew, or hold everything.
func TestLookingWhereTheyDifferFindsWhatLookingEverywhereDoes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 15_000 {
		old := map[string]any{"metadata": map[string]any{"labels": anyTree(rng, 1)}, "a": anyTree(rng, 3), "b": anyTree(rng, 3)}
		new := runtime.DeepCopyJSON(old)
		for range rng.IntN(3) {
			disturb(rng, new, func() any { return anyTree(rng, 2) })
		}
		owned := map[string]any{"f:a": anySet(rng, 3), "f:b": anySet(rng, 3), "f:metadata": anySet(rng, 2)}
		kept := runtime.DeepCopyJSON(owned)
		for range rng.IntN(3) {
			disturb(rng, kept, func() any { return anySet(rng, 1) })
		}
		if !mixed(owned) {
			sameAsEverywhere(t, owned, kept, old, new)
		}
	}
}

func anyTree(rng *rand.Rand, depth int) any {
	switch n := rng.IntN(8); {
	case depth == 0 || n == 0:
		return some[any](rng, "x", "y", int64(1), 1.0, true, nil, "ü", map[string]any{}, []any{})
	case n < 3:
		m := map[string]any{}
		for range rng.IntN(4) {
			m[some(rng, "a", "b", "name")] = anyTree(rng, depth-1)
		}
		return m
	case n == 3:
		return []any{some(rng, "x", "y"), some(rng, "x", "z")}
	}
	var items []any
	for i := range rng.IntN(6) {
		item := map[string]any{"name": some[any](rng, "x", "y", "z", int64(i), "ü", float64(i), math.Copysign(0, -1)), "a": anyTree(rng, depth-1)}
		if rng.IntN(9) == 0 {
			delete(item, "name")
		}
		items = append(items, item)
	}
	return items
}

func anySet(rng *rand.Rand, depth int) any {
	m := map[string]any{}
	if depth == 0 || rng.IntN(8) == 0 {
		return some[any](rng, m, m, m, m, m, m, m, "x", nil)
	}
	fields := []string{"f:a", "f:b", "f:name", "f:labels", "."}
	switch rng.IntN(8) {
	case 0:
		fields = []string{`v:"x"`, `v:"y"`, "i:0", "."}
	case 1:
		fields = append(fields, `k:{"name":"x"}`, `v:1`, "x", `k:{"name":"\u0078"}`, "k:{")
	case 2:
		fields = []string{`k:{"name":"x"}`, `k:{"name":"y"}`, "i:0", "i:1"}
	case 3, 4, 5:
		fields = []string{`k:{"name":"x"}`, `k:{"name":"y"}`, `k:{"name":"z"}`, `k:{"name":1}`, `k:{"name":0}`, "."}
	}
	for range 1 + rng.IntN(4) {
		key := some(rng, fields...)
		if m[key] = anySet(rng, depth-1); key == "." {
			m[key] = map[string]any{}
		}
	}
	return m
}

// disturb changes, adds, removes or moves something somewhere.
func disturb(rng *rand.Rand, m map[string]any, other func() any) {
	keys := slices.Sorted(maps.Keys(m))
	if len(keys) == 0 {
		return
	}
	k := some(rng, keys...)
	switch v := m[k].(type) {
	case map[string]any:
		if len(v) > 0 && rng.IntN(4) > 0 {
			disturb(rng, v, other)
			return
		}
	case []any:
		if len(v) > 0 && rng.IntN(6) > 0 {
			i := rng.IntN(len(v))
			item, isMap := v[i].(map[string]any)
			switch n := rng.IntN(6); {
			case n == 0:
				m[k] = slices.Delete(v, i, i+1)
			case n == 1:
				m[k] = slices.Insert(v, i, runtime.DeepCopyJSONValue(v[rng.IntN(len(v))]))
			case n == 2:
				slices.Reverse(v)
			case isMap:
				disturb(rng, item, other)
			}
			return
		}
	}
	if rng.IntN(3) == 0 {
		delete(m, k)
		return
	}
	m[k] = other()
}

// mixed: the items of a list are told apart by different fields, of which the walk
// takes any to match them by.
func mixed(tree map[string]any) bool {
	var names []string
	for k, v := range tree {
		if strings.HasPrefix(k, "k:") {
			n := keyNames(map[string]any{k: nil})
			if n == nil || names != nil && !slices.Equal(n, names) {
				return true
			}
			names = n
		}
		if sub, _ := v.(map[string]any); mixed(sub) {
			return true
		}
	}
	return false
}
