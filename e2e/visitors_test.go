package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/world"
)

// visitor is somebody with a client certificate: a name that no other test uses
// has a budget of records of its own. They may do in RBAC what their groups may.
type visitor struct {
	name string
	client.Client
	warnings *warnings
}

func newVisitor(t *testing.T, name string, groups ...string) *visitor {
	t.Helper()
	config, err := plane.Certificate(name, groups...)
	if err != nil {
		t.Fatal(err)
	}
	w := &warnings{}
	config.WarningHandler = w
	return &visitor{name: name, Client: here.ClientOf(t, config), warnings: w}
}

// warnings collects what the API server tells a client aside.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

var _ rest.WarningHandler = &warnings{}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// take returns what came since the last time.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}

// deniedFor fails unless the gate denied with this reason, as a well-formed 403.
func deniedFor(t *testing.T, err error, reason v1alpha1.Reason) {
	t.Helper()
	if !isDenial(err, reason) {
		t.Fatalf("want a denial %s by the gate, got %v", reason, err)
	}
}

func isDenial(err error, reason v1alpha1.Reason) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), ".gitlatch.dev\" denied the request: "+string(reason)+": ")
}

// patchOf is a merge patch written as text.
func patchOf(text string) client.Patch {
	return client.RawPatch("application/merge-patch+json", []byte(text))
}

func configMap(ns, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
}

// one returns the only record that keep selects.
func one(t *testing.T, what string, keep func(*v1alpha1.ChangeRecord) bool) v1alpha1.ChangeRecord {
	t.Helper()
	found := here.Records(t, keep)
	if len(found) != 1 {
		t.Fatalf("%s: want one record, got %d: %s", what, len(found), summary(found))
	}
	return found[0]
}

func summary(found []v1alpha1.ChangeRecord) string {
	var lines []string
	for _, r := range found {
		q := r.Spec.Request
		lines = append(lines, fmt.Sprintf("\n  %s %s %s %s %s/%s %s/%s count %d %s", r.Name, r.Spec.Outcome, r.Spec.Requester.Username,
			q.Operation, q.Resource, q.Subresource, q.Namespace, q.Name, r.Status.Count, r.Status.Phase))
	}
	return strings.Join(lines, "")
}

// recordNamed reads a record as it is now.
func recordNamed(t *testing.T, name string) *v1alpha1.ChangeRecord {
	t.Helper()
	rec := &v1alpha1.ChangeRecord{}
	if err := here.Client(t, "admin").Get(t.Context(), client.ObjectKey{Name: name}, rec); err != nil {
		t.Fatal(err)
	}
	return rec
}

// audited returns the API server's audit events that keep selects, as they stand
// in its log now.
func audited(t *testing.T, keep func(*auditv1.Event) bool) []auditv1.Event {
	t.Helper()
	file, err := os.Open(plane.AuditLog())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out []auditv1.Event
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return out // the last line may be half written
		}
		event := auditv1.Event{}
		if err := json.Unmarshal(line, &event); err != nil {
			t.Fatalf("reading the audit log: %v", err)
		}
		if keep(&event) {
			out = append(out, event)
		}
	}
}

// gateAnnotations are those that the gate left on the one audited write of this
// user in this namespace, made by this verb.
func gateAnnotations(t *testing.T, user, verb, ns string) map[string]string {
	t.Helper()
	events := audited(t, func(e *auditv1.Event) bool {
		return e.User.Username == user && e.Verb == verb && e.ObjectRef != nil && e.ObjectRef.Namespace == ns
	})
	if len(events) != 1 {
		t.Fatalf("want one audited %s by %s in %s, got %d", verb, user, ns, len(events))
	}
	out := map[string]string{}
	for key, value := range events[0].Annotations {
		if strings.Contains(key, "gitlatch.dev/") && !strings.Contains(key, "admission.k8s.io") {
			out[key] = value
		}
	}
	return out
}

var pluginDir = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(plane.Dir(), "bin")
	return dir, gitlatch.Build(context.Background(), dir, "kubectl-gitlatch")
})

// plugin runs `kubectl gitlatch` as a person, found by kubectl on its PATH.
func plugin(t *testing.T, user string, args ...string) world.Result {
	t.Helper()
	dir, err := pluginDir()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), plane.Assets().Kubectl, append([]string{"gitlatch"}, args...)...)
	cmd.Env = append(plane.KubectlEnv(user), "PATH="+dir+":"+os.Getenv("PATH"))
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return world.Result{User: user, Command: "gitlatch " + strings.Join(args, " "), Out: out.String(), Err: errs.String(), Code: cmd.ProcessState.ExitCode()}
}

// isCreationOf selects the stored creation of a record.
func isCreationOf(record string) func(*auditv1.Event) bool {
	return func(e *auditv1.Event) bool {
		return e.Verb == "create" && e.ObjectRef != nil && e.ObjectRef.Resource == "changerecords" && e.ObjectRef.Name == record &&
			e.ResponseStatus != nil && e.ResponseStatus.Code == 201
	}
}

func decodeResponse(e *auditv1.Event, into any) error {
	if e.ResponseObject == nil {
		return fmt.Errorf("audit event %s has no response", e.AuditID)
	}
	return json.Unmarshal(e.ResponseObject.Raw, into)
}

func isExecIn(ns string) func(*auditv1.Event) bool {
	return func(e *auditv1.Event) bool {
		return e.Stage == auditv1.StageResponseComplete && e.ObjectRef != nil && e.ObjectRef.Namespace == ns && e.ObjectRef.Subresource == "exec"
	}
}

// waitFor is [eventually] for where a failed wait may not end the test at once.
func waitFor(ctx context.Context, what string, ask func(context.Context) error) error {
	return gitlatch.WaitFor(ctx, 30*time.Second, what, ask)
}

func deploymentNamed(ns, name string) client.Object {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
}
