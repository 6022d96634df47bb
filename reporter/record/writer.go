package record

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Options bound what the writer keeps and writes. The zero value of each field
// is its default.
type Options struct {
	// TargetsPerRequester is how many distinct targets of one requester get a
	// denial record of their own in a minute; 30.
	TargetsPerRequester int
	// FoldsPerRequester is how many folded records one requester gets in a minute
	// before all goes into one; 10.
	FoldsPerRequester int
	// TargetsPerMinute is the same as TargetsPerRequester for all together; 300.
	TargetsPerMinute int
	// WriteTimeout bounds one attempt at creating a record; 1 s.
	WriteTimeout time.Duration
	// FlushEvery is how often counts are stored; 1 s.
	FlushEvery time.Duration
	// ShutdownTimeout bounds the last flush; 5 s.
	ShutdownTimeout time.Duration
	// RetryFor is how long a record that can't be created is tried again; 15 min.
	RetryFor time.Duration
	// MaxPending is how many records may wait to be created; 1024, at most 8 MiB.
	MaxPending int
	// MaxTracked is how many records are counted in memory; 8192.
	MaxTracked int
}

func (o Options) withDefaults() Options {
	number := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	duration := func(field *time.Duration, value time.Duration) {
		if *field == 0 {
			*field = value
		}
	}
	number(&o.TargetsPerRequester, 30)
	number(&o.FoldsPerRequester, 10)
	number(&o.TargetsPerMinute, 300)
	number(&o.MaxPending, 1024)
	number(&o.MaxTracked, 8192)
	duration(&o.WriteTimeout, time.Second)
	duration(&o.FlushEvery, time.Second)
	duration(&o.ShutdownTimeout, 5*time.Second)
	duration(&o.RetryFor, 15*time.Minute)
	return o
}

// Follows is told of each admitted record, once.
type Follows interface {
	Follow(name string)
}

// Writer writes records. Its fields are set before the first use; its methods
// may be called from many goroutines. [Writer.Run] must run for counts and the
// status of new records to be stored.
type Writer struct {
	Store   Store
	Replica string  // this process' name: the pod's
	Follows Follows // nil: nobody follows
	Metrics *Metrics
	Clock   clock.WithTicker // nil: the real one
	Options Options

	once     sync.Once
	options  Options
	key      []byte // of content hashes; gone with the process
	wake     chan struct{}
	flushing sync.Mutex // held over a whole flush, so that shares go out in order
	acts     joint[string, []v1alpha1.ChangeRecord]

	mu       sync.Mutex // guards all below, and every slot
	slots    map[string]*slot
	pending  int
	budget   *budget
	attempts attempts
}

func (w *Writer) init() {
	w.once.Do(func() {
		if w.Clock == nil {
			w.Clock = clock.RealClock{}
		}
		w.options = w.Options.withDefaults()
		w.key = make([]byte, 32)
		rand.Read(w.key) // never fails, says crypto/rand
		w.wake = make(chan struct{}, 1)
		w.slots = map[string]*slot{}
		w.budget = newBudget(w.options)
		w.attempts = newAttempts(w.key)
	})
}

// Denied records a refusal. The first of a kind is written before it returns,
// within the shorter of ctx and the write timeout; repeats are counted. On an
// error the record is tried again in the background, and its name is that
// which it will have.
func (w *Writer) Denied(ctx context.Context, e Entry) (string, error) {
	w.init()
	s, first := w.denialSlot(&e)
	if first {
		w.begin(ctx, s, &e, true)
	} else {
		w.Metrics.record(e.Spec.Outcome, s.result())
	}
	return s.name, w.await(ctx, s)
}

// await waits for the first attempt at creating; what failed then is not
// waited for again.
func (w *Writer) await(ctx context.Context, s *slot) error {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return fmt.Errorf("writing record %s: %w", s.name, ctx.Err())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.err != nil {
		return fmt.Errorf("writing record %s: %w", s.name, s.err)
	}
	return nil
}

// begin creates the record of a new slot, apart from the caller's patience:
// a requester who hangs up takes nothing back. keep says that a failure is
// tried again in the background.
func (w *Writer) begin(ctx context.Context, s *slot, e *Entry, keep bool) {
	rec := buildFor(s, e)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.options.WriteTimeout)
	go func() {
		defer cancel()
		created, err := w.create(ctx, rec)
		w.mu.Lock()
		defer w.mu.Unlock()
		defer close(s.ready)
		switch {
		case err == nil:
			w.written(s, created)
			w.Metrics.record(e.Spec.Outcome, s.firstResult())
		default:
			s.err = err
			w.Metrics.record(e.Spec.Outcome, resultFailed)
			w.postpone(s, rec, keep)
		}
	}()
}

func buildFor(s *slot, e *Entry) *v1alpha1.ChangeRecord {
	if s.folded {
		return buildFolded(s.name, e, s.all)
	}
	return build(s.name, e)
}

// create creates a record; one that is there already is as good, and nil is
// returned for it.
func (w *Writer) create(ctx context.Context, rec *v1alpha1.ChangeRecord) (*v1alpha1.ChangeRecord, error) {
	began := w.Clock.Now()
	created := rec.DeepCopy()
	err := w.Store.Create(ctx, created, owner)
	w.Metrics.wrote(w.Clock.Since(began))
	switch {
	case err == nil:
		return created, nil
	case apierrors.IsAlreadyExists(err):
		return nil, nil
	}
	return nil, err
}

// written marks a slot's record as stored. What we created ourselves carries no
// count yet.
func (w *Writer) written(s *slot, created *v1alpha1.ChangeRecord) {
	if s.record != nil {
		w.pending--
		w.Metrics.queue(w.pending)
	}
	s.record, s.err, s.created = nil, nil, nil
	if created != nil {
		s.base, s.baseKnown, s.created = 0, true, forStatus(created)
	}
	w.nudge()
}

// forStatus is what of a record the first patch of its status is made from. Under
// load many wait for theirs, and all else would be kept, copied and compared.
func forStatus(rec *v1alpha1.ChangeRecord) *v1alpha1.ChangeRecord {
	return &v1alpha1.ChangeRecord{
		ObjectMeta: metav1.ObjectMeta{Name: rec.Name, UID: rec.UID, ResourceVersion: rec.ResourceVersion},
		Status:     rec.Status,
	}
}

// postpone keeps what could not be created for the flush loop, if it may be
// kept and there is room; else it is lost, and counted as that.
func (w *Writer) postpone(s *slot, rec *v1alpha1.ChangeRecord, keep bool) {
	switch {
	case !keep:
		w.forget(s)
	case w.pending >= w.options.MaxPending || refused(s.err):
		w.Metrics.dropped()
		w.forget(s)
	default:
		s.record, s.giveUp = rec, w.Clock.Now().Add(w.options.RetryFor)
		w.pending++
		w.Metrics.queue(w.pending)
	}
}

// refused tells an error that trying again does not mend.
func refused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsRequestEntityTooLargeError(err)
}

// nudge has the status of new records stored now.
func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
