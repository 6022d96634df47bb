package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGoBenchmarksAreReadWithAllTheirFigures(t *testing.T) {
	got := parseBench(`goos: linux
BenchmarkDecide/small-sync/10policies-2         	   39200	      3439 ns/op	      96 B/op	       1 allocs/op
BenchmarkHandler/small/denied-16                	    2000	    135369 ns/op	   5.74 MB/s	     42162 p50-ns
BenchmarkDiffLarge-2   	     206	    644757 ns/op
PASS
ok  	github.com/gitlatch/gitlatch/policy	2.852s
`)
	want := []result{
		{"small-sync/10policies", map[string]float64{"ns/op": 3439, "B/op": 96, "allocs/op": 1}},
		{"small/denied", map[string]float64{"ns/op": 135369, "MB/s": 5.74, "p50-ns": 42162}},
		{"", map[string]float64{"ns/op": 644757}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNotMeantIsNotAmongTheRoots(t *testing.T) {
	got := among([]string{"helm.sh/helm/v4", "helm.shore", "sigs.k8s.io/yaml"}, heavy())
	if diff := cmp.Diff([]string{"helm.sh/helm/v4"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLapsOfALongHistoryAreRead(t *testing.T) {
	got := parseLaps(`=== RUN   TestALongHistoryIsSmallInMemory
    size_test.go:95: === RUN   TestALongHistoryIsSmallInMemory
            size_test.go:109: start: 3ms, 24 MiB at the peak
            size_test.go:109: walk with the hash of a file: 1.207s, 96 MiB at the peak
        size_test.go:130: read 5000 files: 1m0.5s, 120 MiB at the peak
--- PASS: TestALongHistoryIsSmallInMemory (14.55s)
`)
	want := []lap{
		{"start", 3 * time.Millisecond, 24 << 20},
		{"walk with the hash of a file", 1207 * time.Millisecond, 96 << 20},
		{"read 5000 files", 60500 * time.Millisecond, 120 << 20},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(lap{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCallsAreCountedByWhatTheyAreAbout(t *testing.T) {
	got, err := countCalls(strings.NewReader(`{"verb":"watch","objectRef":{"resource":"configmaps"}}
{"verb":"list","objectRef":{"resource":"configmaps"}}
{"verb":"patch","objectRef":{"resource":"configmaps","name":"web"}}
{"verb":"patch","objectRef":{"resource":"gitsyncs","apiGroup":"gitlatch.dev","subresource":"status"}}
{"verb":"create","objectRef":{"resource":"changerecords","apiGroup":"gitlatch.dev"}}
{"verb":"get","requestURI":"/api"}
`))
	if want := (calls{all: 5, objects: 1, lists: 1, status: 1, records: 1}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}
