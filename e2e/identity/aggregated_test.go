package identity

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/world"
)

// Admission of the API server is not asked about what an aggregated one serves, so that no webhook and no admission policy
// sees a write to it. The audit log does, and its review finds it.
func TestWritesToAggregatedServersAreFound(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"apiVersion":"far.example/v1","kind":"Thing","metadata":{"name":"mine","namespace":"default"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"APIResourceList","groupVersion":"far.example/v1","resources":[{"name":"things","namespaced":true,"kind":"Thing","verbs":["create"]}]}`)
	}))
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	world.Must(t, err)
	here.Declare(t, "apiVersion: v1\nkind: Service\nmetadata: {name: far, namespace: default}\nspec: {type: ExternalName, externalName: localhost}\n")
	here.Declare(t, fmt.Sprintf("apiVersion: apiregistration.k8s.io/v1\nkind: APIService\nmetadata: {name: v1.far.example}\n"+
		"spec: {group: far.example, version: v1, groupPriorityMinimum: 10, versionPriority: 10, insecureSkipTLSVerify: true, service: {namespace: default, name: far, port: %s}}\n", at.Port()))
	t.Cleanup(func() { // one that does not answer would be in everybody's way
		here.Plane.Kubectl(context.Background(), syncer, "", "delete", "apiservice/v1.far.example", "service/far", "-n", "default")
	})
	dave := person(t, "dave")
	create := request{http.MethodPost, "/apis/far.example/v1/namespaces/default/things", `{"apiVersion":"far.example/v1","kind":"Thing","metadata":{"name":"mine"}}`, "application/json"}
	world.Eventually(t, "the aggregated server to be asked", waitLong, allowedSoon(t, known(t, dave), create))

	var got []string
	for _, f := range surveyed(t, func(f *audit.Finding) bool { return f.Requester.Username == dave }) {
		got = append(got, fmt.Sprint(f.Reason, " ", f.Confidence, " ", f.Request.Operation, " ", f.Request.Group, "/", f.Request.Resource, " ", f.Request.Namespace))
	}
	want := []string{fmt.Sprint(v1alpha1.ReasonUnguarded, " ", v1alpha1.ConfidenceProven, " CREATE far.example/things default")}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the review finds (-want +got):\n%s", diff)
	}
	if records := here.Records(t, func(r *v1alpha1.ChangeRecord) bool { return r.Spec.Requester.Username == dave }); len(records) > 0 {
		t.Errorf("the gate was asked: it wrote %+v", records[0].Spec.Request)
	}
}
