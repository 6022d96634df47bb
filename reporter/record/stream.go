package record

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Stream tells of every record, once as a list and then as each changes, and keeps
// none: a cache of fifty thousand records would be the reporter's greatest part.
// After a break it lists again, so whoever listens is told of the same state more
// than once, and of each state that lasts at least once.
type Stream struct {
	// Client reads past any cache.
	Client client.WithWatch
	// Changed is told of a record that is there. It must not keep the record.
	Changed func(*v1alpha1.ChangeRecord)
	// Deleted is told of a record that is gone. Left out: nobody asks.
	Deleted func(*v1alpha1.ChangeRecord)
	// Listing is told each time before a list begins: whoever keeps something of each
	// record drops, once Listed, what this list did not tell of. Left out: nobody asks.
	Listing func()
	// Listed is told each time when a list was complete. Left out: nobody asks.
	Listed func()
}

// restream is how soon it is tried again.
const (
	restreamFirst = time.Second
	restreamMost  = 30 * time.Second
)

// Start streams until ctx ends.
func (s *Stream) Start(ctx context.Context) error {
	backoff := wait.Backoff{Duration: restreamFirst, Factor: 2, Jitter: 0.2, Steps: 8, Cap: restreamMost}
	next := backoff
	for ctx.Err() == nil {
		began := time.Now()
		err := s.once(ctx)
		if ctx.Err() != nil {
			break
		}
		if time.Since(began) > restreamMost {
			next = backoff // it had gone well for a while
		}
		pause := next.Step()
		logf.FromContext(ctx).V(1).Info("listing records again", "because", fmt.Sprint(err), "in", pause.String())
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// NeedLeaderElection says that it runs on the leader.
func (s *Stream) NeedLeaderElection() bool { return true }

// once lists and watches until the watch breaks in a way that only a list mends.
func (s *Stream) once(ctx context.Context) error {
	version, err := s.list(ctx)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if version, err = s.follow(ctx, version); err != nil {
			return err
		}
	}
	return nil
}

// list reads page by page, and gives the version of the first page: what changed
// while the others were read is told again.
func (s *Stream) list(ctx context.Context) (version string, err error) {
	if s.Listing != nil {
		s.Listing()
	}
	next := ""
	for {
		var page v1alpha1.ChangeRecordList
		if err := s.Client.List(ctx, &page, client.Limit(pageSize), client.Continue(next)); err != nil {
			return "", fmt.Errorf("listing records: %w", err)
		}
		if version == "" {
			version = page.ResourceVersion
		}
		for i := range page.Items {
			s.Changed(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			break
		}
	}
	if s.Listed != nil {
		s.Listed()
	}
	return version, nil
}

// follow watches from a version until the API server ends the watch, which it does
// every few minutes, and gives the version to go on from.
func (s *Stream) follow(ctx context.Context, version string) (string, error) {
	w, err := s.Client.Watch(ctx, &v1alpha1.ChangeRecordList{}, &client.ListOptions{
		Raw: &metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true},
	})
	if err != nil {
		return "", fmt.Errorf("watching records: %w", err)
	}
	defer w.Stop()
	begun := version
	for event := range w.ResultChan() {
		if event.Type == watch.Error {
			return "", fmt.Errorf("watching records: %w", apierrors.FromObject(event.Object))
		}
		rec, ok := event.Object.(*v1alpha1.ChangeRecord)
		if !ok {
			return "", fmt.Errorf("watching records: got a %T", event.Object)
		}
		version = rec.ResourceVersion
		switch event.Type {
		case watch.Added, watch.Modified:
			s.Changed(rec)
		case watch.Deleted:
			if s.Deleted != nil {
				s.Deleted(rec)
			}
		}
	}
	if version == begun { // ended at once: something is wrong, and asking on would be a storm
		return version, sleep(ctx, restreamFirst)
	}
	return version, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
