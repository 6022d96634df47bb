package backstop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane that all tests share: two webhooks, of which each test leaves
// those running that it found, and policy cluster, which enforces.
var here world.World

// Logins of the service accounts that the tests use.
const (
	operator = "operators/web-operator"         // pod-bound
	unbound  = "operators/web-operator:unbound" // the same account, a minted token
	syncer   = gitlatch.SyncLogin

	syncUnbound = syncer + ":unbound" // a token of git's carrier, minted before anything was guarded
	manager     = "system:kube-controller-manager"
)

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) (err error) {
		for _, without := range []bool{false, true} {
			if _, err = w.Plane.ServiceAccount(ctx, "operators", "web-operator", cluster.AccountOptions{ClusterAdmin: true, Unbound: without}); err != nil {
				return err
			}
		}
		if w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{Replicas: 2, Progress: os.Stderr}); err != nil {
			return err
		}
		if _, err = w.Plane.ServiceAccount(ctx, gitlatch.SyncNamespace, gitlatch.SyncAccount, cluster.AccountOptions{Unbound: true}); err != nil {
			return err
		}
		if err := w.Gate.Apply(ctx, managing); err != nil {
			return err
		}
		for _, p := range []string{everywhereElse(), declaredOnly, strings.NewReplacer("declared}", "fields}", "name: declared", "name: fields", "objects:", "fields:").Replace(declaredOnly), watched, strings.NewReplacer("watched", "warned", "Audit", "Warn", "gate: audit", "gate: warn").Replace(watched), standby} {
			if err := w.Gate.Policy(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// everywhereElse is [gitlatch.EnforceAll] but for namespaces with the label gate, which have
// a policy of their own.
func everywhereElse() string {
	return strings.Replace(gitlatch.EnforceAll(), "match:\n", "match:\n    namespaceSelector: {matchExpressions: [{key: gate, operator: DoesNotExist}]}\n", 1)
}

const declaredOnly = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: declared}
spec:
  mode: Enforce
  match: {clusterScoped: false, namespaceSelector: {matchLabels: {gate: declared}}}
  objects: Declared
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  operations: {exec: Deny}
`

const watched = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: watched}
spec:
  mode: Audit
  match: {clusterScoped: false, namespaceSelector: {matchLabels: {gate: audit}}}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
`

const standby = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: standby}
spec:
  mode: Enforce
  match: {clusterScoped: false, namespaceSelector: {matchLabels: {gate: standby}}}
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  breakGlass: {allowedGroups: [standby], maxDuration: 1h, reasonPattern: '^INC-[0-9]+: .{10,}'}
`

// managing gives a part of the control plane every right, so that RBAC is in the way of nothing that it tries.
const managing = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "test:controller-manager"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "system:kube-controller-manager"}]
`

// dead kills every webhook until the test ends.
func dead(t *testing.T) {
	t.Helper()
	t.Cleanup(func() { alive(t) })
	for i := range here.Gate.Replicas() {
		here.Gate.Kill(i)
	}
}

// alive starts every webhook that does not run.
func alive(t *testing.T) {
	t.Helper()
	for i := range here.Gate.Replicas() {
		world.Must(t, here.Gate.Start(context.Background(), i))
	}
	world.Must(t, here.Gate.WaitAnswering(context.Background()))
}

// refused fails unless the backstop denied the command for this reason.
func refused(t testing.TB, r world.Result, reason string) {
	t.Helper()
	r.MustFail(t, "ValidatingAdmissionPolicy 'gitlatch' with binding 'gitlatch' denied request: "+reason+": ")
}

// passes fails if admission refused the command; behind it, it may fail for want of a kubelet.
func passes(t testing.TB, r world.Result) {
	t.Helper()
	if strings.Contains(r.Err, "denied request") || strings.Contains(r.Err, "denied the request") || strings.Contains(r.Err, "orbidden") {
		t.Fatalf("%s: kubectl %s: want it to pass admission, got exit %d: %s", r.User, r.Command, r.Code, r.Err)
	}
}

// logged are the writes of a user since mark that the API server says were out of band:
// verb, resource, name, what was found, and how it was answered.
func logged(t testing.TB, mark int64, user string) []string {
	t.Helper()
	file, err := os.Open(here.Plane.AuditLog())
	world.Must(t, err)
	defer file.Close()
	_, err = file.Seek(mark, io.SeekStart)
	world.Must(t, err)
	var out []string
	reader := audit.NewReader(file)
	for {
		entry, err := reader.Next()
		var problem *audit.Problem
		switch {
		case errors.Is(err, io.EOF), errors.As(err, &problem) && problem.Truncated:
			return out
		case err != nil:
			t.Fatal(err)
		}
		e := entry.Event
		found := e.Annotations["gitlatch/out-of-band"]
		if e.Stage != auditv1.StageResponseComplete || e.User.Username != user || found == "" {
			continue
		}
		if _, recorded := e.Annotations[v1alpha1.GateName+"/decision"]; recorded {
			found += " (recorded)"
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s/%s %s: %s, %d", e.Verb, e.ObjectRef.Resource, e.ObjectRef.Subresource, e.ObjectRef.Name, found, e.ResponseStatus.Code)))
	}
}

// mark is where the audit log ends now.
func mark(t testing.TB) int64 {
	t.Helper()
	info, err := os.Stat(here.Plane.AuditLog())
	world.Must(t, err)
	return info.Size()
}

// settled waits until the API server follows the backstop of now: it looks for changed
// admission policies once a second.
func settled() { time.Sleep(2 * time.Second) }

const shop = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS}
data: {color: blue}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: bare, namespace: NS, labels: {}, annotations: {}}
data: {color: blue}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
`

// gears are a kind that no policy names, with a scale of its own.
const gears = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gears.late.example}
spec:
  group: late.example
  scope: Namespaced
  names: {plural: gears, singular: gear, kind: Gear}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
`

// declareGears has git declare that kind, and one of it called first.
func declareGears(t testing.TB, ns string) {
	t.Helper()
	here.Declare(t, gears)
	here.Kubectl(t, "admin", "wait", "--for=condition=Established", "crd/gears.late.example", "--timeout=60s").MustAllow(t)
	world.Eventually(t, "gears to be served", 30*time.Second, func(ctx context.Context) error {
		return here.Gate.Apply(ctx, gearOf(ns, "first"))
	})
}

func gearOf(ns, name string) string {
	return "apiVersion: late.example/v1\nkind: Gear\nmetadata: {name: " + name + ", namespace: " + ns + "}\nspec: {size: 1, replicas: 1}\n"
}

// lone is a pod that no controller owns.
func lone(ns string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: lone, namespace: " + ns + "}\nspec: {terminationGracePeriodSeconds: 0, containers: [{name: a, image: registry.example/a}]}\n"
}

func declareShop(t testing.TB, ns string) {
	t.Helper()
	here.Declare(t, strings.ReplaceAll(shop, "NS", ns))
}
