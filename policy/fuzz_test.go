package policy

import (
	"slices"
	"testing"
	"unicode/utf8"

	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

func asJSON(text string) []byte {
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		panic(err)
	}
	return raw
}

// decoded is an object as a review carries one; nil where it is none.
func decoded(raw []byte) map[string]any {
	var out map[string]any
	if !utf8.Valid(raw) || utiljson.Unmarshal(raw, &out) != nil {
		return nil
	}
	return out
}

// FuzzWalk: any managedFields over any objects. The walk never panics, sees no
// change where there is none, and names paths that can be read back.
func FuzzWalk(f *testing.F) {
	for _, text := range []string{podTemplate, widget, deployment, apiService} {
		f.Add(asJSON(`{f:spec: {f:replicas: {}, f:list: {'k:{"name":"a"}': {".": {}, f:x: {}}}, f:set: {'v:"a"': {}, 'i:0': {}}}}`), asJSON(text), asJSON(text))
	}
	f.Add([]byte(`{"f:a":{"k:{\"a\":1,\"b\":\"x,]\\\"\"}":{"f:c":{}}}}`), []byte(`{"a":[{"a":1,"b":"x,]\"","c":1}]}`), []byte(`{"a":[{"a":1,"b":"x,]\"","c":2}]}`))
	f.Add([]byte(`{"f:a":{"k:{\"a\":1}":{},"k:{\"a\":1,\"b\":2}":{}}}`), []byte(`{"a":[{"a":1},{"a":1,"b":2}]}`), []byte(`{"a":[{"a":1},{"a":1,"b":3}]}`))
	f.Add([]byte(`{"f:":{"f:.":{},"v:1.5":{},"v:[1]":{},"k:{\"\":{\"a\":[1]}}":{}}}`), []byte(`{"":{".":1}}`), []byte(`{}`))
	p := newScene().policy(f)
	f.Fuzz(func(t *testing.T, fields, old, new []byte) {
		owned, a, b := decoded(fields), decoded(old), decoded(new)
		if owned == nil || a == nil || b == nil {
			return
		}
		entry := []any{map[string]any{"manager": git, "fieldsType": "FieldsV1", "fieldsV1": owned}}
		for _, o := range []map[string]any{a, b} {
			o["metadata"] = map[string]any{"managedFields": entry}
		}
		got := p.inspect(&Request{Operation: Update, Old: a, Object: b}, &Facts{}, func() *places { return comparing(a, b) })
		for _, path := range got.paths {
			if path == "" {
				continue
			}
			if _, err := parsePath(path); err != nil {
				t.Errorf("path %q: %v", path, err)
			}
		}
		if got.forged != "" {
			t.Errorf("forged %q, though the entry stayed", got.forged)
		}
		same := p.inspect(&Request{Operation: Update, Old: a, Object: a}, &Facts{}, func() *places { return comparing(a, a) })
		if len(same.paths) > 0 && readable(owned) || same.forged != "" {
			t.Errorf("nothing changed, and touched %v, forged %q", same.paths, same.forged)
		}
	})
}

// readable: every key of the tree is of a known form, every node a map.
func readable(tree map[string]any) bool {
	for k, v := range tree {
		m, ok := v.(map[string]any)
		if _, known := readKey(k); !ok || !known && k != "." || !readable(m) {
			return false
		}
	}
	return true
}

// FuzzPath: a managedFields key written as a path is read back as the same step.
func FuzzPath(f *testing.F) {
	for _, key := range []string{"f:a", "f:a.b/c", `f:q"\]`, "f:ü", "f:", "f:*", "f:0", `k:{"name":"web"}`, `k:{"containerPort":80,"protocol":"TCP"}`, `k:{"a=b":"x,]=\""}`, `k:{"*":1,"0":true,"":null}`, `v:"a]b"`, "v:1", "v:1.5", "v:null", "v:[1,[2]]", "i:0", "i:12", ".", "x", ""} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if !utf8.ValidString(key) {
			return
		}
		text := pathOf([]string{"f:spec", key})
		path, err := parsePath(text)
		if err != nil {
			t.Fatalf("%q as %q: %v", key, text, err)
		}
		want, known := readKey(key)
		if !known {
			want = step{kind: fieldStep, field: key}
		}
		if len(path) != 2 || !sameStep(want, path[1]) {
			t.Fatalf("%q as %q: %+v, want %+v", key, text, path, want)
		}
	})
}

// FuzzParsePath: what people write never panics, and what is read covers itself.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"spec.replicas", `.a["b.c"].d[name="x"][0][="y"]`, "a[*].b", "[", "]", `["`, "a[=", "a[x=1,y=]", `a["x"="y"]`, ".."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, err := parsePattern(s)
		if err != nil {
			return
		}
		if hasAny := slices.ContainsFunc(path, func(s step) bool { return s.kind == anyStep }); !hasAny && !path.covers(path) {
			t.Errorf("%q does not cover itself: %+v", s, path)
		}
		resolve(map[string]any{"a": []any{map[string]any{"b": "c"}}}, path)
	})
}

// FuzzDiff: an object does not differ from itself, and every path that differs
// is found on the sides that are said to have it.
func FuzzDiff(f *testing.F) {
	f.Add(asJSON(podTemplate), asJSON(deployment))
	f.Add(asJSON(widget), asJSON(apiService))
	f.Add([]byte(`{"a":[{"name":"x","v":1},{"name":"y"}]}`), []byte(`{"a":[{"name":"y"},{"name":"x","v":2}]}`))
	f.Add([]byte(`{"a":[],"b":{},"c":null}`), []byte(`{"a":[1],"b":[{}],"":{"\"]":1}}`))
	f.Add([]byte(`{"a":[{"name":{"x":[1]}},{"name":null}]}`), []byte(`{"a":[{"name":1.5}]}`))
	f.Add([]byte("null"), []byte(`{"a":1}`))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		old, new := decoded(a), decoded(b)
		if same, omitted := Diff(old, old, 100); len(same) > 0 || omitted > 0 {
			t.Fatalf("it differs from itself: %+v, %d", same, omitted)
		}
		changes, omitted := Diff(old, new, 1000)
		if few, more := Diff(old, new, 1); len(few)+more != len(changes)+omitted {
			t.Fatalf("%d and %d changes", len(few)+more, len(changes)+omitted)
		}
		for _, c := range changes {
			found(t, old, c.Path, c.From, c.HasFrom)
			found(t, new, c.Path, c.To, c.HasTo)
			if c.HasFrom == c.HasTo && equal(c.From, c.To) {
				t.Fatalf("%s is said to differ: %v", c.Path, c.From)
			}
		}
		reverse, _ := Diff(new, old, 1000)
		if len(reverse) != len(changes) {
			t.Fatalf("%d changes there and %d back", len(changes), len(reverse))
		}
	})
}

func found(t *testing.T, obj map[string]any, text string, want any, has bool) {
	t.Helper()
	path, err := parsePath(text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	got, ok := resolve(obj, path)
	if ok != has || ok && !equal(got, want) {
		t.Fatalf("%q gives %v %t, want %v %t", text, got, ok, want, has)
	}
}

// FuzzCertificateSubject: a request that can't be read is an error, never a
// nameless subject that guards nobody by accident.
func FuzzCertificateSubject(f *testing.F) {
	f.Add(csrOf("alice", "devs"))
	f.Add(csrOf("system:node:n1", "system:nodes"))
	f.Add("")
	f.Add("aGVsbG8=")
	f.Add("LS0tLS1CRUdJTiBYLS0tLS0K")
	p := newScene().policy(f)
	f.Fuzz(func(t *testing.T, request string) {
		_, _, err := certificateSubject(request)
		s := newScene(of("certificates.k8s.io", "v1", "certificatesigningrequests", "CertificateSigningRequest"), named("", "x"), creates(`{}`),
			set("spec|signerName", "kubernetes.io/kube-apiserver-client"), set("spec|request", request), mode(v1alpha1.ModeEnforce))
		if d := Decide(s.req, []*Policy{p}, s.facts); err != nil && d.Reason != v1alpha1.ReasonCredential || d.Action != Deny {
			t.Fatalf("unreadable: %v; answered %s %s", err, d.Action, d.Reason)
		}
	})
}
