//go:build drills

package drills

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/gitlatch"
	"github.com/gitlatch/gitlatch/test/gitserver"
	"github.com/gitlatch/gitlatch/test/world"
)

// Gitlatch is removed in each of the ways that the page has. Nothing of it is left, what it applied is, nobody is denied
// anything at any moment, and no record is lost unless somebody said so.
func TestUninstallLeavesNothingAndBlocksNothing(t *testing.T) {
	explained(t)
	p := runbook(t, "uninstall.md")
	for _, c := range []struct {
		what string
		do   func(t *testing.T)
	}{
		{"by the plugin, with everything alive", func(t *testing.T) { byThePlugin(t, p) }},
		{"by the plugin, with a dead pod and a sync that nobody lets go", func(t *testing.T) { withTheDead(t, p) }},
		{"by kubectl alone, with everything alive", func(t *testing.T) { byKubectl(t, p) }},
		{"by kubectl alone, with nothing alive", func(t *testing.T) {
			held(t)
			node.Hold("webhook", "applier", "reporter")
			node.KillAll()
			byKubectl(t, p)
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			applied := someSync(t)
			c.do(t)
			world.Eventually(t, "nothing to be left", time.Minute, errorOf(func() error { return leftover(t, applied) }))
			here.Kubectl(t, "alice", "create", "configmap", "by-hand", "-n", applied).MustAllow(t)
			here.Kubectl(t, "alice", "delete", "namespace", applied).MustAllow(t)
			node.Stop()
			world.Must(t, here.Gate.Stop())
			world.Must(t, install(t.Context()))
			guards(t)
		})
	}
}

// someSync is a GitSync that has applied a namespace and a ConfigMap, which it would delete with itself if it were let.
func someSync(t *testing.T) (namespace string) {
	t.Helper()
	repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	world.Must(t, err)
	namespace = here.Named("applied")
	world.Must(t, repo.Write("all.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+namespace+"}\n---\n"+
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: "+namespace+"}\ndata: {color: blue}\n"))
	_, err = repo.Commit("declare")
	world.Must(t, err)
	world.Must(t, repo.Push())
	here.Declare(t, "apiVersion: gitlatch.dev/v1alpha1\nkind: GitSync\nmetadata: {name: "+namespace+", namespace: gitlatch-system}\n"+
		"spec: {url: '"+repo.FileURL()+"', ref: {branch: main}, deletionPolicy: Prune}\n")
	here.Kubectl(t, "admin", "wait", "gitsync/"+namespace, "-n", gitlatch.Namespace, "--for=condition=Ready", "--timeout=1m").MustAllow(t)
	return namespace
}

// leftover compares what there is with what there was before Gitlatch. What the sync applied has to be there.
func leftover(t *testing.T, applied string) error {
	t.Helper()
	now, err := everything(t.Context())
	world.Must(t, err)
	for _, o := range []string{"namespaces. /" + applied, "configmaps. " + applied + "/settings"} {
		if !now[o] {
			t.Fatalf("%s, which the sync applied, is gone", o)
		}
	}
	others := func(o string) bool { // made by other drills, or by the control plane for what was applied
		return strings.HasPrefix(o, "namespaces. /ns-") || strings.HasPrefix(o, "namespaces. /applied-") ||
			strings.Contains(o, " ns-") || strings.Contains(o, " applied-") || strings.Contains(o, "/by-hand") || strings.Contains(o, " default/by-git")
	}
	diff := cmp.Diff(slices.Sorted(maps.Keys(before)), slices.DeleteFunc(slices.Sorted(maps.Keys(now)), others))
	if diff != "" {
		return &difference{diff}
	}
	return nil
}

type difference struct{ text string }

func (d *difference) Error() string { return "objects before and after (-before +after):\n" + d.text }

func byThePlugin(t *testing.T, p *page) {
	t.Helper()
	shell(t, "alice", "kubectl gitlatch uninstall --yes").MustFail(t, "records: say what becomes of them")
	file := filepath.Join(t.TempDir(), "records.jsonl")
	plan := p.runWith(t, "alice", "kubectl gitlatch uninstall --archive records.jsonl --dry-run", "records.jsonl", file).MustAllow(t).Out
	for _, want := range []string{"deployment.apps/gitlatch-webhook -n gitlatch-system", "records", "(archived)", "keep the labels and annotations of a sync"} {
		if !strings.Contains(plan, want) {
			t.Errorf("the plan lacks %q:\n%s", want, plan)
		}
	}
	guards(t) // nothing was done
	shell(t, "alice", "echo no | kubectl gitlatch uninstall --archive "+file).MustFail(t, "not confirmed: nothing was done")
	records := here.Records(t, all)
	said := p.runWith(t, "alice", "kubectl gitlatch uninstall --archive records.jsonl --remove-marks --yes", "records.jsonl", file).MustAllow(t).Out
	if !strings.Contains(said, "Gitlatch is removed") {
		t.Errorf("it said: %s", said)
	}
	verified := p.runWith(t, "alice", "kubectl gitlatch archive verify records.jsonl --head none", "records.jsonl", file).MustAllow(t).Out
	if !strings.Contains(verified, "intact: ") {
		t.Errorf("the archive: %s", verified)
	}
	text, err := os.ReadFile(file)
	world.Must(t, err)
	for i := range records {
		if !strings.Contains(string(text), `"uid":"`+string(records[i].UID)+`"`) {
			t.Errorf("record %s is not in the archive", records[i].Name)
		}
	}
	if marked := here.Kubectl(t, "admin", "get", "namespaces,configmaps", "-A", "-l", "gitlatch.dev/sync", "-o", "name").Out; marked != "" {
		t.Errorf("these are marked still: %s", marked)
	}
	if again := shell(t, "alice", "kubectl gitlatch uninstall --yes").MustAllow(t).Out; !strings.Contains(again, "nothing of Gitlatch is here") {
		t.Errorf("a second time it said: %s", again)
	}
}

// withTheDead: the node of one webhook is lost with its kubelet, so that its pod never ends; and the applier is gone, so
// that the finalizer of its syncs stays.
func withTheDead(t *testing.T, p *page) {
	t.Helper()
	held(t)
	node.Stop()
	node.KillAll()
	here.Kubectl(t, gitlatch.SyncLogin, "-n", gitlatch.Namespace, "create", "secret", "generic", "age-key", "--from-literal=key=none").MustAllow(t)
	said := p.run(t, "alice", "kubectl gitlatch uninstall --keep-records --yes -o json --timeout 5s").MustAllow(t)
	var report struct {
		Kept  []struct{ Object, Why string }
		Notes []string
		Steps []struct {
			Step string
			Done bool
		}
	}
	world.Must(t, json.Unmarshal([]byte(said.Out), &report))
	var kept, steps []string
	for _, k := range report.Kept {
		kept = append(kept, k.Object)
	}
	for _, s := range report.Steps {
		if s.Done {
			steps = append(steps, s.Step)
		}
	}
	wantKept := []string{"customresourcedefinition.apiextensions.k8s.io/changerecords.gitlatch.dev", "namespace/gitlatch-system"}
	slices.Sort(kept)
	if diff := cmp.Diff(wantKept, kept); diff != "" {
		t.Errorf("what is kept (-want +got):\n%s", diff)
	}
	if got := strings.Join(steps, " "); !strings.HasPrefix(got, "off ") || !strings.HasSuffix(got, " stop rights registration syncs rest") {
		t.Errorf("the steps were %s", got)
	}
	if !strings.Contains(strings.Join(report.Notes, "\n"), "did not end in 5s") {
		t.Errorf("nothing is said of the dead pods: %v", report.Notes)
	}
	if len(here.Records(t, all)) == 0 {
		t.Error("the records are gone")
	}
	here.Kubectl(t, "admin", "get", "secret/age-key", "-n", gitlatch.Namespace).MustAllow(t)
	p.run(t, "alice", "kubectl gitlatch uninstall --discard-records --delete-namespace --yes").MustAllow(t)
}

// byKubectl is the page's way without the plugin.
func byKubectl(t *testing.T, p *page) {
	t.Helper()
	p.run(t, "alice", `for kind in mutating validating; do
  kubectl patch ${kind}webhookconfiguration gitlatch --type=merge \
    -p '{"metadata":{"annotations":{"gitlatch.dev/off":"it is being uninstalled"}},"webhooks":[]}'
done
kubectl delete validatingadmissionpolicybinding,validatingadmissionpolicy gitlatch --ignore-not-found
sleep 2`).MustAllow(t)
	file := filepath.Join(t.TempDir(), "records.json")
	p.run(t, "alice", `kubectl -n gitlatch-system delete deployment gitlatch-webhook gitlatch-applier gitlatch-reporter`).MustAllow(t)
	p.run(t, "alice", `kubectl -n gitlatch-system wait --for=delete pod -l app.kubernetes.io/part-of=gitlatch --timeout=2m`).MustAllow(t)
	p.runWith(t, "alice", `kubectl get changerecords -o json > records.json`, "records.json", file).MustAllow(t)
	p.run(t, "alice", `kubectl get gitsyncs -A --no-headers -o custom-columns=:.metadata.namespace,:.metadata.name | while read -r namespace name; do
  kubectl -n "$namespace" patch gitsync "$name" --type=merge -p '{"spec":{"deletionPolicy":"Orphan"},"metadata":{"finalizers":null}}'
done`).MustAllow(t)
	records := here.Records(t, all) // with what was written while the pods ended, or since
	node.Hold()                     // whoever was dead stays so: its pod is going
	p.run(t, "alice", `kubectl delete -k manifests/default --ignore-not-found`).MustAllow(t)
	p.run(t, "alice", `kubectl delete mutatingwebhookconfiguration,validatingwebhookconfiguration gitlatch --ignore-not-found`).MustAllow(t)
	text, err := os.ReadFile(file)
	world.Must(t, err)
	var saved v1alpha1.ChangeRecordList
	world.Must(t, json.Unmarshal(text, &saved))
	var uids, want []string
	for i := range saved.Items {
		uids = append(uids, string(saved.Items[i].UID))
	}
	for i := range records {
		want = append(want, string(records[i].UID))
	}
	slices.Sort(uids)
	slices.Sort(want)
	if diff := cmp.Diff(want, uids); diff != "" || len(want) == 0 {
		t.Errorf("%d records; those that were saved (-want +got):\n%s", len(want), diff)
	}
}
