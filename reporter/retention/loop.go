package retention

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/reporter/archive"
)

// Store is the part of a client that retention needs. It must read live.
type Store interface {
	client.Reader
	Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error
	Status() client.SubResourceWriter
}

// Sink is an archive. When Append returns, the records are kept as well as the sink
// can keep anything.
type Sink interface {
	Append(ctx context.Context, known archive.Head, at time.Time, records []*v1alpha1.ChangeRecord) (archive.Appended, error)
	Close() error
}

// Heads keeps the end of the sink's chain in the cluster.
type Heads interface {
	Load(ctx context.Context) (archive.Head, error)
	Save(ctx context.Context, head archive.Head) error
}

// Loop archives and deletes records whose time is over. Its fields are set before the
// start; the sink is its own from then on.
type Loop struct {
	Store   Store
	Sink    Sink
	Heads   Heads
	Metrics *Metrics
	Clock   clock.Clock
	Options Options

	head       archive.Head
	loaded     bool
	unfinished *batch
}

// How soon it is tried again, and how soon a pass follows one that left work.
const (
	retryFirst = 5 * time.Second
	retryMost  = 5 * time.Minute
	goOnAfter  = time.Second
)

// Start makes a pass at once and then one after the other, until ctx ends.
func (l *Loop) Start(ctx context.Context) error {
	defer l.close(ctx)
	fresh := wait.Backoff{Duration: retryFirst, Factor: 2, Jitter: 0.1, Steps: 10, Cap: retryMost}
	backoff := fresh
	for {
		result, err := l.Pass(ctx)
		if ctx.Err() != nil {
			return nil
		}
		pause := l.Options.every()
		switch {
		case err != nil:
			pause = backoff.Step()
		case result.More:
			pause = goOnAfter
		}
		if err == nil {
			backoff = fresh
		}
		l.tell(ctx, result, err, pause)
		select {
		case <-ctx.Done():
			return nil
		case <-l.Clock.After(pause):
		}
	}
}

// NeedLeaderElection says that it runs on the leader: an archive has one writer.
func (l *Loop) NeedLeaderElection() bool { return true }

func (l *Loop) close(ctx context.Context) {
	if err := l.Sink.Close(); err != nil {
		logf.FromContext(ctx).Error(err, "closing the archive")
	}
}

// ArchiveError says that it is the archive that keeps records from being deleted.
type ArchiveError struct{ Err error }

func (e *ArchiveError) Error() string { return "archiving records: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *ArchiveError) Unwrap() error { return e.Err }

// tell logs and counts what a pass did.
func (l *Loop) tell(ctx context.Context, r *Result, err error, pause time.Duration) {
	l.Metrics.tell(r)
	log := logf.FromContext(ctx)
	for _, what := range r.Repaired {
		log.Info("mended the end of the archive", "found", what)
	}
	for _, what := range r.Broken {
		log.Error(nil, "somebody else changed the archive", "found", what)
	}
	if r.Archived+r.DeletedByAge+r.DeletedByNumber+r.Closed > 0 {
		log.Info("archived and deleted records", "archived", r.Archived, "deletedByAge", r.DeletedByAge,
			"deletedByNumber", r.DeletedByNumber, "closed", r.Closed, "changedMeanwhile", r.Changed, "stored", r.Stored)
	}
	if r.Over > 0 {
		log.Info("there are more records than may be kept, and none of them may be deleted", "over", r.Over, "limit", l.Options.MaxRecords)
	}
	if err == nil {
		return
	}
	var archiving *ArchiveError
	inArchive := errors.As(err, &archiving)
	l.Metrics.failed(inArchive)
	if inArchive {
		log.Error(err, "the archive takes nothing, so no record is deleted", "pending", r.Pending, "retry", pause.String())
		return
	}
	log.Error(err, "a pass over the records ended early", "retry", pause.String())
}
