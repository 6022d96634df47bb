package applier

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// Scenario 22: a new, empty cluster with the same sync ends the same, object by object,
// though the first came there by several commits and by people's hands.
func TestANewClusterWithTheSameSyncEndsTheSame(t *testing.T) {
	w := newProject(t, "warn")
	group := named("widgets") + ".example.com"
	files := map[string]string{
		"web.yaml": deployment,
		"app.yaml": configMap("app"),
		"old.yaml": configMap("old"),
		"service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: NS}\n" +
			"spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n",
		"role.yaml": "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: 'NS:reader'}\n" +
			"rules: [{apiGroups: [''], resources: [configmaps], verbs: [get]}]\n",
		"account.yaml": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: NS}\n",
		"kind.yaml":    widgets(group),
		"widget.yaml":  "apiVersion: " + group + "/v1\nkind: Widget\nmetadata: {name: first, namespace: NS}\nspec: {size: 3}\n",
	}
	for file, content := range files {
		w.write("deploy/"+file, content)
	}
	first := w.commit("declare a bit of everything")
	w.follow()
	w.applied(first)
	kubectl(t, "alice", "scale", "deployment/web", "--replicas=5", "-n", w.namespace).MustAllow(t)
	kubectl(t, "alice", "label", "configmap/app", "by=hand", "-n", w.namespace).MustAllow(t)
	w.pulledBack("deployment/web", ".spec.replicas", "2")
	w.pulledBack("configmap/app", ".metadata.labels.by", "")
	w.remove("deploy/old.yaml")
	w.write("deploy/app.yaml", strings.ReplaceAll(configMap("app"), "info", "debug"))
	last := w.commit("change app, drop old")
	here := w.applied(last)

	there, found := another(t), &v1alpha1.GitSync{}
	if err := there.gate.Apply(t.Context(), w.manifest()); err != nil {
		t.Fatal(err)
	}
	there.caughtUp(t, client.ObjectKey{Namespace: w.home, Name: w.sync}, last, found)
	if diff := cmp.Diff(here.Status.Inventory, found.Status.Inventory); diff != "" {
		t.Fatalf("the inventories differ (-old +new):\n%s", diff)
	}
	if len(found.Status.Inventory.Entries) != len(files) { // old is gone, the namespace came
		t.Errorf("the inventory has %d entries", len(found.Status.Inventory.Entries))
	}
	for _, e := range found.Status.Inventory.Entries {
		ref, err := live.ParseEntry(e)
		if err != nil {
			t.Fatal(err)
		}
		object, namespace := strings.ToLower(ref.Kind)+"."+ref.Version+"."+ref.Group+"/"+ref.Name, ref.Namespace
		if diff := cmp.Diff(essence(t, plane, object, namespace), essence(t, there.plane, object, namespace)); diff != "" {
			t.Errorf("%s differs (-old +new):\n%s", e.ID, diff)
		}
	}
}

// copied is another control plane with another Gitlatch, and the same policies.
type copied struct {
	plane *cluster.Cluster
	gate  *gitlatch.Gitlatch
}

// another starts an empty control plane. The programs are those of the first.
func another(t *testing.T) *copied {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	g, err := gitlatch.Install(t.Context(), c, gitlatch.Options{
		Applier: true, Binary: gate.Binary(), ApplierBinary: filepath.Join(plane.Dir(), "bin", "applier"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Stop() })
	for _, p := range []string{policyWarn, policyCluster} {
		if err := g.Policy(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	return &copied{c, g}
}

// caughtUp waits until the sync has applied a commit.
func (c *copied) caughtUp(t *testing.T, key client.ObjectKey, commit string, into *v1alpha1.GitSync) {
	t.Helper()
	_, stderr, code := c.plane.Kubectl(t.Context(), "admin", "", "wait", "gitsync/"+key.Name, "-n", key.Namespace,
		"--for=jsonpath={.status.lastAppliedCommit}="+commit, "--timeout=60s")
	if code != 0 {
		t.Fatalf("%s: %s", stderr, c.gate.Applier().Logs())
	}
	out, stderr, code := c.plane.Kubectl(t.Context(), "admin", "", "get", "gitsync", key.Name, "-n", key.Namespace, "-o", "yaml")
	if code != 0 {
		t.Fatal(stderr)
	}
	if err := yaml.Unmarshal([]byte(out), into); err != nil {
		t.Fatal(err)
	}
}

// widgets is the definition of a kind.
func widgets(group string) string {
	return `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.` + group + `}
spec:
  group: ` + group + `
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {size: {type: integer}}}}
`
}
