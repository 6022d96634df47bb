package reporter

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/audit"
	"github.com/gitlatch/gitlatch/test/cluster"
	"github.com/gitlatch/gitlatch/test/gitlatch"
)

// slow takes its time before each further page of ConfigMaps, and counts the pages that
// the API server had forgotten by then.
type slow struct {
	http.RoundTripper
	pages   atomic.Int64
	expired atomic.Int64
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	further := strings.HasSuffix(r.URL.Path, "/configmaps") && r.URL.Query().Get("continue") != ""
	if further && s.pages.Add(1) <= 2 {
		time.Sleep(5 * time.Second)
	}
	answer, err := s.RoundTripper.RoundTrip(r)
	if further && err == nil && answer.StatusCode == http.StatusGone {
		s.expired.Add(1)
	}
	return answer, err
}

// TestAListThatExpiresIsGoneOnWith: the API server compacts its past each second, and
// no object is left out, nor told of twice.
func TestAListThatExpiresIsGoneOnWith(t *testing.T) {
	plane, err := cluster.Start(t.Context(), cluster.Options{APIServerArgs: []string{
		"--etcd-compaction-interval=1s", "--feature-gates=ListFromCacheSnapshot=false", // which would remember longer
	}})
	must(t, err)
	t.Cleanup(func() { _ = plane.Stop() })
	const made = 20
	for i := range made {
		name := "made-" + string(rune('a'+i))
		if _, stderr, code := plane.Kubectl(t.Context(), "alice", "", "create", "configmap", name, "--from-literal=a=b"); code != 0 {
			t.Fatal(stderr)
		}
	}
	in := &v1alpha1.ChangePolicy{}
	must(t, yaml.UnmarshalStrict([]byte(gitlatch.EnforceAll()), in))
	in.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Hour))
	p, errs := policy.Compile(in)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	config := rest.CopyConfig(plane.Config("admin"))
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	must(t, err)
	pages := &slow{}
	config.Wrap(func(inner http.RoundTripper) http.RoundTripper {
		pages.RoundTripper = inner
		return pages
	})
	meta, err := metadata.NewForConfig(config)
	must(t, err)
	f := &audit.Fields{Metadata: meta, Discovery: kinds, Policies: []*policy.Policy{p}, Namespace: "default", PageSize: 4}
	found, stats := survey(t, f)
	times := map[string]int{}
	for i := range found {
		times[found[i].Request.Name]++
	}
	for name, n := range times {
		if n != 1 && strings.HasPrefix(name, "made-") {
			t.Errorf("%s was told of %d times", name, n)
		}
	}
	if len(times) != made || len(stats.NotExamined) > 0 {
		t.Errorf("found %d objects, want %d; not examined: %v", len(times), made, stats.NotExamined)
	}
	if pages.expired.Load() == 0 {
		t.Error("no page had expired, so that nothing is shown")
	}
}
