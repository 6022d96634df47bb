package applier

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// deaf is an API server that does not take the next writes of the status of records.
type deaf struct {
	next http.RoundTripper
	left atomic.Int64
}

func (d *deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/status") && d.left.Add(-1) >= 0 {
		return &http.Response{
			StatusCode: http.StatusServiceUnavailable, Status: "503 Service Unavailable", Request: r,
			Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(bytes.NewReader([]byte("not now"))),
		}, nil
	}
	return d.next.RoundTrip(r)
}

func (b *bench) deafen(times int64) *deaf {
	b.t.Helper()
	d := &deaf{}
	d.left.Store(times)
	config := applierConfig(b.t)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		d.next = next
		return d
	})
	store, err := client.NewWithWatch(config, client.Options{Scheme: newClient(b.t).Scheme()})
	must(b.t, err)
	b.keeping.records.Store = store
	return d
}

func (b *bench) change() {
	b.t.Helper()
	kubectl(b.t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":"hello"}}`)
	b.fields(b.object("ConfigMap", "web"), "map[greeting:welcome]", "data")
}

func TestADriftWhoseResolutionFailsIsResolvedLater(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.deafen(1)
	b.run(commitOne, greeting)
	b.change()
	b.recordsOf(1, resolved(drifts))
}

func TestADriftThatWasPulledBackBeforeACrashIsResolved(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.deafen(1000)
	b.run(commitOne, greeting)
	b.change()
	b.recordsOf(1, drifts)
	b.stop()
	next := newBench(t, b.space, clock.RealClock{})
	next.resume(commitOne)
	next.run(commitOne, greeting)
	next.recordsOf(1, resolved(drifts))
}

func TestTheSameRemovalAgainIsAnotherRecord(t *testing.T) {
	b := newBench(t, newSpace(t), clock.RealClock{})
	b.run(commitOne, greeting)
	for n := range 3 {
		kubectl(t, "alice", "", "patch", "configmap", "web", "-n", b.space, "-p", `{"data":{"greeting":null}}`)
		b.fields(b.object("ConfigMap", "web"), "map[greeting:welcome]", "data")
		b.recordsOf(n+1, resolved(drifts))
		time.Sleep(100 * time.Millisecond)
	}
}
