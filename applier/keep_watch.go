package applier

import (
	"context"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
)

// How soon a watch that ended is tried again: its kind may not be served yet, or not
// be allowed any more.
const (
	rewatchFirst = 200 * time.Millisecond
	rewatchMost  = 30 * time.Second
)

// sameSecond is how long after a write of ours another under our name may bear the same
// time.
const sameSecond = 2 * time.Second

// kindWatch is one watch.
type kindWatch struct {
	gvk       schema.GroupVersionKind
	namespace string
}

func groupKind(k live.Key) schema.GroupKind { return schema.GroupKind{Group: k.Group, Kind: k.Kind} }

// rewatch starts the watches that are missing and ends those that nothing is declared
// for any more.
func (k *keeper) rewatch() {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.life
	if l == nil {
		return
	}
	wanted := k.wanted()
	for w, cancel := range l.watching {
		if !wanted[w] {
			cancel()
			delete(l.watching, w)
		}
	}
	maps.DeleteFunc(k.unseen, func(w kindWatch, _ error) bool {
		for is := range wanted {
			if is.gvk.GroupKind() == w.gvk.GroupKind() && is.namespace == w.namespace {
				return false
			}
		}
		return true
	})
	for w := range wanted {
		if l.watching[w] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(l.ctx)
		l.watching[w] = cancel
		cluster := k.cluster
		l.group.Go(func() { k.follow(ctx, cluster, w) })
	}
}

// wanted are the watches that show every declared object: one of each kind, in one
// version, or, for a tenant, one of each kind in each namespace. k.mu is held.
func (k *keeper) wanted() map[kindWatch]bool {
	version := map[schema.GroupKind]string{}
	for key, e := range k.kept { // the same one each time
		if v := version[groupKind(key)]; v == "" || e.object.Version < v {
			version[groupKind(key)] = e.object.Version
		}
	}
	wanted := map[kindWatch]bool{}
	for key := range k.kept {
		w := kindWatch{gvk: groupKind(key).WithVersion(version[groupKind(key)])}
		if k.namespaced {
			w.namespace = key.Namespace
		}
		wanted[w] = true
	}
	return wanted
}

func (k *keeper) selector() string { return v1alpha1.LabelSync + "=" + k.mark }

// follow watches until ctx ends.
func (k *keeper) follow(ctx context.Context, cluster *live.Cluster, w kindWatch) {
	wait := rewatchFirst
	for ctx.Err() == nil {
		began := k.clock.Now()
		what, tell := k.watchOf(ctx, w)
		err := cluster.Watch(ctx, what, tell)
		if ctx.Err() != nil {
			return
		}
		k.dim(w, err)
		k.log.V(1).Info("a watch ended and is tried again", "kind", w.gvk.String(), "namespace", w.namespace, "after", wait.String(), "error", text(err))
		if k.clock.Since(began) > rewatchMost {
			wait = rewatchFirst
		}
		select {
		case <-ctx.Done():
		case <-k.clock.After(wait):
		}
		wait = min(2*wait, rewatchMost)
	}
}

// watchOf is what a watch asks for, and what is done with what it tells. What its first
// list does not tell of went between the last look and the watch, or was not there.
func (k *keeper) watchOf(ctx context.Context, w kindWatch) (live.Watched, func(live.Event)) {
	told := map[live.Key]bool{}
	listed := func() {
		if told == nil {
			return // later lists tell of what went
		}
		k.missing(ctx, w, told)
		told = nil
	}
	followed := func() { k.dim(w, nil) }
	return live.Watched{GVK: w.gvk, Namespace: w.namespace, Selector: k.selector(), Listed: listed, Followed: followed}, func(e live.Event) {
		if told != nil {
			told[e.Ref.Key] = true
		}
		k.saw(ctx, e)
	}
}

// missing has what a list did not tell of looked for.
func (k *keeper) missing(ctx context.Context, w kindWatch, told map[live.Key]bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	for key, e := range k.kept {
		if groupKind(key) == w.gvk.GroupKind() && (w.namespace == "" || w.namespace == key.Namespace) && !told[key] && e.applied() {
			e.look = true
			k.enqueue(key, e, 0)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// saw takes an event in. What shows nothing new costs nothing more.
func (k *keeper) saw(ctx context.Context, event live.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	key := event.Ref.Key
	e := k.kept[key]
	if e == nil {
		return // somebody copied our mark, or it is about to be pruned
	}
	k.events++
	k.writes++
	was := e.seen
	defer func() {
		if e.seen != was {
			e.told = k.writes
		}
	}()
	switch {
	case event.Gone && event.State.UID != "" && e.seen.UID != "" && event.State.UID != e.seen.UID:
		// One of that name from before.
	case event.Gone:
		e.seen = live.State{}
		k.stir(key, e)
	case !newer(event.State, e.seen) && event.State.UID == e.seen.UID:
		// It lags behind what we know.
	case same(event.State, e.state):
		if forgeable(event.State, e.state, k.clock.Now()) {
			e.look = true
			k.enqueue(key, e, sameSecond)
		}
		e.seen, e.state = event.State, event.State
	default:
		e.seen = event.State
		k.stir(key, e)
	}
}

// forgeable: a write has come in the same second as ours, and may be one under our
// name, which would look the same. Where objects count generations, one that has not
// changed shows that the spec has not.
func forgeable(now, before live.State, at time.Time) bool {
	if now.ResourceVersion == before.ResourceVersion || at.Sub(time.Unix(before.Held, 0)) > sameSecond {
		return false
	}
	return now.Generation == 0 || now.Generation != before.Generation
}

// stir notes that somebody wrote, and has it looked at if it is the keeper's. k.mu is
// held.
func (k *keeper) stir(key live.Key, e *kept) {
	if !e.applied() {
		return // the run is about to apply it, or tries again to
	}
	if e.moved.IsZero() {
		e.moved = k.clock.Now()
	}
	k.enqueue(key, e, 0)
}
