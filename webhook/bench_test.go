package webhook

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// BenchmarkHandler is one review without the network and the record's write.
func BenchmarkHandler(b *testing.B) {
	large := func(r *admissionv1.AdmissionRequest) {
		var data strings.Builder
		for i := range 1000 {
			fmt.Fprintf(&data, `"key-%d":%q,`, i, strings.Repeat("v", 90))
		}
		object := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7"},"data":{` + data.String() + `"last":"%s"}}`
		r.Object.Raw, r.OldObject.Raw = []byte(fmt.Sprintf(object, "new")), []byte(fmt.Sprintf(object, "old"))
	}
	for _, size := range []struct {
		name string
		body []byte
	}{
		{"small", deployment()},
		{"large", deployment(large)},
	} {
		for _, mode := range []v1alpha1.Mode{"", v1alpha1.ModeEnforce} {
			name := size.name + "/denied"
			if mode == "" {
				name = size.name + "/ungoverned"
			}
			b.Run(name, func(b *testing.B) {
				g := newGate(b, false)
				if mode != "" {
					g.handler.Policies = fixedPolicies{policyIn(b, mode)}
				}
				b.SetBytes(int64(len(size.body)))
				b.ReportAllocs()
				for b.Loop() {
					r := httptest.NewRequest(http.MethodPost, "/gate", bytes.NewReader(size.body))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					g.handler.ServeHTTP(w, r)
					if w.Code != http.StatusOK {
						b.Fatal(w.Code)
					}
					g.recorder.entries = nil
				}
			})
		}
	}
}
