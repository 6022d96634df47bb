package record

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FuzzOwnedPaths: an entry of managedFields, which a client may have written, is read or owns nothing.
func FuzzOwnedPaths(f *testing.F) {
	for _, text := range []string{`{"f:spec":{"f:replicas":{}}}`, `{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:image":{}}}}}`, `{"v:1":{},"i:0":{}}`, `{"k:":{}}`, `[]`, ``} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		entry := metav1.ManagedFieldsEntry{FieldsV1: metav1.NewFieldsV1(string(raw))}
		for path := range ownedPaths(entry) {
			if path == "" {
				t.Error("an owned path that says nothing")
			}
		}
	})
}
