package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// Watched says what is watched.
type Watched struct {
	GVK schema.GroupVersionKind
	// Namespace; "" is all of them.
	Namespace string
	// Selector of labels; "" is everything.
	Selector string
	// Listed, where it is set, is called after the events of each whole list: what no
	// event has told of is not there.
	Listed func()
	// Followed, where it is set, is called each time that the API server lets us watch.
	Followed func()
}

// Event tells of one object. After a list, which happens at the start and after the
// API server lost its place, there is one for each object, changed or not.
type Event struct {
	Ref   Ref
	State State
	// Gone: it no longer is among what is watched. Of a watch with a selector that may
	// mean that a label was stripped: look before believing it. State is the last one
	// seen, or, when it vanished between two lists, the zero State.
	Gone bool
}

// Watch calls on for each change, one at a time, until the context ends. It goes on by
// itself after errors that pass; what does not pass is returned: the identity may not
// watch the kind, or it is not served (any more). It keeps nothing but names.
func (c *Cluster) Watch(ctx context.Context, w Watched, on func(Event)) error {
	m, err := c.mapping(w.GVK)
	if err != nil {
		return err
	}
	s := stream{cluster: c, mapping: m, Watched: w, on: on, known: map[types.NamespacedName]struct{}{}}
	pause := minPause
	for {
		began := time.Now()
		err := s.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && lasting(err):
			return fmt.Errorf("watching %s: %w", m.Resource.GroupResource(), err)
		case err != nil:
			logr.FromContextOrDiscard(ctx).V(1).Info("a watch was interrupted", "resource", m.Resource.GroupResource().String(), "error", err.Error())
		}
		if time.Since(began) > maxPause {
			pause = minPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause + rand.N(pause/2)):
			pause = min(2*pause, maxPause)
		}
	}
}

const (
	minPause = 100 * time.Millisecond
	maxPause = 15 * time.Second
)

// lasting errors don't pass by waiting.
func lasting(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err) ||
		apierrors.IsMethodNotSupported(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsNotAcceptable(err)
}

// expired: the API server no longer knows where we were.
func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

type stream struct {
	cluster *Cluster
	mapping *meta.RESTMapping
	Watched
	on    func(Event)
	known map[types.NamespacedName]struct{}
}

// once lists and then watches, until that has to begin again.
func (s *stream) once(ctx context.Context) error {
	version, err := s.list(ctx)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		began := time.Now()
		if version, err = s.follow(ctx, version); err != nil {
			if expired(err) {
				return nil
			}
			return err
		}
		if time.Since(began) < time.Second {
			return errShort
		}
	}
	return nil
}

var errShort = errors.New("the API server ended the watch at once")

// list tells of all that is there, and of what no longer is.
func (s *stream) list(ctx context.Context) (version string, err error) {
	seen := make(map[types.NamespacedName]struct{}, len(s.known))
	options := metav1.ListOptions{LabelSelector: s.Selector, Limit: pageSize}
	for {
		page, err := s.cluster.metadataOf(s.mapping, s.Namespace).List(ctx, options)
		if err != nil {
			return "", err
		}
		for i := range page.Items {
			item := &page.Items[i]
			name := types.NamespacedName{Namespace: item.Namespace, Name: item.Name}
			seen[name], s.known[name] = struct{}{}, struct{}{}
			s.on(Event{Ref: s.ref(name), State: s.cluster.state(item)})
		}
		version, options.Continue = page.ResourceVersion, page.Continue
		if page.Continue == "" {
			break
		}
	}
	for name := range s.known {
		if _, there := seen[name]; !there {
			s.on(Event{Ref: s.ref(name), Gone: true})
		}
	}
	s.known = seen
	if s.Listed != nil {
		s.Listed()
	}
	return version, nil
}

// follow watches from a version until the API server ends it, which it does after some
// minutes, and returns the version that was reached.
func (s *stream) follow(ctx context.Context, version string) (string, error) {
	seconds := int64(300 + rand.N(300))
	w, err := s.cluster.metadataOf(s.mapping, s.Namespace).Watch(ctx, metav1.ListOptions{
		LabelSelector: s.Selector, ResourceVersion: version, AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return version, err
	}
	defer w.Stop()
	if s.Followed != nil {
		s.Followed()
	}
	for e := range w.ResultChan() {
		if e.Type == watch.Error {
			return version, apierrors.FromObject(e.Object)
		}
		m, err := meta.Accessor(e.Object)
		if err != nil {
			return version, fmt.Errorf("reading an event: %w", err)
		}
		version = m.GetResourceVersion()
		if e.Type != watch.Bookmark {
			s.tell(e.Type == watch.Deleted, m)
		}
	}
	return version, nil
}

func (s *stream) tell(gone bool, m metav1.Object) {
	name := types.NamespacedName{Namespace: m.GetNamespace(), Name: m.GetName()}
	if gone {
		delete(s.known, name)
	} else {
		s.known[name] = struct{}{}
	}
	s.on(Event{Ref: s.ref(name), State: s.cluster.state(m), Gone: gone})
}

func (s *stream) ref(name types.NamespacedName) Ref {
	return Ref{Key: Key{s.GVK.Group, s.GVK.Kind, name.Namespace, name.Name}, Version: s.GVK.Version}
}
