package tally

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// recently is how old a record may be and count as recent: longer than anybody
	// leaves between two scrapes.
	recently = 10 * time.Minute
	// newFor is how long a requester counts as new.
	newFor = time.Hour
)

// Tally follows the records and is the collector of its metrics. It keeps some forty
// bytes of each record: two megabytes for fifty thousand.
type Tally struct {
	// Client reads past any cache.
	Client client.WithWatch
	// Clock says how old a record is.
	Clock clock.PassiveClock

	mu     sync.Mutex
	ledger ledger
}

// Start follows the records until ctx ends.
func (t *Tally) Start(ctx context.Context) error {
	stream := record.Stream{
		Client:  t.Client,
		Changed: t.changed,
		Deleted: t.deleted,
		Listing: t.listing,
		Listed:  t.listed,
	}
	return stream.Start(ctx)
}

// NeedLeaderElection says that it runs on the leader: who waits for the lease shows
// nothing, and so no second count.
func (t *Tally) NeedLeaderElection() bool { return true }

func (t *Tally) changed(rec *v1alpha1.ChangeRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.put(rec)
}

func (t *Tally) deleted(rec *v1alpha1.ChangeRecord) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.remove(rec.Name)
}

func (t *Tally) listing() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.round++
}

func (t *Tally) listed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ledger.sweep()
	t.ledger.complete = true
}

// Describe and Collect make Tally a collector of its own metrics.
func (t *Tally) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range newDescs().all() {
		to <- desc
	}
}

// Collect counts. Until all records were listed once there is nothing to say.
func (t *Tally) Collect(to chan<- prometheus.Metric) {
	t.mu.Lock()
	complete, sums := t.ledger.complete, t.ledger.sums(t.Clock.Now())
	t.mu.Unlock()
	if complete {
		newDescs().show(to, sums)
	}
}
