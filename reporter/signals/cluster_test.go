package signals

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// many is more than two pages of records and of objects.
const many = 1_200

// TestCollectReadsPageByPage: more than a page of records and of declared objects, on a
// real API server, in memory that does not hold them all.
func TestCollectReadsPageByPage(t *testing.T) {
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	must(t, err)
	t.Cleanup(func() { must(t, c.Stop()) })
	crds, err := filepath.Abs("../../manifests/crds")
	must(t, err)
	for _, args := range [][]string{
		{"apply", "-k", crds},
		{"wait", "--for=condition=Established", "crd/changepolicies.gitlatch.dev", "crd/changerecords.gitlatch.dev", "crd/gitsyncs.gitlatch.dev", "--timeout=30s"},
	} {
		if _, stderr, code := c.Kubectl(t.Context(), "admin", "", args...); code != 0 {
			t.Fatal(stderr)
		}
	}
	scheme := apiruntime.NewScheme()
	must(t, clientgoscheme.AddToScheme(scheme))
	must(t, v1alpha1.AddToScheme(scheme))
	config := rest.CopyConfig(c.Config("admin"))
	config.QPS = -1
	api, err := client.New(config, client.Options{Scheme: scheme})
	must(t, err)
	fill(t, api)

	served, err := discovery.NewDiscoveryClientForConfig(config)
	must(t, err)
	began := time.Now()
	report, err := Collect(t.Context(), Sources{Reader: api, Served: served})
	must(t, err)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	t.Logf("%d records and as many objects in %s; %d MiB from the system", many, time.Since(began).Round(time.Millisecond), memory.Sys>>20)

	got := map[string]float64{
		"waiting": float64(*report.Unreviewed.Waiting), "overdue": float64(*report.Unreviewed.Overdue),
		"admitted": report.Signals[1].Figures["admitted"],
		"declared": report.Signals[2].Figures["declared"], "live": report.Signals[2].Figures["live"], "answerable": report.Signals[2].Figures["answerable"],
	}
	want := map[string]float64{"waiting": many, "overdue": 0, "admitted": many, "declared": many, "live": many, "answerable": many - 1}
	if diff := cmp.Diff(want, got); diff != "" || len(report.Missing) != 0 {
		t.Errorf("missing %v; figures (-want +got):\n%s", report.Missing, diff)
	}
	if got := report.Signals[2].Evidence; len(got) != 3 || got[1] != "ConfigMap prod/object-00000: it does not say which commit changed it last" {
		t.Errorf("evidence: %q", got)
	}
}

// fill makes a sync that declares objects, the objects, and as many records.
func fill(t *testing.T, api client.Client) {
	t.Helper()
	must(t, api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "prod"}}))
	sync := syncOf("prod", 0)
	sync.Namespace, sync.Generation = "default", 0
	sync.Spec.URL = "https://git.example/ops.git"
	status := *sync.Status.DeepCopy()
	status.Conditions[0].LastTransitionTime = metav1.NewTime(ago(time.Hour))
	must(t, api.Create(t.Context(), &sync))
	each(t, func(i int) error {
		annotations := map[string]string{
			v1alpha1.AnnotationSource: v1alpha1.Source("https://git.example/ops.git", "app/web.yaml", "main"),
			v1alpha1.AnnotationCommit: `3f2c1ab "raise web"`,
		}
		if i == 0 {
			delete(annotations, v1alpha1.AnnotationCommit)
		}
		return api.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: "prod", Name: fmt.Sprintf("object-%05d", i), Annotations: annotations,
			Labels: map[string]string{v1alpha1.LabelSync: v1alpha1.SyncLabel("default", "prod")},
		}})
	})
	each(t, func(i int) error {
		r := rec(v1alpha1.OutcomeFlagged)
		r.Name, r.Status = fmt.Sprintf("cr-%05d", i), v1alpha1.ChangeRecordStatus{}
		r.Spec.Evidence, r.Spec.Confidence = v1alpha1.EvidenceAdmission, v1alpha1.ConfidenceProven
		return api.Create(t.Context(), r)
	})
	for i := range many {
		status.Inventory.Entries = append(status.Inventory.Entries, v1alpha1.InventoryEntry{ID: fmt.Sprintf("prod_object-%05d__ConfigMap", i), Version: "v1"})
	}
	sync.Status = status
	must(t, api.Status().Update(t.Context(), &sync))
}

func each(t *testing.T, do func(i int) error) {
	t.Helper()
	var group sync.WaitGroup
	errs := make([]error, 8)
	for worker := range errs {
		group.Go(func() {
			for i := worker; i < many && errs[worker] == nil; i += len(errs) {
				errs[worker] = do(i)
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		must(t, err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
