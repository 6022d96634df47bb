package tally

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/test/cluster"
)

func TestMain(m *testing.M) {
	logf.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// records is a client of a control plane that has records and nothing else of Gitlatch.
func records(t *testing.T) client.WithWatch {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{Progress: os.Stderr})
	must(t, err)
	t.Cleanup(func() { must(t, c.Stop()) })
	crd, err := filepath.Abs("../../manifests/crds/gitlatch.dev_changerecords.yaml")
	must(t, err)
	for _, args := range [][]string{
		{"apply", "-f", crd},
		{"wait", "--for=condition=Established", "--timeout=30s", "crd/changerecords.gitlatch.dev"},
	} {
		if _, stderr, code := c.Kubectl(t.Context(), "admin", "", args...); code != 0 {
			t.Fatal(stderr)
		}
	}
	scheme := runtime.NewScheme()
	must(t, v1alpha1.AddToScheme(scheme))
	api, err := client.NewWithWatch(c.Config("admin"), client.Options{Scheme: scheme})
	must(t, err)
	return api
}

// gauge reads a metric as a scrape does; labels are its values in the order of their
// names. It is -1 where there is none.
func gauge(t *testing.T, tally *Tally, name string, labels ...string) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	must(t, registry.Register(tally))
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var got []string
			for _, label := range metric.GetLabel() {
				got = append(got, label.GetValue())
			}
			if family.GetName() == name && fmt.Sprint(got) == fmt.Sprint(labels) {
				return metric.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func eventually(t *testing.T, tally *Tally, want float64, name string, labels ...string) {
	t.Helper()
	got := 0.0
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 10*time.Second, true, func(context.Context) (bool, error) {
		got = gauge(t, tally, name, labels...)
		return got == want, nil
	})
	if err != nil {
		t.Errorf("%s%v is %v, not %v", name, labels, got, want)
	}
}

// TestTheRecordsOfACluster, before and after the reporter starts again: what it shows is in
// the records, so nothing is lost and nothing is counted twice.
func TestTheRecordsOfACluster(t *testing.T) {
	api := records(t)
	fresh := func() *v1alpha1.ChangeRecord {
		rec := attempt("")
		rec.GenerateName, rec.Status = "cr-", v1alpha1.ChangeRecordStatus{}
		rec.Spec.Confidence = v1alpha1.ConfidenceProven
		return rec
	}
	must(t, api.Create(t.Context(), fresh()))
	run := func() (*Tally, context.CancelFunc) {
		ctx, stop := context.WithCancel(t.Context())
		tally := &Tally{Client: api, Clock: clock.RealClock{}}
		done := make(chan error, 1)
		go func() { done <- tally.Start(ctx) }()
		t.Cleanup(func() { stop(); must(t, <-done) })
		return tally, stop
	}

	tally, stop := run()
	eventually(t, tally, 1, "gitlatch_requesters_new", "Denied")
	second := fresh()
	must(t, api.Create(t.Context(), second))
	eventually(t, tally, 2, "gitlatch_records", "Denied", "Denied")
	stop()

	again, _ := run()
	eventually(t, again, 2, "gitlatch_records_recent", "Denied")
	eventually(t, again, 1, "gitlatch_requesters_new", "Denied")
	must(t, api.Delete(t.Context(), second))
	eventually(t, again, 1, "gitlatch_records", "Denied", "Denied")
	eventually(t, again, 0, "gitlatch_records_recent", "Flagged")
}
