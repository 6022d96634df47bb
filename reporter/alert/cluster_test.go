package alert

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

// The tests of this package share one real control plane. It starts with the first that
// needs it: fuzzing does not.
var (
	shared  *cluster.Cluster
	started sync.Once
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	if config := os.Getenv(childEnv); config != "" {
		os.Exit(child(config))
	}
	code := m.Run()
	if shared != nil {
		if err := shared.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

func needCluster(t *testing.T) {
	t.Helper()
	started.Do(func() {
		c, err := cluster.Start(context.Background(), cluster.Options{Progress: os.Stderr})
		must(t, err)
		shared = c
		crds, err := filepath.Abs("../../manifests/crds")
		must(t, err)
		for _, args := range [][]string{
			{"apply", "-f", filepath.Join(crds, "gitlatch.dev_changerecords.yaml")},
			{"wait", "--for=condition=Established", "crd/changerecords.gitlatch.dev", "--timeout=30s"},
		} {
			if _, stderr, code := c.Kubectl(context.Background(), "admin", "", args...); code != 0 {
				t.Fatal(stderr)
			}
		}
	})
	if shared == nil {
		t.Fatal("there is no control plane")
	}
}

func newClient(t *testing.T) client.WithWatch {
	t.Helper()
	needCluster(t)
	c, err := clientOf(shared.Config("admin"))
	must(t, err)
	return c
}

func clientOf(config *rest.Config) (client.WithWatch, error) {
	config.QPS = -1
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, err
		}
	}
	return client.NewWithWatch(config, client.Options{Scheme: scheme})
}

// name is a name of one test alone, so that tests find their own records.
func name(t *testing.T, suffix string) string {
	return strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())) + "-" + suffix
}

// denied is a record as the gate writes it for alice's kubectl edit.
func denied() *v1alpha1.ChangeRecord {
	return &v1alpha1.ChangeRecord{Spec: v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeDenied, Class: v1alpha1.ClassOutOfBand, Reason: v1alpha1.ReasonOutOfBand, Policy: "cluster",
		Requester: v1alpha1.Requester{Username: "alice", Groups: []string{"devs", "system:authenticated"}},
		Request: v1alpha1.RecordedRequest{Operation: "UPDATE", Group: "apps", Version: "v1", Resource: "deployments",
			Kind: "Deployment", Namespace: "shop", Name: "web", FieldManager: "kubectl-edit"},
		Changes:  []v1alpha1.Change{{Path: ".spec.replicas", From: "2", To: "5"}},
		Evidence: v1alpha1.EvidenceAdmission, Confidence: v1alpha1.ConfidenceProven,
		Message: "apps/Deployment shop/web is changed through git only.",
	}}
}

func gapRecord(since time.Time) *v1alpha1.ChangeRecord {
	return &v1alpha1.ChangeRecord{Spec: v1alpha1.ChangeRecordSpec{
		Outcome: v1alpha1.OutcomeTampered, Reason: v1alpha1.ReasonNotEnforcing,
		Evidence: v1alpha1.EvidenceWatch, Confidence: v1alpha1.ConfidenceProven,
		Gap: &v1alpha1.Gap{State: v1alpha1.GateFailing, Expected: v1alpha1.GateEnforcing, Since: metav1.NewMicroTime(since), Cause: "Unreachable"},
	}}
}

// create stores a record that was first seen then, and returns it as it is stored.
func create(t *testing.T, c client.Client, name string, seen time.Time, rec *v1alpha1.ChangeRecord) *v1alpha1.ChangeRecord {
	t.Helper()
	rec.Name = name
	must(t, c.Create(t.Context(), rec))
	created := client.MergeFrom(rec.DeepCopy()) // the loop may have marked it by now
	rec.Status.FirstSeen, rec.Status.LastSeen, rec.Status.Count = metav1.NewMicroTime(seen), metav1.NewMicroTime(seen), 1
	must(t, c.Status().Patch(t.Context(), rec, created))
	return rec
}

func get(t *testing.T, c client.Client, name string) *v1alpha1.ChangeRecord {
	t.Helper()
	rec := &v1alpha1.ChangeRecord{}
	must(t, c.Get(t.Context(), client.ObjectKey{Name: name}, rec))
	return rec
}

func eventually(t *testing.T, what string, timeout time.Duration, ask func() bool) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, timeout, true, func(context.Context) (bool, error) { return ask(), nil })
	if err != nil {
		t.Fatalf("%s: not within %s", what, timeout)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
