package webhook

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// BenchmarkHandler is one review without the network and the record's write. It
// reports p50 and p99 beside the mean: the worst of a hundred is what is felt.
func BenchmarkHandler(b *testing.B) {
	for _, size := range []struct {
		name string
		body []byte
	}{
		{"small", deployment()},
		{"typical", deployment(typicalObject)},
		{"large", deployment(largeObject)},
	} {
		for _, mode := range []struct {
			name string
			mode v1alpha1.Mode
		}{
			{"ungoverned", ""}, {"denied", v1alpha1.ModeEnforce}, {"flagged", v1alpha1.ModeAudit},
		} {
			b.Run(size.name+"/"+mode.name, func(b *testing.B) {
				g := newGate(b, false)
				if mode.mode != "" {
					g.handler.Policies = fixedPolicies{policyIn(b, mode.mode)}
				}
				benchmarkReview(b, g, size.body)
			})
		}
	}
}

func benchmarkReview(b *testing.B, g *gate, body []byte) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	took := make([]time.Duration, 0, 1<<16)
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, "/gate", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		began := time.Now()
		g.handler.ServeHTTP(w, r)
		took = append(took, time.Since(began))
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
		g.recorder.entries = nil
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
	b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
}

// typicalObject is a Deployment as it stands in a cluster: one container with
// twenty variables, and managedFields of git and of the deployment controller.
func typicalObject(r *admissionv1.AdmissionRequest) {
	var env, owned strings.Builder
	for i := range 20 {
		fmt.Fprintf(&env, `{"name":"VARIABLE_%d","value":"a value of an ordinary length, %d"},`, i, i)
		fmt.Fprintf(&owned, `"k:{\"name\":\"VARIABLE_%d\"}":{".":{},"f:name":{},"f:value":{}},`, i)
	}
	const object = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7","generation":3,` +
		`"labels":{"app":"web"},"annotations":{"deployment.kubernetes.io/revision":"3"},"managedFields":[` +
		`{"manager":"kustomize-controller","operation":"Apply","apiVersion":"apps/v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":` +
		`{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":` +
		`{"k:{\"name\":\"web\"}":{".":{},"f:name":{},"f:image":{},"f:env":{%[2]s".":{}}}}}}}}},` +
		`{"manager":"kube-controller-manager","operation":"Update","apiVersion":"apps/v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","subresource":"status","fieldsV1":` +
		`{"f:metadata":{"f:annotations":{"f:deployment.kubernetes.io/revision":{}}},"f:status":{"f:replicas":{},"f:readyReplicas":{}}}}]},` +
		`"spec":{"replicas":%[3]d,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[` +
		`{"name":"web","image":"registry.example/web:1","env":[%[1]s{"name":"LAST","value":"one"}]}]}}},"status":{"replicas":2,"readyReplicas":2}}`
	r.Object.Raw = fmt.Appendf(nil, object, env.String(), owned.String(), 4)
	r.OldObject.Raw = fmt.Appendf(nil, object, env.String(), owned.String(), 2)
}

// largeObject is a ConfigMap of 100 KiB.
func largeObject(r *admissionv1.AdmissionRequest) {
	var data strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&data, `"key-%d":%q,`, i, strings.Repeat("v", 90))
	}
	object := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web","namespace":"prod","uid":"u1","resourceVersion":"7"},"data":{` + data.String() + `"last":"%s"}}`
	r.Object.Raw, r.OldObject.Raw = fmt.Appendf(nil, object, "new"), fmt.Appendf(nil, object, "old")
}
