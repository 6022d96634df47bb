package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/gitlatch/gitlatch/test/cluster"
	install "github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// syncRig is a cluster with Gitlatch whole, and a repository.
type syncRig struct {
	rig
	gate  *install.Gitlatch
	repo  *gitserver.Repo
	first string // the commit that is applied first
}

// TestSyncsOnTheRealControlPlane: the applier runs, and the gate. The order matters: each
// part finds what those before it left.
func TestSyncsOnTheRealControlPlane(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	}()
	g, err := install.Install(t.Context(), c, install.Options{Applier: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Stop(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv("HOME", t.TempDir())
	repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	if err != nil {
		t.Fatal(err)
	}
	r := &syncRig{rig: rig{c}, gate: g, repo: repo}
	t.Run("the scopes of Kubernetes's kinds", r.scopes)
	t.Run("sync --wait", r.syncs)
	t.Run("diff of what is applied, and of what is not", r.diffs)
	t.Run("suspend and resume", r.suspends)
	t.Run("a sync that fails", r.fails)
	t.Run("check asks the cluster", r.checks)
	t.Run("under a policy that enforces", r.enforced)
}

// as runs the plugin by the real clock, which requests are told apart by.
func (r *syncRig) as(t *testing.T, user string, args ...string) outcome {
	t.Helper()
	return gitlatch(t.Context(), "", time.Now, append(args, "--kubeconfig", r.Kubeconfig(user))...)
}

func (r *syncRig) commit(t *testing.T, message string, files map[string]string) string {
	t.Helper()
	hash, err := r.repo.CommitFiles(message, files)
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func (r *syncRig) push(t *testing.T) {
	t.Helper()
	if err := r.repo.Push(); err != nil {
		t.Fatal(err)
	}
}

const settingsText = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: prod}\ndata: {colour: blue, size: big}\n"

func (r *syncRig) syncs(t *testing.T) {
	r.first = r.commit(t, "the shop", map[string]string{
		"app/ns.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: prod}\n", "app/settings.yaml": settingsText,
		"app/old.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: old, namespace: prod}\n",
	})
	r.push(t)
	r.kubectl(t, `apiVersion: gitlatch.dev/v1alpha1
kind: GitSync
metadata: {name: prod, namespace: gitlatch-system}
spec: {url: "`+r.repo.FileURL()+`", ref: {branch: main}, path: app, interval: 1h}
`, "apply", "-f", "-")
	got := r.as(t, "admin", "sync", "prod", "--wait", "--timeout", "60s")
	if got.Code != 0 || !strings.HasPrefix(got.Out, "GitSync gitlatch-system/prod: applied ") || !strings.Contains(got.Out, ": 3 objects") {
		t.Errorf("sync: %+v", got)
	}
	if got := r.as(t, "admin", "sync", "--all", "-o", "name"); got.Out != "gitsync.gitlatch.dev/prod\n" || got.Code != 0 {
		t.Errorf("sync --all: %+v", got)
	}
	want := outcome{Code: 1, Err: "error: no GitSync gitlatch-system/none: kubectl get gitsyncs --all-namespaces names those that there are\n"}
	if diff := cmp.Diff(want, r.as(t, "admin", "sync", "none")); diff != "" {
		t.Errorf("a sync that is not there (-want +got):\n%s", diff)
	}
	offered := gitlatch(t.Context(), "", noon, "__complete", "suspend", "--kubeconfig", r.Kubeconfig("admin"), "")
	if !strings.HasPrefix(offered.Out, "prod\t"+r.repo.FileURL()+"\n") {
		t.Errorf("completion: %+v", offered)
	}
}

func (r *syncRig) diffs(t *testing.T) {
	clone := []string{"diff", "prod", "--repo", r.repo.Dir}
	want := outcome{Err: "note: git is " + r.first[:7] + ` (refs/heads/main) "the shop"` + "\n"}
	if diff := cmp.Diff(want, r.as(t, "admin", clone...)); diff != "" {
		t.Errorf("nothing differs (-want +got):\n%s", diff)
	}
	if err := r.repo.Remove("app/old.yaml"); err != nil {
		t.Fatal(err)
	}
	second := r.commit(t, "green", map[string]string{
		"app/settings.yaml": strings.Replace(settingsText, "colour: blue, size: big", "colour: green", 1),
		"app/new.yaml":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: new, namespace: prod}\n",
	})
	want = outcome{Code: 1,
		Err: "note: git is " + second[:7] + ` (refs/heads/main) "green"` + "\nnote: the applier applied " + r.first[:7] + " last\n",
		Out: `ConfigMap prod/new: created (app/new.yaml)
--- /dev/null
+++ git
@@ -0,0 +1,5 @@
+apiVersion: v1
+kind: ConfigMap
+metadata:
+  name: new
+  namespace: prod
ConfigMap prod/settings: changed (app/settings.yaml)
--- live
+++ git
@@ -1,7 +1,6 @@
 apiVersion: v1
 data:
-  colour: blue
-  size: big
+  colour: green
 kind: ConfigMap
 metadata:
   name: settings
ConfigMap prod/old: deleted (app/old.yaml)
--- live
+++ /dev/null
@@ -1,5 +0,0 @@
-apiVersion: v1
-kind: ConfigMap
-metadata:
-  name: old
-  namespace: prod
`}
	if diff := cmp.Diff(want, r.as(t, "admin", clone...)); diff != "" {
		t.Errorf("a commit that is not applied (-want +got):\n%s", diff)
	}
	for _, args := range [][]string{{"--revision", r.first}, {"--revision", "HEAD~none"}} {
		got := r.as(t, "admin", append(clone, args...)...)
		if code := map[string]int{r.first: 0, "HEAD~none": 2}[args[1]]; got.Code != code || got.Out != "" {
			t.Errorf("%v: %+v", args, got)
		}
	}
	got := r.as(t, "admin", "diff", "-f", filepath.Join(r.repo.Dir, "app"), "-o", "json")
	if got.Code != 1 || !strings.Contains(got.Out, `"path": ".data.colour"`) || strings.Contains(got.Out, "Prune") {
		t.Errorf("diff of a folder: %+v", got)
	}
}

func (r *syncRig) suspends(t *testing.T) {
	const name = "GitSync gitlatch-system/prod: "
	for _, text := range []string{"is suspended\n", "was suspended already\n"} {
		if diff := cmp.Diff(outcome{Out: name + text}, r.as(t, "admin", "suspend", "prod")); diff != "" {
			t.Errorf("suspend (-want +got):\n%s", diff)
		}
	}
	want := outcome{Code: 1, Err: "error: GitSync gitlatch-system/prod is suspended: resume it first (kubectl gitlatch resume prod -n gitlatch-system)\n"}
	if diff := cmp.Diff(want, r.as(t, "admin", "sync", "prod")); diff != "" {
		t.Errorf("sync of a suspended one (-want +got):\n%s", diff)
	}
	r.kubectl(t, "", "patch", "configmap", "settings", "-n", "prod", "--type=merge", "-p", `{"data":{"byhand":"yes"}}`)
	got := r.as(t, "admin", "diff", "prod", "--repo", r.repo.Dir, "--revision", r.first)
	if got.Code != 1 || !strings.Contains(got.Out, "\n-  byhand: \"yes\"\n") || strings.Contains(got.Out, "colour: green") {
		t.Errorf("diff of what was done by hand: %+v", got)
	}
	r.push(t)
	got = r.as(t, "admin", "resume", "prod", "--wait", "--timeout", "60s")
	if got.Code != 0 || !strings.HasPrefix(got.Out, name+"is resumed; applied ") {
		t.Errorf("resume: %+v", got)
	}
	if got := r.as(t, "admin", "diff", "prod", "--repo", r.repo.Dir); got.Code != 0 || got.Out != "" {
		t.Errorf("diff after the resume: %+v", got)
	}
	if diff := cmp.Diff(outcome{Out: name + "was not suspended\n"}, r.as(t, "admin", "resume", "prod")); diff != "" {
		t.Errorf("resume again (-want +got):\n%s", diff)
	}
}

func (r *syncRig) fails(t *testing.T) {
	r.commit(t, "broken", map[string]string{"app/broken.yaml": "kind: ConfigMap\n"})
	r.push(t)
	got := r.as(t, "admin", "sync", "prod", "--wait", "--timeout", "60s")
	if got.Code != 1 || !strings.Contains(got.Err, "error: GitSync gitlatch-system/prod: DocumentInvalid: app/broken.yaml") || got.Out != "" {
		t.Errorf("sync: %+v", got)
	}
	if err := r.repo.Remove("app/broken.yaml"); err != nil {
		t.Fatal(err)
	}
	r.commit(t, "mended", nil)
	r.push(t)
	if got := r.as(t, "admin", "sync", "prod", "--wait", "--timeout", "60s"); got.Code != 0 {
		t.Errorf("sync of what was mended: %+v", got)
	}
}

func (r *syncRig) checks(t *testing.T) {
	dir := workCopy(t, map[string]string{"app/a.yaml": settingsText, "app/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: prod}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: other}}, spec: {containers: [{name: web, image: web}]}}}
`})
	got := r.as(t, "admin", "check", "app")
	if got.Code != 1 || !strings.Contains(got.Out, "selector") || !strings.Contains(got.Out, "[Refused]") ||
		!strings.Contains(got.Out, "+  colour: blue\n") ||
		!strings.HasSuffix(got.Err, "checked 2 objects in 1 folder: 1 error, 0 warnings, 1 difference from the cluster\n") {
		t.Errorf("check: %+v", got)
	}
	if err := os.Remove(filepath.Join(dir, "app/web.yaml")); err != nil {
		t.Fatal(err)
	}
	want := outcome{Err: "checked 1 object in 1 folder: 0 errors, 0 warnings\n"}
	if diff := cmp.Diff(want, r.as(t, "admin", "check", "app", "--server-side=false")); diff != "" {
		t.Errorf("check without the cluster (-want +got):\n%s", diff)
	}
}

func (r *syncRig) enforced(t *testing.T) {
	err := r.gate.Policy(t.Context(), `apiVersion: gitlatch.dev/v1alpha1
kind: ChangePolicy
metadata: {name: all}
spec:
  mode: Enforce
  sync:
  - {serviceAccount: {namespace: gitops, name: sync}, fieldManagers: [sync]}
  - {serviceAccount: {namespace: gitlatch-system, name: gitlatch-applier}, fieldManagers: [gitlatch]}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.as(t, "admin", "sync", "prod", "--wait", "--timeout", "60s"); got.Code != 0 {
		t.Errorf("sync under a policy: %+v", got)
	}
	if got := r.as(t, "admin", "suspend", "prod"); got.Code != 0 {
		t.Errorf("suspend under a policy: %+v", got)
	}
	workCopy(t, map[string]string{"app/a.yaml": settingsText})
	got := r.as(t, "admin", "check", "app")
	if got.Code != 1 || !strings.Contains(got.Err, "note: the gate refuses dry runs of 1 objects by you") || !strings.Contains(got.Out, "+  colour: blue\n") {
		t.Errorf("check under a policy: %+v", got)
	}
}

// scopes: what check takes for cluster-scoped is what the API server says.
func (r *syncRig) scopes(t *testing.T) {
	known, err := newSchemas("", false)
	if err != nil {
		t.Fatal(err)
	}
	client, err := discovery.NewDiscoveryClientForConfig(r.Config("admin"))
	if err != nil {
		t.Fatal(err)
	}
	_, lists, err := client.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	kinds := 0
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			gvk := gv.WithKind(resource.Kind)
			if strings.Contains(resource.Name, "/") || !slices.Contains(resource.Verbs, "create") || !known.types.Recognizes(gvk) {
				continue
			}
			if kinds++; known.namespaced(gvk) != resource.Namespaced {
				t.Errorf("%s: namespaced is %t", gvk, resource.Namespaced)
			}
		}
	}
	if kinds < 50 {
		t.Errorf("only %d kinds were compared", kinds)
	}
}
