package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/applier/desired"
	"github.com/gitlatch/gitlatch/applier/live"
)

func noKeys() desired.Keys { return desired.Keys{} }

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	if text == "" {
		return nil
	}
	var o map[string]any
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestUnifiedShowsNoSecret(t *testing.T) {
	config := &live.Object{Ref: live.Ref{Key: live.Key{Kind: "ConfigMap", Namespace: "prod", Name: "web"}}, Source: "app/web.yaml", Sync: "gitlatch-system.prod"}
	secret := &live.Object{Ref: live.Ref{Key: live.Key{Kind: "Secret", Namespace: "prod", Name: "db"}}, Source: "app/db.yaml", Secret: true}
	widget := &live.Object{Ref: live.Ref{Key: live.Key{Group: "example.com", Kind: "Widget", Name: "w"}}, Source: "app/w.yaml", Secret: true}
	tests := []struct {
		name          string
		object        *live.Object
		before, after string
		want          string
	}{
		{"bookkeeping and our marks are no difference", config,
			`{kind: ConfigMap, metadata: {name: web, uid: a, generation: 2, labels: {gitlatch.dev/sync: gitlatch-system.prod}, annotations: {gitlatch.dev/commit: x, gitlatch.dev/break-glass: INC-1}}, status: {a: b}}`,
			`{kind: ConfigMap, metadata: {name: web}}`, ""},
		{"a change", config, `{data: {a: one, b: two}, kind: ConfigMap}`, `{data: {a: one, b: three}, kind: ConfigMap}`,
			"ConfigMap prod/web: changed (app/web.yaml)\n--- live\n+++ git\n@@ -1,4 +1,4 @@\n data:\n   a: one\n-  b: two\n+  b: three\n kind: ConfigMap\n"},
		{"a new object", config, "", `{kind: ConfigMap}`,
			"ConfigMap prod/web: created (app/web.yaml)\n--- /dev/null\n+++ git\n@@ -0,0 +1,1 @@\n+kind: ConfigMap\n"},
		{"an object that goes", config, `{kind: ConfigMap}`, "",
			"ConfigMap prod/web: deleted (app/web.yaml)\n--- live\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-kind: ConfigMap\n"},
		{"another sync's object", config, `{kind: ConfigMap, metadata: {labels: {gitlatch.dev/sync: other.one}}}`, `{kind: ConfigMap, metadata: {}}`,
			"ConfigMap prod/web: the sync other.one has it, so it is not touched (app/web.yaml)\n"},
		{"values of a Secret", secret,
			`{data: {gone: aHVudGVyMQ==, password: aHVudGVyMg==, same: aHVudGVyMw==}, kind: Secret, metadata: {annotations: {hint: hunter4}}}`,
			`{data: {new: aHVudGVyNQ==, password: aHVudGVyNg==, same: aHVudGVyMw==}, kind: Secret, metadata: {annotations: {hint: hunter4}}}`,
			"Secret prod/db: changed (app/db.yaml)\n--- live\n+++ git\n@@ -1,6 +1,6 @@\n data:\n-  gone: '***'\n-  password: '*** (before)'\n+  new: '***'\n+  password: '*** (after)'\n   same: '***'\n kind: Secret\n metadata:\n"},
		{"a Secret inside of something", config, `{kind: Template, items: [{kind: Secret, stringData: {a: hunter1}}]}`, `{kind: Template, items: [{kind: Secret, stringData: {a: hunter2}}]}`,
			"ConfigMap prod/web: changed (app/web.yaml)\n--- live\n+++ git\n@@ -1,5 +1,5 @@\n items:\n - kind: Secret\n   stringData:\n-    a: '*** (before)'\n+    a: '*** (after)'\n kind: Template\n"},
		{"a custom resource that is encrypted in git", widget,
			`{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {token: hunter1, size: 1, list: [hunter2]}}`,
			`{apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {token: {from: hunter3}, size: 1, list: [hunter2, hunter4]}}`,
			"example.com/Widget w: changed (app/w.yaml)\n--- live\n+++ git\n@@ -5,5 +5,7 @@\n spec:\n   list:\n   - '***'\n+  - '***'\n   size: '***'\n-  token: '***'\n+  token:\n+    from: '***'\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, d := "", differenceOf(object(t, test.before), object(t, test.after), test.object)
			if d != nil {
				var err error
				if got, err = d.unified(); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
			data, err := json.Marshal(d)
			if err != nil || strings.Contains(string(data), "hunter") || strings.Contains(string(data), "aHVu") {
				t.Errorf("%v: the JSON shows a value: %s", err, data)
			}
		})
	}
}

// FuzzMask: no value of a Secret comes through, and what differs still does.
func FuzzMask(f *testing.F) {
	f.Add(`{"kind":"Secret","data":{"a":"planted"}}`, `{"kind":"Secret","data":{"a":{"b":["planted"]}}}`, true)
	f.Add(`{"spec":{"x":[{"kind":"Secret","stringData":"planted"}]}}`, `{"spec":"planted"}`, true)
	f.Fuzz(func(t *testing.T, a, b string, secret bool) {
		var x, y map[string]any
		if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
			return
		}
		was, is := mask(x, y, secret)
		if secret && !isSecret(x) && !isSecret(y) {
			for _, side := range []map[string]any{was, is} {
				if left := leavesBut(side, ""); left != "" {
					t.Errorf("%q is shown: %v", left, side)
				}
			}
		}
		for _, side := range []map[string]any{was, is} {
			if isSecret(x) || isSecret(y) {
				if left := leavesBut(side["data"], ".data"); left != "" {
					t.Errorf("%q is shown", left)
				}
			}
		}
	})
}

// leavesBut returns a value that is not masked, and names no object.
func leavesBut(v any, path string) string {
	switch v := v.(type) {
	case map[string]any:
		for key, inner := range v {
			if left := leavesBut(inner, path+"."+key); left != "" {
				return left
			}
		}
	case []any:
		for _, inner := range v {
			if left := leavesBut(inner, path+"[]"); left != "" {
				return left
			}
		}
	case string:
		if !naming(path) && v != masked && v != maskedBefore && v != maskedAfter {
			return v
		}
	}
	return ""
}
