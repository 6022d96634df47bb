package applier

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
	"github.com/gitlatch/gitlatch/test/world"
)

// here is the control plane and the Gitlatch on it, applier included, that
// all tests share; TestMain sets them once.
var (
	here  world.World
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
)

func TestMain(m *testing.M) {
	world.Main(m, &here, cluster.Options{}, func(ctx context.Context, w *world.World) (err error) {
		if w.Gate, err = gitlatch.Install(ctx, w.Plane, gitlatch.Options{Applier: true, Progress: os.Stderr}); err != nil {
			return err
		}
		plane, gate = w.Plane, w.Gate
		for _, p := range []string{policyWarn, policyCluster} {
			if err := gate.Policy(ctx, p); err != nil {
				return err
			}
		}
		said, err := listen(plane, gate)
		w.After = said.found
		return err
	})
}

const identities = `
  sync:
  - serviceAccount: {namespace: gitops, name: sync}
    fieldManagers: [sync]
  - serviceAccount: {namespace: gitlatch-system, name: gitlatch-applier}
    fieldManagers: [gitlatch]
  breakGlass:
    allowedGroups: [oncall]
    maxDuration: 1h
    reasonPattern: '^(INC|OPS)-[0-9]+: .{10,}'
`

// policyCluster guards everything but what lies in namespaces with the label gate.
const policyCluster = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: cluster}
spec:
  mode: Enforce
  match:
    namespaceSelector: {matchExpressions: [{key: gate, operator: DoesNotExist}]}
    excludeNamespaces: [kube-node-lease]
    excludeResources: [{apiGroups: [certificates.k8s.io], resources: ["*"]}]` + identities

// policyWarn admits and records what people write in namespaces with gate: warn. One
// with gate: open is governed by nobody.
const policyWarn = `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: warn}
spec:
  mode: Warn
  match:
    clusterScoped: false
    namespaceSelector: {matchLabels: {gate: warn}}` + identities

// named is a name that no other test has.
func named(prefix string) string { return here.Named(prefix) }

// project is one test's repository and sync, and a namespace that its first commit
// declares.
type project struct {
	t         *testing.T
	repo      *gitserver.Repo
	home      string // where the sync is: gitlatch-system
	sync      string
	namespace string
	url, ref  string // of the sync's spec
}

// newProject makes a repository whose folder "deploy" declares a namespace; gate is its
// label, "" for one that is guarded. The sync comes with [project.follow].
func newProject(t *testing.T, gate string) *project {
	t.Helper()
	repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	if err != nil {
		t.Fatal(err)
	}
	w := &project{t: t, repo: repo, home: system, sync: named("sync"), namespace: named("ns"), url: repo.FileURL(), ref: "{branch: main}"}
	labels := "{}"
	if gate != "" {
		labels = "{gate: " + gate + "}"
	}
	w.write("deploy/namespace.yaml", fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: %s}\n", w.namespace, labels))
	return w
}

// write puts a file into the work tree; NS in it stands for the project's namespace.
func (w *project) write(file, content string) {
	w.t.Helper()
	if err := w.repo.Write(file, strings.ReplaceAll(content, "NS", w.namespace)); err != nil {
		w.t.Fatal(err)
	}
}

// remove takes a file out of the work tree.
func (w *project) remove(file string) {
	w.t.Helper()
	if err := w.repo.Remove(file); err != nil {
		w.t.Fatal(err)
	}
}

// commit commits and pushes, and returns the commit.
func (w *project) commit(message string, options ...gitserver.Option) string {
	w.t.Helper()
	hash, err := w.repo.Commit(message, options...)
	if err == nil {
		err = w.repo.Push()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return hash
}

// follow makes the sync by git's hand. more are lines of its spec, indented by two.
// It is deleted, with what it applied, when the test ends.
func (w *project) follow(more ...string) {
	w.t.Helper()
	declare(w.t, w.manifest(more...))
	w.t.Cleanup(func() { w.drop() })
}

func (w *project) manifest(more ...string) string {
	ref := ""
	if w.ref != "" {
		ref = "  ref: " + w.ref + "\n"
	}
	text := fmt.Sprintf(`apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: %s, namespace: %s}
spec:
  url: %s
%s  path: deploy
  interval: 1h
  deletionPolicy: Prune
`, w.sync, w.home, w.url, ref)
	for _, line := range more {
		text += "  " + strings.ReplaceAll(line, "NS", w.namespace) + "\n"
	}
	return text
}

// drop deletes the sync by git's hand, and waits until it is gone.
func (w *project) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, stderr, code := plane.Kubectl(ctx, syncer, "", "delete", "gitsync", w.sync, "-n", w.home, "--ignore-not-found", "--timeout=30s")
	if code != 0 {
		said, _, _ := plane.Kubectl(context.Background(), "admin", "", "get", "gitsync", w.sync, "-n", w.home, "-o", "jsonpath={.status}")
		w.t.Errorf("deleting the sync: %s: %s", stderr, said)
	}
}

// Names that everybody here uses.
const (
	system = gitlatch.Namespace
	syncer = gitlatch.SyncLogin
)

// request asks for a sync now, and waits until it was answered.
func (w *project) request() *v1alpha1.GitSync {
	w.t.Helper()
	at := named("request")
	kubectl(w.t, syncer, "annotate", "gitsync", w.sync, "-n", w.home, "--overwrite", v1alpha1.AnnotationRequestedAt+"="+at).MustAllow(w.t)
	return w.await("the request to be answered", func(s *v1alpha1.GitSync) error {
		if s.Status.LastHandledReconcileAt != at {
			return fmt.Errorf("it answered %q last", s.Status.LastHandledReconcileAt)
		}
		return nil
	})
}

// applied asks for a sync and waits until a commit is applied and the sync Ready.
func (w *project) applied(commit string) *v1alpha1.GitSync {
	w.t.Helper()
	w.request()
	return w.caughtUp(commit)
}

// failing waits until the sync is not Ready for this reason, and returns the message.
func (w *project) failing(reason string) string {
	w.t.Helper()
	s := w.await("the sync to fail with "+reason, func(s *v1alpha1.GitSync) error {
		if c := condition(s, v1alpha1.ConditionReady); c.Status != "False" || c.Reason != reason {
			return fmt.Errorf("Ready is %q: %s: %s", c.Status, c.Reason, c.Message)
		}
		return nil
	})
	return condition(s, v1alpha1.ConditionReady).Message
}

// caughtUp waits, without asking, until a commit is applied and the sync Ready.
func (w *project) caughtUp(commit string) *v1alpha1.GitSync {
	w.t.Helper()
	return w.await("commit "+commit+" to be applied", func(s *v1alpha1.GitSync) error {
		if c := condition(s, v1alpha1.ConditionReady); c.Status != "True" || s.Status.LastAppliedCommit != commit {
			return fmt.Errorf("applied %q; Ready is %q: %s: %s", s.Status.LastAppliedCommit, c.Status, c.Reason, c.Message)
		}
		return nil
	})
}

// refused asks for a sync and waits until the commit was tried and the sync is not
// Ready for this reason; it returns the condition's message.
func (w *project) refused(commit, reason string) string {
	w.t.Helper()
	w.request()
	s := w.await("commit "+commit+" to be refused", func(s *v1alpha1.GitSync) error {
		c := condition(s, v1alpha1.ConditionReady)
		if c.Status != "False" || c.Reason != reason || s.Status.LastAttemptedCommit != commit {
			return fmt.Errorf("attempted %q; Ready is %q: %s: %s", s.Status.LastAttemptedCommit, c.Status, c.Reason, c.Message)
		}
		return nil
	})
	return condition(s, v1alpha1.ConditionReady).Message
}

// await waits until the sync is as asked.
func (w *project) await(what string, ask func(*v1alpha1.GitSync) error) *v1alpha1.GitSync {
	w.t.Helper()
	c, sync := here.Client(w.t, "admin"), &v1alpha1.GitSync{}
	eventually(w.t, what, func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Namespace: w.home, Name: w.sync}, sync); err != nil {
			return err
		}
		return ask(sync)
	})
	return sync
}

// get reads one field of an object in the project's namespace; "" when it is not there.
func (w *project) get(object, jsonpath string) string {
	w.t.Helper()
	return kubectl(w.t, "admin", "get", object, "-n", w.namespace, "--ignore-not-found", "-o", "jsonpath={"+jsonpath+"}").MustAllow(w.t).Out
}
