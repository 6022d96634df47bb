package applier

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// settleAfter is how long a write that was admitted gets to be stored.
	settleAfter = 2 * time.Second
	// withinRetry is how soon the writes inside a window are listed again.
	withinRetry = time.Second
)

// Flux leaves an object alone while it carries this annotation with this value. The
// gate sets it with the marks of a window.
const (
	fluxReconcile = "kustomize.toolkit.fluxcd.io/reconcile"
	fluxDisabled  = "disabled"
)

// fluxCarries are the labels of what Flux carries.
var fluxCarries = []string{"kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"}

// held says that an open break-glass window covers an object: it is left alone. What
// was recorded of one that is about to be pruned ends with that.
func (k *keeper) held(ctx context.Context, key live.Key) (bool, error) {
	if mark, is := k.suspect(key); is || !k.watch.Synced() {
		if err := k.watch.Refresh(ctx); err != nil {
			return false, err
		}
		k.windowsAsked(mark)
	}
	place, err := k.placeOfAny(key)
	if err != nil {
		return false, err
	}
	_, open := k.watch.Open(place)
	k.mu.Lock()
	e := k.kept[key]
	if e != nil && open {
		e.stopped = true
	}
	k.mu.Unlock()
	switch {
	case open:
		k.hold(key, true)
	case e == nil:
		return false, k.undeclare(ctx, key, place)
	}
	return open, nil
}

// placeOfAny is where records find an object that need not be declared any more.
func (k *keeper) placeOfAny(key live.Key) (record.Place, error) {
	p := k.placeOf(key)
	k.mu.Lock()
	cluster := k.cluster
	k.mu.Unlock()
	if p.Resource != "" || cluster == nil {
		return p, nil
	}
	r, err := cluster.Resource(groupKind(key).WithVersion("")) // any will do
	if meta.IsNoMatchError(err) {
		return p, nil // no object of that kind is there
	}
	p.Resource = r.Resource
	return p, err
}

// hold counts an object that is left alone, once, until it is not any more.
func (k *keeper) hold(key live.Key, is bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[key]
	if e == nil || e.held == is {
		return
	}
	e.held = is
	if is {
		k.metrics.hold(1)
	} else {
		k.metrics.hold(-1)
	}
}

// listen takes in notices, one after the other.
func (k *keeper) listen(l *life) {
	for {
		n, stopped := l.notices.Get()
		if stopped {
			return
		}
		k.notice(l, n)
		l.notices.Done(n)
	}
}

// told is a notice, and whether it has waited for its write to be stored.
type told struct {
	record.Notice
	waited bool
}

// notice takes in what the records tell.
func (k *keeper) notice(l *life, n told) {
	switch {
	case n.Window == "":
		k.waits(l, n)
	case n.Ended:
		for _, w := range k.watch.Ended() {
			if w.Record == n.Window && k.covers(&w) {
				l.group.Go(func() { k.close(l, w) })
			}
		}
	}
}

// waits has an object looked at that a record waits for, once the write had time to be
// stored. Most records of drift are resolved by then.
func (k *keeper) waits(l *life, n told) {
	if n.waited && len(k.watch.Unresolved(n.Place)) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life != l {
		return
	}
	key, ok := k.keyOf(n.Place)
	switch {
	case !ok:
	case n.waited:
		e := k.kept[key]
		e.look = true
		k.enqueue(key, e, 0)
	default:
		l.notices.AddAfter(told{Notice: n.Notice, waited: true}, settleAfter)
	}
}

// keyOf finds the declared object that a record is about. k.mu is held.
func (k *keeper) keyOf(p record.Place) (live.Key, bool) {
	for resource, kind := range k.kinds {
		if resource.Group != p.Group || resource.Resource != p.Resource {
			continue
		}
		key := live.Key{Group: p.Group, Kind: kind, Namespace: p.Namespace, Name: p.Name}
		if isNamespace(key) {
			key.Namespace = ""
		}
		_, ok := k.kept[key]
		return key, ok
	}
	return live.Key{}, false
}

// markPath says that a path is a mark of a window, or the pause of Flux that may come
// with it.
func markPath(path string) bool {
	return strings.HasPrefix(path, `.metadata.annotations["`+v1alpha1.AnnotationBreakGlass) ||
		path == `.metadata.annotations["`+fluxReconcile+`"]`
}

// marksOn lists the annotations that a window left on an object and that git does not
// declare.
func marksOn(o *live.Object, found *unstructured.Unstructured) []string {
	annotations := found.GetAnnotations()
	_, stamped := annotations[v1alpha1.AnnotationBreakGlassRecord]
	var marks []string
	for key, value := range annotations {
		mark := strings.HasPrefix(key, v1alpha1.AnnotationBreakGlass)
		pause := stamped && key == fluxReconcile && value == fluxDisabled && carriedByFlux(found)
		if mark || pause && !declares(o, key) {
			marks = append(marks, key)
		}
	}
	slices.Sort(marks)
	return marks
}

func carriedByFlux(found *unstructured.Unstructured) bool {
	labels := found.GetLabels()
	return slices.ContainsFunc(fluxCarries, func(key string) bool { return labels[key] != "" })
}

func declares(o *live.Object, annotation string) bool {
	content, err := o.Content()
	if err != nil {
		return true
	}
	_, there := live.Field(content, `.metadata.annotations["`+annotation+`"]`)
	return there
}

// unmark takes away what is left of a window's marks. What people's tools wrote went
// with their fields.
func (t *task) unmark(ctx context.Context, state live.State) (live.State, error) {
	found, err := t.cluster.Get(ctx, t.object.Ref)
	if err != nil {
		return state, err
	}
	marks := marksOn(t.object, found)
	if len(marks) == 0 {
		return t.cluster.StateOf(found), nil
	}
	return t.cluster.Unmark(ctx, t.object.Ref, found.GetResourceVersion(), marks)
}
