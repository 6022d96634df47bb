package applier

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	kevents "k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/git"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
	"github.com/gitlatch/gitlatch/test/gitserver"
)

// newLoopBench is a loop that is called by hand, as a process that has just begun.
func newLoopBench(t *testing.T) *loop {
	t.Helper()
	config, store := applierConfig(t), newClient(t)
	core, err := kubernetes.NewForConfig(config)
	must(t, err)
	lookup, err := metadata.NewForConfig(config)
	must(t, err)
	kept, err := newKeepMetrics(prometheus.NewPedanticRegistry())
	must(t, err)
	counted, err := newMetrics(prometheus.NewPedanticRegistry(), store)
	must(t, err)
	keeper := &record.Keeper{Store: store, Clock: clock.RealClock{}}
	l := &loop{
		client: store, records: records{keeper, clock.RealClock{}}, metrics: counted, clock: clock.RealClock{},
		keeping: &keeping{watch: &record.Watch{Client: store, Clock: clock.RealClock{}}, records: keeper,
			clock: clock.RealClock{}, metrics: kept, log: logr.Discard(), fought: func(types.NamespacedName, live.Key, time.Time) {}},
		repositories: &git.Store{Dir: t.TempDir(), FileRoots: []string{"/"}},
		clusters:     &clusters{config: config, metadata: lookup, all: map[identity]*live.Cluster{}},
		references:   &references{client: core, watched: map[reference]*followed{}, changed: func(types.NamespacedName) {}},
		claims:       newClaims(), events: events{kevents.NewFakeRecorder(1000)},
		kubeVersion: "v1.33.0", workers: make(chan struct{}, 4), states: map[types.NamespacedName]*state{},
	}
	t.Cleanup(l.stopAll)
	return l
}

// goingSync is a sync that has applied some ConfigMaps and is being deleted.
func (l *loop) goingSync(t *testing.T, space string, spec v1alpha1.GitSyncSpec, names ...string) types.NamespacedName {
	t.Helper()
	spec.DeletionPolicy = v1alpha1.DeletionPrune
	sync := storeSync(t, l.client, space, "going", spec)
	sync.Status.Inventory = &v1alpha1.Inventory{Entries: []v1alpha1.InventoryEntry{}}
	for _, name := range names {
		kubectl(t, shared.applier.Login, `{apiVersion: v1, kind: ConfigMap, metadata: {name: `+name+`, namespace: `+space+`, labels: {`+
			v1alpha1.LabelSync+`: `+v1alpha1.SyncLabel(space, "going")+`}}}`, "apply", "-f", "-")
		ref := live.Ref{Key: live.Key{Kind: "ConfigMap", Namespace: space, Name: name}, Version: "v1"}
		sync.Status.Inventory.Entries = append(sync.Status.Inventory.Entries, ref.Entry())
	}
	must(t, l.client.Status().Update(t.Context(), sync))
	must(t, l.client.Delete(t.Context(), sync))
	return client.ObjectKeyFromObject(sync)
}

func storeSync(t *testing.T, c client.Client, space, name string, spec v1alpha1.GitSyncSpec) *v1alpha1.GitSync {
	t.Helper()
	sync := &v1alpha1.GitSync{Spec: spec}
	sync.Namespace, sync.Name, sync.Finalizers = space, name, []string{v1alpha1.FinalizerSync}
	if sync.Spec.URL == "" {
		sync.Spec.URL = "https://git.example/" + space + ".git"
	}
	must(t, c.Create(t.Context(), sync))
	t.Cleanup(func() { // or the syncs of one test are others' to the next
		sync := &v1alpha1.GitSync{}
		if c.Get(context.Background(), types.NamespacedName{Namespace: space, Name: name}, sync) == nil {
			sync.Finalizers = nil
			must(t, c.Update(context.Background(), sync))
			must(t, client.IgnoreNotFound(c.Delete(context.Background(), sync)))
		}
	})
	return sync
}

func (l *loop) reconcile(t *testing.T, key types.NamespacedName) time.Duration {
	t.Helper()
	result, err := l.Reconcile(t.Context(), ctrl.Request{NamespacedName: key})
	must(t, err)
	return result.RequeueAfter
}

// said is what the sync says of itself; "" when it is gone.
func (l *loop) said(t *testing.T, key types.NamespacedName) string {
	t.Helper()
	sync := &v1alpha1.GitSync{}
	if err := l.client.Get(t.Context(), key, sync); apierrors.IsNotFound(err) {
		return ""
	} else {
		must(t, err)
	}
	c := meta.FindStatusCondition(sync.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return "nothing"
	}
	return c.Reason + ": " + c.Message
}

func configMaps(t *testing.T, space string) string {
	t.Helper()
	return kubectl(t, "admin", "", "get", "configmap", "-n", space, "-l", v1alpha1.LabelSync, "-o", "jsonpath={.items[*].metadata.name}")
}

func TestADeletionWaitsForWindows(t *testing.T) {
	needGate(t)
	space, l := newSpace(t, "gate=enforce"), newLoopBench(t)
	key := l.goingSync(t, space, v1alpha1.GitSyncSpec{}, "web", "api")
	kubectl(t, "oncall", "", "annotate", "configmap/web", glass, "gitlatch.dev/break-glass-for=8s", "-n", space)
	if wait := l.reconcile(t, key); wait != staleRetry {
		t.Errorf("it waits %s, not %s", wait, staleRetry)
	}
	want := "DeletionFailed: deleting what the sync has applied: 1 objects wait for the end of a break-glass window, ConfigMap " + space + "/web first"
	if diff := cmp.Diff([]string{want, "web"}, []string{l.said(t, key), configMaps(t, space)}); diff != "" {
		t.Errorf("in the window (-want +got):\n%s", diff)
	}
	// The gate ends the window by its own clock, and says so in the record a little later.
	eventually(t, "the window is over, and the deletion goes on", 30*time.Second, func() error {
		l.reconcile(t, key)
		if diff := cmp.Diff([]string{"", ""}, []string{l.said(t, key), configMaps(t, space)}); diff != "" {
			return fmt.Errorf("after it (-want +got):\n%s", diff)
		}
		return nil
	})
}

func TestWhatTakesOthersAlong(t *testing.T) {
	shop := live.Key{Group: "shops.example", Kind: "Shop", Namespace: "prod", Name: "corner"}
	for name, tc := range map[string]struct {
		outer live.Key
		want  bool
	}{
		"its namespace":           {live.Key{Kind: "Namespace", Name: "prod"}, true},
		"another namespace":       {live.Key{Kind: "Namespace", Name: "shops.example"}, false},
		"its definition":          {live.Key{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "shops.shops.example"}, true},
		"another definition":      {live.Key{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition", Name: "shops.example"}, false},
		"a neighbour of the name": {live.Key{Kind: "ConfigMap", Namespace: "prod", Name: "prod"}, false},
	} {
		if got := holds(tc.outer, shop); got != tc.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestADeletionSparesWhatMoved in one commit to a sync that this process never heard of.
func TestADeletionSparesWhatMoved(t *testing.T) {
	space, l := newSpace(t), newLoopBench(t)
	repo, err := gitserver.NewRepo(filepath.Join(t.TempDir(), "ops"))
	must(t, err)
	_, err = repo.CommitFiles("move web", map[string]string{
		"heir/web.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}\n", "going/note.txt": "",
	}, gitserver.By("alice"))
	must(t, err)
	must(t, repo.Push())
	spec := v1alpha1.GitSyncSpec{URL: repo.FileURL(), Ref: v1alpha1.GitRef{Branch: "main"}, Path: "heir"}
	storeSync(t, l.client, space, "heir", spec)
	spec.Path = "going"
	key := l.goingSync(t, space, spec, "web", "api")
	must(t, os.Rename(repo.Bare, repo.Bare+".away"))
	l.reconcile(t, key)
	want := "DeletionFailed: deletion waits for GitSync " + space + "/heir, to which what left this one may have moved; the repository can't be asked: "
	if said := l.said(t, key); !strings.HasPrefix(said, want) || configMaps(t, space) != "api web" {
		t.Errorf("while the remote is away: %s; there are %s", said, configMaps(t, space))
	}
	must(t, os.Rename(repo.Bare+".away", repo.Bare))
	l.reconcile(t, key)
	if diff := cmp.Diff([]string{"", "web"}, []string{l.said(t, key), configMaps(t, space)}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestADeletionThatIsRefusedIsTriedEverSlower, and only what is left of it.
func TestADeletionThatIsRefusedIsTriedEverSlower(t *testing.T) {
	space, l := newSpace(t), newLoopBench(t)
	kubectl(t, "admin", "", "create", "serviceaccount", "tenant", "-n", space)
	key := l.goingSync(t, space, v1alpha1.GitSyncSpec{ServiceAccountName: "tenant"}, "api", "web")
	kubectl(t, "admin", "", "create", "role", "some", "-n", space, "--verb=get,delete", "--resource=configmaps", "--resource-name=api")
	kubectl(t, "admin", "", "create", "rolebinding", "some", "-n", space, "--role=some", "--serviceaccount="+space+":tenant")
	var waits []time.Duration
	for range 4 {
		waits = append(waits, l.reconcile(t, key)/time.Second)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 8}, waits); diff != "" {
		t.Errorf("it waits (-want +got):\n%s", diff)
	}
	sync := &v1alpha1.GitSync{}
	must(t, l.client.Get(t.Context(), key, sync))
	if entries := sync.Status.Inventory.Entries; len(entries) != 1 || !strings.Contains(entries[0].ID, "web") || configMaps(t, space) != "web" {
		t.Errorf("left are %v of %s", entries, configMaps(t, space))
	}
	kubectl(t, "admin", "", "delete", "serviceaccount", "tenant", "-n", space)
	l.reconcile(t, key)
	if l.said(t, key) != "" || configMaps(t, space) != "" {
		t.Errorf("with its account gone: %s, %s", l.said(t, key), configMaps(t, space))
	}
}

// TestAnAccountThatMayNotBeLookedAtIsNotGone: our own rights are not used instead.
func TestAnAccountThatMayNotBeLookedAtIsNotGone(t *testing.T) {
	space, l := newSpace(t), newLoopBench(t)
	key := l.goingSync(t, space, v1alpha1.GitSyncSpec{ServiceAccountName: "tenant"}, "web")
	config := rest.CopyConfig(shared.cluster.Config("admin"))
	config.Impersonate = rest.ImpersonationConfig{UserName: "mallory"}
	var err error
	l.clusters.metadata, err = metadata.NewForConfig(config)
	must(t, err)
	l.reconcile(t, key)
	if said := l.said(t, key); !strings.HasPrefix(said, "DeletionFailed: getting ServiceAccount "+space+"/tenant: ") || configMaps(t, space) != "web" {
		t.Errorf("%s; there is %q", said, configMaps(t, space))
	}
}

// TestADeletionIsNotEndedOnOldNews: what the finalizers are now is asked first.
func TestADeletionIsNotEndedOnOldNews(t *testing.T) {
	space, l := newSpace(t), newLoopBench(t)
	key := l.goingSync(t, space, v1alpha1.GitSyncSpec{})
	stored := &v1alpha1.GitSync{}
	must(t, l.client.Get(t.Context(), key, stored))
	after := stored.DeepCopy()
	after.Annotations = map[string]string{"example.com/seen": "by alice"}
	must(t, l.client.Update(t.Context(), after))
	state, err := l.state(stored)
	must(t, err)
	r := &run{loop: l, key: key, state: state, sync: stored.DeepCopy(), saved: stored, log: logr.Discard()}
	if result, err := r.delete(t.Context()); err != nil || result.RequeueAfter != firstRetry || l.said(t, key) == "" {
		t.Errorf("%+v, %v, %q", result, err, l.said(t, key))
	}
	l.reconcile(t, key)
	if said := l.said(t, key); said != "" {
		t.Errorf("it is there: %s", said)
	}
}
