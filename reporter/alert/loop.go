package alert

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// DefaultMaxAge is how old a record may be and still be told: it outlasts a long weekend
// of a receiver that is down.
const DefaultMaxAge = 72 * time.Hour

// lookEvery is how often the file of receivers is looked at.
const lookEvery = 5 * time.Second

// Loop tells receivers of records, and makes Events of them. Its fields are set before
// Start.
type Loop struct {
	// Client reads past any cache.
	Client client.WithWatch
	// File of receivers; it may change, appear or go while the loop runs. Left out:
	// nobody is told, and Events are made all the same.
	File string
	// State is the ConfigMap that remembers since when there has been which receiver.
	State types.NamespacedName
	// MaxAge is how old a record may be and still be told. Left out: DefaultMaxAge.
	MaxAge time.Duration
	// Events are made of records. Left out: none.
	Events *Events
	// Clock. Left out: the real one.
	Clock clock.WithTicker
	// Metrics. Left out: nothing is counted.
	Metrics *Metrics

	memory     memory
	requesters requesters
	workers    sync.WaitGroup

	// Of the goroutine that looks at the file.
	current  string  // what was read last, or the error of reading it
	config   *Config // the last that was right
	complete bool    // each receiver of it has its courier
	again    bool    // all records must be offered again

	mu       sync.Mutex // guards all below
	couriers map[string]*courier
}

// Start delivers until ctx ends, and returns when what it had begun is done.
func (l *Loop) Start(ctx context.Context) error {
	l.prepare()
	ctx = logf.IntoContext(ctx, logf.FromContext(ctx).WithName("notifications"))
	l.look(ctx) // before the first list, so that it serves the receivers of the file
	l.again = false
	l.workers.Go(func() {
		stream := &record.Stream{Client: l.Client, Changed: l.changed, Deleted: l.deleted, Listed: l.listed}
		_ = stream.Start(ctx) // it ends with ctx, and has no other error
	})
	l.workers.Go(func() { l.follow(ctx) })
	if l.Events != nil {
		l.workers.Go(func() { l.Events.run(ctx) })
	}
	<-ctx.Done()
	l.workers.Wait()
	return nil
}

// NeedLeaderElection says that one process tells.
func (l *Loop) NeedLeaderElection() bool { return true }

func (l *Loop) prepare() {
	if l.Clock == nil {
		l.Clock = clock.RealClock{}
	}
	if l.MaxAge == 0 {
		l.MaxAge = DefaultMaxAge
	}
	l.memory = memory{client: l.Client, name: l.State}
	l.couriers = map[string]*courier{}
	if l.Events != nil {
		l.Events.prepare(l.Client, l.Clock, l.Metrics)
	}
}

// follow looks at the file, and offers all records again where that is needed.
func (l *Loop) follow(ctx context.Context) {
	ticker := l.Clock.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C():
		}
		l.look(ctx)
		l.offerAgain(ctx)
		for _, c := range l.all() {
			c.measure()
		}
	}
}

func (l *Loop) all() []*courier {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*courier, 0, len(l.couriers))
	for _, c := range l.couriers {
		all = append(all, c)
	}
	return all
}

// changed is told of each record by the stream.
func (l *Loop) changed(rec *v1alpha1.ChangeRecord) {
	if l.Events != nil {
		l.Events.offer(rec)
	}
	l.note(rec)
	for _, c := range l.all() {
		c.changed(rec)
	}
}

// note remembers who was denied.
func (l *Loop) note(rec *v1alpha1.ChangeRecord) {
	if l.Clock.Since(record.Seen(rec)) < l.MaxAge+newAfter {
		l.requesters.note(rec)
	}
}

func (l *Loop) deleted(rec *v1alpha1.ChangeRecord) {
	for _, c := range l.all() {
		c.forget(rec.Name)
	}
}

func (l *Loop) listed() {
	l.requesters.forget(l.Clock.Now().Add(-l.MaxAge))
	for _, c := range l.all() {
		c.ready()
	}
}

// offerAgain reads all records once more: for receivers that are new or changed, and
// where more waited than a courier remembers.
func (l *Loop) offerAgain(ctx context.Context) {
	all := l.all()
	for _, c := range all {
		l.again = c.roomAgain() || l.again
	}
	if !l.again || len(all) == 0 {
		return
	}
	next := ""
	for {
		var page v1alpha1.ChangeRecordList
		if err := l.Client.List(ctx, &page, client.Limit(500), client.Continue(next)); err != nil {
			if ctx.Err() == nil {
				logf.FromContext(ctx).Error(err, "listing records again failed, trying again", "in", lookEvery.String())
			}
			return
		}
		for i := range page.Items {
			l.note(&page.Items[i])
			for _, c := range all { // the stream may have told of a later state meanwhile
				c.offer(&page.Items[i])
			}
		}
		if next = page.Continue; next == "" {
			break
		}
	}
	l.again = false
	for _, c := range all {
		c.ready()
	}
}
