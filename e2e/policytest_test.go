package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/world"
)

// What `policy test` says of this cluster's own audit log is what the gate said:
// under Audit it let through, and recorded, exactly what the replay would deny
// under Enforce.
func TestPolicyTestAgreesWithTheGate(t *testing.T) {
	ns := newNamespace(t, "audit")
	declareShop(t, ns)
	service := func(name string) *corev1.Service {
		return &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"},
		}
	}
	quinn, rhea := newVisitor(t, "quinn", "devs"), newVisitor(t, "rhea", "devs")
	for _, err := range []error{
		quinn.Create(t.Context(), service("first")),
		quinn.Create(t.Context(), service("second")),
		quinn.Delete(t.Context(), service("web")),
		here.Client(t, operator).Create(t.Context(), service("child")), // not declared: a controller's own
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := rhea.Patch(t.Context(), deploymentNamed(ns, "web"), patchOf(restarted)); err != nil {
		t.Fatal(err)
	}
	if err := rhea.Patch(t.Context(), service("first"), patchOf(`{"spec":{"externalName":"example.org"}}`)); err != nil {
		t.Fatal(err) // nothing differs
	}
	if denied := rhea.Create(t.Context(), configMap(newNamespace(t, ""), "mine")); !isDenial(denied, v1alpha1.ReasonOutOfBand) {
		t.Fatalf("want a denial, got %v", denied)
	}

	gateSaid := map[string]int{}
	for _, r := range here.Records(t, world.InNamespace(ns)) {
		gateSaid[fmt.Sprintf("%s %s %s", r.Spec.Requester.Username, r.Spec.Request.Kind, r.Spec.Reason)]++
	}
	want := map[string]int{"quinn Service OutOfBand": 3, "rhea Deployment Operation": 1}
	if diff := cmp.Diff(want, gateSaid); diff != "" {
		t.Fatalf("records of the gate (-want +got):\n%s", diff)
	}
	enforced := replay(t, ns, "--mode=Enforce")
	wantRows := []replayed{
		{Requester: "quinn", Kind: "Service", Denied: 3, Reason: "OutOfBand"},
		{Requester: "rhea", Kind: "apps/Deployment", Flagged: 1, Reason: "Operation"},
	}
	if diff := cmp.Diff(wantRows, enforced); diff != "" {
		t.Errorf("the replay under Enforce (-want +got):\n%s", diff)
	}
	wantRows[0].Denied, wantRows[0].Flagged = 0, 3
	if diff := cmp.Diff(wantRows, replay(t, ns)); diff != "" {
		t.Errorf("the replay under Audit (-want +got):\n%s", diff)
	}
}

// replayed is a row of the plugin's JSON.
type replayed struct {
	Requester, Kind, Namespace, Reason           string
	Denied, UnsureDenied, Flagged, UnsureFlagged int
}

// replay returns what `policy test` finds in one namespace, without its name.
func replay(t *testing.T, ns string, more ...string) []replayed {
	t.Helper()
	args := []string{"policy", "test", "--audit-log", plane.AuditLog(), "-o", "json"}
	for i, text := range []string{policyCluster, policyWarn, policyAudit, policyDeclared} {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("policy-%d.yaml", i))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-f", file)
	}
	got := plugin(t, "alice", append(args, more...)...)
	if got.Code > 1 {
		t.Fatalf("policy test: exit %d: %s", got.Code, got.Err)
	}
	var result struct{ Rows []replayed }
	if err := json.Unmarshal([]byte(got.Out), &result); err != nil {
		t.Fatalf("reading %q: %v", got.Out, err)
	}
	var rows []replayed
	for _, row := range result.Rows {
		if row.Namespace == ns {
			row.Namespace = ""
			rows = append(rows, row)
		}
	}
	return rows
}
