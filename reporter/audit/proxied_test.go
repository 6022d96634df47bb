package audit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/policy"
)

// A proxy with a port in its name goes to the pod that the log showed.
func TestAProxyIsOfItsPod(t *testing.T) {
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"sync-0","namespace":"gitops","uid":"p"},"spec":{"serviceAccountName":"sync"}}`
	event := func(verb, name, subresource, answered string) string {
		return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"a","stage":"ResponseComplete","requestURI":"/x","verb":%q,`+
			`"user":{"username":"alice"},"objectRef":{"resource":"pods","namespace":"gitops","name":%q,"apiVersion":"v1","subresource":%q},`+
			`"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-05-04T12:00:00.000000Z"%s}`, verb, name, subresource, answered)
	}
	lines := event("create", "sync-0", "", `,"responseObject":`+pod)
	for _, name := range []string{"sync-0", "sync-0:8080", "https:sync-0:8443"} {
		lines += "\n" + event("get", name, "proxy", "")
	}
	reader, translator := NewReader(strings.NewReader(lines+"\n")), NewTranslator(policy.Installation{}, 0)
	var got []any
	for range 4 {
		entry, err := reader.Next()
		if err != nil {
			t.Fatal(err)
		}
		attempts, skip := translator.Translate(entry)
		if skip != "" || len(attempts) != 1 {
			t.Fatalf("%d attempts, %s", len(attempts), skip)
		}
		if a := attempts[0]; a.Request.Subresource == "proxy" {
			got = append(got, a.Request.Name, a.Facts.Pod)
		}
	}
	fact := &policy.PodFact{Found: true, ServiceAccount: "sync"}
	if diff := cmp.Diff([]any{"sync-0", fact, "sync-0", fact, "sync-0", fact}, got); diff != "" {
		t.Errorf("names and pods (-want +got):\n%s", diff)
	}
}
