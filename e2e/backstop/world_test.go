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
		for _, p := range []string{everywhereElse(), declaredOnly, strings.NewReplacer("declared}", "fields}", "name: declared", "name: fields", "objects:", "fields:").Replace(declaredOnly), watched, standby} {
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

// dead kills every webhook until the test ends.
func dead(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		for i := range here.Gate.Replicas() {
			world.Must(t, here.Gate.Start(context.Background(), i))
		}
		world.Must(t, here.Gate.WaitAnswering(context.Background()))
	})
	for i := range here.Gate.Replicas() {
		here.Gate.Kill(i)
	}
}

// refused fails unless the backstop denied the command for this reason.
func refused(t testing.TB, r world.Result, reason string) {
	t.Helper()
	r.MustFail(t, "ValidatingAdmissionPolicy 'gitlatch' with binding 'gitlatch' denied request: "+reason+": ")
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

func declareShop(t testing.TB, ns string) {
	t.Helper()
	here.Declare(t, strings.ReplaceAll(shop, "NS", ns))
}
