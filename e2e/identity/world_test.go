package identity

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane and the Gitlatch on it that all tests share. The failure policy is Fail, so that what the
// API server can't make out is a refusal by somebody else, which no test takes for the gate's.
var here world.World

func TestMain(m *testing.M) { world.Main(m, &here, cluster.Options{}, ready) }

func ready(ctx context.Context, w *world.World) (err error) {
	if w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{FailurePolicy: "Fail"}); err != nil {
		return err
	}
	// Who writes the first policy makes everything else git's: what people would no longer get by hand is made before.
	if err := crew(ctx, w); err != nil {
		return err
	}
	for _, p := range []string{policyDeclared, policyCluster} {
		if err := w.Gate.Policy(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

const (
	syncer       = gitlatch.SyncLogin
	syncUser     = "system:serviceaccount:gitops:sync"
	operator     = "operators/web-operator" // pod-bound, cluster-admin
	operatorUser = "system:serviceaccount:operators:web-operator"
	pipelineUser = "system:serviceaccount:ci:pipeline"
	trustedUser  = "system:serviceaccount:cert-manager:cainjector"
	stranger     = "stranger" // a cluster administrator of whom only the name is known: no uid, no extra
)

const common = `
  steering: [{apiGroups: [steering.example], resources: ["*"]}]
  sync:
  - {serviceAccount: {namespace: gitops, name: sync}, fieldManagers: [sync]}
  - {serviceAccount: {namespace: tenants, name: sync}, fieldManagers: [sync]}
  trusted:
  - serviceAccount: {namespace: cert-manager, name: cainjector}
    resources: [{apiGroups: [apiregistration.k8s.io], resources: [apiservices]}]
    fields: [spec.caBundle]
`

const policyCluster = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  operations: {exec: Deny}
  match:
    namespaceSelector: {matchExpressions: [{key: gate, operator: DoesNotExist}]}
    excludeNamespaces: [kube-node-lease]
    excludeResources: [{apiGroups: [certificates.k8s.io], resources: ["*"]}]` + common

const policyDeclared = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: declared}
spec:
  mode: Enforce
  objects: Declared
  fields: Declared
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: declared}}` + common

// crew are the accounts that the tests use, and what is there before anything is guarded.
func crew(ctx context.Context, w *world.World) error {
	admin, err := kubernetes.NewForConfig(w.Plane.Config("admin"))
	if err != nil {
		return err
	}
	// A carrier of git's in a namespace where people write what git does not declare.
	tenants := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenants", Labels: map[string]string{"gate": "declared"}}}
	if _, err := admin.CoreV1().Namespaces().Create(ctx, tenants, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("making namespace tenants: %w", err)
	}
	for _, a := range []struct {
		namespace, name string
		unbound         bool
	}{
		{"operators", "web-operator", false}, {"cert-manager", "cainjector", false}, {"gitops", "sync", true}, {"tenants", "sync", false},
		{"operators", "token-operator", false}, {"operators", "door-operator", false}, {"operators", "workload-operator", false},
		{"operators", "role-operator", false}, {"operators", "account-operator", false},
		{"operators", "certificate-operator", false}, {"operators", "forging-operator", false}, {"operators", "things-operator", false},
	} {
		if _, err := w.Plane.ServiceAccount(ctx, a.namespace, a.name, cluster.AccountOptions{ClusterAdmin: true, Unbound: a.unbound}); err != nil {
			return err
		}
	}
	// Whatever these are denied is denied by the gate.
	for _, user := range []string{stranger, "system:anonymous", "system:kube-controller-manager"} {
		_, err := admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "test:" + strings.TrimPrefix(user, "system:")},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		}, metav1.CreateOptions{})
		if err != nil {
			return fmt.Errorf("giving %s their rights: %w", user, err)
		}
	}
	return w.Plane.MarkRunning(ctx, "gitops", "sync-0")
}

// party is somebody who sends requests as they are, past what kubectl would look up or refuse first.
type party struct {
	name string
	host string
	http *http.Client
}

// known is who the control plane knows by this name.
func known(t testing.TB, login string) *party {
	t.Helper()
	return partyOf(t, login, here.Plane.Config(login))
}

func partyOf(t testing.TB, name string, config *rest.Config) *party {
	t.Helper()
	config.Timeout = 30 * time.Second
	client, err := rest.HTTPClientFor(config)
	world.Must(t, err)
	return &party{name: name, host: config.Host, http: client}
}

// posing is somebody who impersonates another.
func posing(t testing.TB, login string, as rest.ImpersonationConfig) *party {
	t.Helper()
	config := here.Plane.Config(login)
	config.Impersonate = as
	return partyOf(t, login+" as "+as.UserName, config)
}

// request is what goes over the wire. A PATCH is a merge patch, but where content says otherwise.
type request struct{ method, path, body, content string }

// dry is the same as a dry run; a door has none.
func (r request) dry() request {
	if strings.Contains(r.path, "/exec?") {
		return r
	}
	sign := "?"
	if strings.Contains(r.path, "?") {
		sign = "&"
	}
	r.path += sign + "dryRun=All"
	return r
}

// answer is what the API server said.
type answer struct {
	what string
	code int
	said string
}

func (p *party) send(t testing.TB, r request) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, p.host+r.path, strings.NewReader(r.body))
	world.Must(t, err)
	switch {
	case r.content != "":
		req.Header.Set("Content-Type", r.content)
	case r.method == http.MethodPatch:
		req.Header.Set("Content-Type", "application/merge-patch+json")
	case r.body != "":
		req.Header.Set("Content-Type", "application/yaml")
	}
	response, err := p.http.Do(req)
	world.Must(t, err)
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	world.Must(t, err)
	return answer{what: p.name + ": " + r.method + " " + r.path, code: response.StatusCode, said: string(said)}
}

// denied says that the gate refused for this reason.
func (a answer) denied(reason v1alpha1.Reason) bool {
	return a.code == http.StatusForbidden && strings.Contains(a.said, `.gitlatch.dev\" denied the request: `+string(reason)+": ")
}

func (a answer) mustDeny(t testing.TB, reason v1alpha1.Reason) {
	t.Helper()
	if !a.denied(reason) {
		t.Errorf("%s: want a denial %s, got %d: %.400s", a.what, reason, a.code, a.said)
	}
}

func (a answer) mustAllow(t testing.TB) {
	t.Helper()
	if a.code >= 300 {
		t.Errorf("%s: want it to go through, got %d: %.400s", a.what, a.code, a.said)
	}
}

// mustPass is mustAllow for what fails behind admission, such as a door into a pod that no node runs.
func (a answer) mustPass(t testing.TB) {
	t.Helper()
	for _, refusal := range []string{"denied the request", "failed calling webhook", `"reason":"Forbidden"`} {
		if strings.Contains(a.said, refusal) {
			t.Errorf("%s: want it to pass admission, got %d: %.400s", a.what, a.code, a.said)
		}
	}
}

// way is a request that the gate is to refuse, and what its record says of it.
type way struct {
	what string
	request
	recorded string // "OPERATION resources/subresource namespace/name"
}

// refused has somebody try every way, and wants each denied as a way to become somebody else, and recorded.
func refused(t *testing.T, who *party, user string, ways []way) {
	t.Helper()
	var want []string
	for _, w := range ways {
		t.Run(w.what, func(t *testing.T) { who.send(t, w.request).mustDeny(t, v1alpha1.ReasonCredential) })
		want = append(want, w.recorded)
	}
	t.Run("all are recorded", func(t *testing.T) {
		slices.Sort(want)
		if diff := cmp.Diff(slices.Compact(want), recordedOf(t, user, v1alpha1.ClassCredential)); diff != "" {
			t.Errorf("what is recorded of %s (-want +got):\n%s", user, diff)
		}
	})
}

// recordedOf are the denials of somebody that are recorded under a class.
func recordedOf(t *testing.T, user string, class v1alpha1.Class) []string {
	t.Helper()
	var got []string
	for _, r := range here.Records(t, func(r *v1alpha1.ChangeRecord) bool {
		return r.Spec.Requester.Username == user && r.Spec.Outcome == v1alpha1.OutcomeDenied && r.Spec.Class == class
	}) {
		q := r.Spec.Request
		resource := q.Resource
		if q.Subresource != "" {
			resource += "/" + q.Subresource
		}
		got = append(got, q.Operation+" "+resource+" "+q.Namespace+"/"+q.Name)
	}
	slices.Sort(got)
	return slices.Compact(got)
}

// person is one more of group devs, cluster administrators. Whoever is denied much has records that are folded into
// one, so each test has people of its own.
func person(t *testing.T, name string) string {
	t.Helper()
	name = here.Named(name)
	world.Must(t, here.Plane.Person(name, "devs"))
	return name
}

const (
	core = "/api/v1/namespaces/"
	apps = "/apis/apps/v1/namespaces/"
	jobs = "/apis/batch/v1/namespaces/"
	rbac = "/apis/rbac.authorization.k8s.io/v1/"
)
