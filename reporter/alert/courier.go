package alert

import (
	"context"
	"reflect"
	"sync"
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// courier tells one receiver. It has a goroutine and a queue of its own, so that a
// receiver which hangs holds up no other.
type courier struct {
	client     client.Client
	clock      clock.WithTicker
	metrics    *Metrics
	maxAge     time.Duration
	requesters *requesters
	wake       chan struct{}
	stop       context.CancelFunc

	mu       sync.Mutex // guards all below
	settings settings
	listed   bool // all records were offered, at least once
	queue    queue
	gaps     map[string]time.Time // open ones that Alertmanager was told of; when last
	bucket   bucket
	digest   *digest // that was tried: it is repeated as it is
	singly   int     // so many are told one by one, since they were refused together

	failures int       // of the receiver, in a row
	until    time.Time // it is left alone till then
	troubles int       // with the records, in a row
	unable   time.Time // they are left alone till then
}

// settings are what the configuration says.
type settings struct {
	receiver   Receiver
	cluster    string
	configured []string // names of all receivers
	since      time.Time
}

// idle is how long a courier sleeps with nothing to do.
const idle = time.Minute

// configure takes new settings, and says whether they differ: then what is due has to be
// asked again.
func (c *courier) configure(s settings) (changed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed = !reflect.DeepEqual(c.settings, s)
	if !changed {
		return false
	}
	c.settings = s
	c.bucket.perMinute = s.receiver.PerMinute
	c.failures, c.until, c.digest, c.listed = 0, time.Time{}, nil, false
	c.gaps = map[string]time.Time{}
	for key, i := range c.queue.items {
		if i.taken.IsZero() {
			delete(c.queue.items, key)
		}
	}
	return true
}

// changed tells the courier of a record as it is now. It keeps nothing of it.
func (c *courier) changed(rec *v1alpha1.ChangeRecord) {
	if !c.offer(rec) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.queue.drop(rec.Name)
	}
}

// offer is for a record as it was at some time: what is due is remembered, and what is
// not takes nothing back, since it may be due by now.
func (c *courier) offer(rec *v1alpha1.ChangeRecord) (isDue bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchGap(rec)
	i, isDue := due(rec, &c.settings.receiver, c.settings.since)
	if !isDue || !i.current && c.clock.Since(i.at) > c.maxAge {
		return isDue
	}
	if c.queue.put(i) {
		c.nudge()
	}
	return true
}

// forget drops a record that is gone.
func (c *courier) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue.drop(name)
	delete(c.gaps, name)
}

// watchGap remembers the open gaps of which an Alertmanager must hear again and again.
func (c *courier) watchGap(rec *v1alpha1.ChangeRecord) {
	if c.settings.receiver.Type != Alertmanager || rec.Spec.Gap == nil {
		return
	}
	if !openGap(rec) || !c.settings.receiver.wanted(rec) {
		delete(c.gaps, rec.Name)
	} else if _, known := c.gaps[rec.Name]; !known && notified(rec, c.settings.receiver.Name) != nil {
		c.gaps[rec.Name] = time.Time{}
		c.nudge()
	}
}

// ready says that all records were offered.
func (c *courier) ready() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = true
	c.nudge()
}

// roomAgain says that records must be offered again, since some did not fit.
func (c *courier) roomAgain() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.queue.roomAgain()
}

func (c *courier) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx ends.
func (c *courier) run(ctx context.Context) {
	ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithValues("receiver", c.name()))
	for ctx.Err() == nil {
		timer := c.clock.NewTimer(c.step(ctx))
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C():
		}
		timer.Stop()
	}
}

// step does what can be done now, and says when to come again. What it has begun it
// brings to its end, within the time limits of one request, although ctx ends: a
// notification that was sent but not written down would be sent again.
func (c *courier) step(ctx context.Context) time.Duration {
	ctx = context.WithoutCancel(ctx)
	again := c.deliver(ctx)
	if later := c.writeDown(ctx); later > 0 {
		again = min(again, later)
	}
	c.measure()
	return max(again, time.Millisecond)
}

func (c *courier) name() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settings.receiver.Name
}

// measure sets the gauges.
func (c *courier) measure() {
	c.mu.Lock()
	defer c.mu.Unlock()
	pending, oldest := c.queue.waiting()
	age := time.Duration(0)
	if pending > 0 {
		age = c.clock.Since(oldest)
	}
	c.metrics.waits(c.settings.receiver.Name, pending, age)
}
