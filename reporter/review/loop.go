package review

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// workers is how many records are looked after at the same time: a hundred may be
	// approved at once, and each is two calls.
	workers = 2
	// oneTimeout bounds the work on one record.
	oneTimeout = 20 * time.Second
	// What could not be written is tried again, sooner at first.
	retryFirst = 500 * time.Millisecond
	retryMost  = 5 * time.Minute
)

// Loop ends and closes records that were reviewed. Its fields are set before
// [Loop.Start]. It keeps no record: all that it knows is in their status, so that a new
// leader goes on where the last one stopped.
type Loop struct {
	// Client reads past any cache.
	Client client.WithWatch
	// Clock says what is over. Left out: the real one.
	Clock clock.WithTicker
	// Metrics are told of all records. Left out: nobody asks.
	Metrics *Metrics

	queue workqueue.TypedRateLimitingInterface[string]
}

// Start follows the records until ctx ends.
func (l *Loop) Start(ctx context.Context) error {
	if l.Clock == nil {
		l.Clock = clock.RealClock{}
	}
	l.queue = workqueue.NewTypedRateLimitingQueueWithConfig(
		workqueue.NewTypedItemExponentialFailureRateLimiter[string](retryFirst, retryMost),
		workqueue.TypedRateLimitingQueueConfig[string]{Clock: l.Clock})
	var group sync.WaitGroup
	for range workers {
		group.Go(func() { l.work(ctx) })
	}
	stream := record.Stream{
		Client:  l.Client,
		Changed: l.changed,
		Deleted: l.Metrics.deleted,
		Listing: l.Metrics.listing,
		Listed:  l.Metrics.listed,
	}
	err := stream.Start(ctx)
	l.queue.ShutDown()
	group.Wait()
	return err
}

// NeedLeaderElection says that it runs on the leader.
func (l *Loop) NeedLeaderElection() bool { return true }

// changed takes note of a record, and has it looked after if anything is due.
func (l *Loop) changed(rec *v1alpha1.ChangeRecord) {
	l.Metrics.changed(rec)
	switch due := next(rec, l.Clock.Now()); {
	case due.again > 0:
		l.queue.AddAfter(rec.Name, due.again)
	case due.take(rec.Status.DeepCopy(), &v1alpha1.Resolution{}):
		l.queue.Add(rec.Name)
	}
}

func (l *Loop) work(ctx context.Context) {
	for {
		name, stopped := l.queue.Get()
		if stopped {
			return
		}
		one, cancel := context.WithTimeout(ctx, oneTimeout)
		again, err := l.one(one, name)
		cancel()
		switch {
		case ctx.Err() != nil: // the next leader's
		case err != nil:
			l.Metrics.failed()
			logf.FromContext(ctx).Info("could not end a reviewed record, it is tried again", "record", name, "error", err.Error())
			l.queue.AddRateLimited(name)
		default:
			l.queue.Forget(name)
			if again > 0 {
				l.queue.AddAfter(name, again)
			}
		}
		l.queue.Done(name)
	}
}

// one writes what is due for one record, and says when it is to be asked again. A record
// that is gone is no error.
func (l *Loop) one(ctx context.Context, name string) (again time.Duration, err error) {
	rec := &v1alpha1.ChangeRecord{}
	if err := l.Client.Get(ctx, client.ObjectKey{Name: name}, rec); err != nil {
		if apierrors.IsNotFound(err) {
			return 0, nil
		}
		return 0, fmt.Errorf("reading record %s: %w", name, err)
	}
	resolution := &v1alpha1.Resolution{State: v1alpha1.ResolutionAccepted, At: metav1.NewTime(l.Clock.Now())}
	if next(rec, l.Clock.Now()).accept && rec.Status.Resolution == nil {
		if err := l.sawGit(ctx, rec, resolution); err != nil {
			return 0, err
		}
	}
	moved := false
	rec, err = record.ChangeStatus(ctx, l.Client, name, func(rec *v1alpha1.ChangeRecord) bool {
		due := next(rec, l.Clock.Now())
		again, moved = due.again, due.take(&rec.Status, resolution)
		return moved
	})
	if apierrors.IsNotFound(err) {
		return 0, nil
	}
	if err == nil && moved {
		logf.FromContext(ctx).V(1).Info("a reviewed record moved on", "record", name, "phase", rec.Status.Phase)
	}
	return again, err
}
