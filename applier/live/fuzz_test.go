package live

import (
	"bytes"
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// FuzzReadItems: the items of a list are read one by one, each under its kind, or the reading ends.
func FuzzReadItems(f *testing.F) {
	for _, text := range []string{`[{"metadata":{"name":"a"}},{}]`, `null`, `[1]`, `[{"metadata":3}]`, `{"a":1}`, `[{"a":`, ``} {
		f.Add([]byte(text))
	}
	gvk := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_ = readItems(json.NewDecoder(bytes.NewReader(raw)), gvk, func(obj *unstructured.Unstructured) {
			if obj.GroupVersionKind() != gvk {
				t.Errorf("an item is %s", obj.GroupVersionKind())
			}
			obj.GetName()
			obj.GetManagedFields()
		})
	})
}

// FuzzSetOf: fields of a managedFields entry, as a client may have written them, are read and named, or refused.
func FuzzSetOf(f *testing.F) {
	for _, text := range []string{`{"f:spec":{"f:replicas":{}}}`, `{"f:a":{"k:{\"name\":\"web\",\"n\":1}":{".":{}},"v:[1]":{},"i:3":{}}}`, `{"k:{}":{}}`, `{"f:":{}}`, `3`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := setOf(&metav1.ManagedFieldsEntry{Manager: "m", FieldsV1: metav1.NewFieldsV1(string(raw))})
		if (err == nil) != (set != nil) {
			t.Fatalf("error %v, a set: %t", err, set != nil)
		}
		if err != nil {
			return
		}
		for _, path := range leavesOf(set) {
			if len(path) > 0 && pathText(path) == "" {
				t.Errorf("a path without a text: %v", path)
			}
		}
		var fields map[string]any
		if json.Unmarshal(raw, &fields) == nil {
			for key := range fields {
				if keys := keysIn(key); keys != nil && len(keys) == 0 {
					t.Errorf("%q has no keys", key)
				}
			}
		}
	})
}
