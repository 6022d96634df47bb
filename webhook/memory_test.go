package webhook

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// TestManyLongReviewsAtOnce: long reviews wait for each other, or are shed with
// a denial; what they hold together stays bounded.
func TestManyLongReviewsAtOnce(t *testing.T) {
	g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
	g.handler.Budget = NewBudget(512, MaxBody+8<<20, 96<<20)
	// As the manifests set it: what nobody holds any more must not count.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(216 << 20))
	body := string(padded(30 << 20)) // shared by the clients, so that the peak is the server's
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				if now.HeapInuse > peak.Load() {
					peak.Store(now.HeapInuse)
				}
			}
		}
	}()
	const clients = 24
	var shed, judged atomic.Int32
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			got := g.send(http.MethodPost, "application/json", strings.NewReader(body))
			switch {
			case got.Allowed || string(got.UID) != webUID:
				t.Errorf("got %+v, want a denial with the uid", got)
			case strings.HasPrefix(got.Result.Message, "Undecided: "):
				shed.Add(1)
			default:
				judged.Add(1)
			}
		})
	}
	wg.Wait()
	close(stop)
	<-stopped
	t.Logf("%d judged, %d shed, heap at most %d MiB more", judged.Load(), shed.Load(), (int64(peak.Load())-int64(before.HeapInuse))>>20)
	if judged.Load() == 0 {
		t.Error("none was judged")
	}
	// One body, what it becomes, and the garbage of those before.
	if more := int64(peak.Load()) - int64(before.HeapInuse); more > 300<<20 {
		t.Errorf("%d MiB of heap for %d reviews of 30 MiB", more>>20, clients)
	}
}

// TestNoPlaceLeft: a request beyond the number is shed at once, with its uid.
func TestNoPlaceLeft(t *testing.T) {
	g := newGate(t, false, policyIn(t, v1alpha1.ModeEnforce))
	g.handler.Budget = NewBudget(0, MaxBody, maxDecodedForTest)
	got := g.post(deployment())
	if got.Allowed || string(got.UID) != webUID || !strings.Contains(got.Result.Message, "waiting for room") {
		t.Errorf("got %+v, want it shed", got)
	}
}

const maxDecodedForTest = 128 << 20
