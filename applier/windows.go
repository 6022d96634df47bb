package applier

import (
	"context"
	"slices"
	"strings"
	"time"

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

// closing is a window that has ended: what it covers of this sync is looked at, and
// pulled back, before its record says how it ended.
type closing struct {
	window   record.Window
	left     map[live.Key]bool
	reverted bool
	caught   string // the commit by which git caught up
}

// held says that an open break-glass window covers an object: it is left alone.
func (k *keeper) held(ctx context.Context, key live.Key) (bool, error) {
	if !k.watch.Synced() {
		if err := k.watch.Refresh(ctx); err != nil {
			return false, err
		}
	}
	_, open := k.watch.Open(k.placeOf(key))
	if open {
		k.mu.Lock()
		if e := k.kept[key]; e != nil {
			e.stopped = true
		}
		k.mu.Unlock()
		k.hold(key, true)
	}
	return open, nil
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

// notice takes in what the records tell.
func (k *keeper) notice(l *life, n record.Notice) {
	switch {
	case n.Window == "":
		k.mu.Lock()
		defer k.mu.Unlock()
		if key, ok := k.keyOf(n.Place); ok && k.life == l {
			e := k.kept[key]
			e.look = true
			k.enqueue(key, e, settleAfter)
		}
	case n.Ended:
		for _, w := range k.watch.Ended() {
			if w.Record == n.Window {
				k.close(l, w)
			}
		}
	}
}

// reopen goes on with the windows that ended, and the records that were left, before
// this keeper began.
func (k *keeper) reopen() {
	k.mu.Lock()
	l := k.life
	if l == nil {
		k.mu.Unlock()
		return
	}
	for key, e := range k.kept {
		if e.applied() && len(k.watch.Unresolved(k.placeLocked(key))) > 0 {
			e.look = true
			k.enqueue(key, e, 0)
		}
	}
	k.mu.Unlock()
	for _, w := range k.watch.Ended() {
		l.group.Go(func() { k.close(l, w) })
	}
}

// close has everything of this sync that a window covered looked at. What was written
// inside it is known before that, so that its records end with it.
func (k *keeper) close(l *life, w record.Window) {
	if len(k.covered(l, &w)) == 0 {
		return
	}
	for {
		err := k.watch.Within(l.ctx, &w)
		if err == nil {
			break
		}
		k.log.V(1).Info("could not list the writes inside a break-glass window", "record", w.Record, "error", err.Error())
		select {
		case <-l.ctx.Done():
			return
		case <-k.clock.After(withinRetry):
		}
	}
	keys := k.covered(l, &w)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life != l || len(keys) == 0 || k.closings[w.Record] != nil {
		return
	}
	if k.closings == nil {
		k.closings = map[string]*closing{}
	}
	c := &closing{window: w, left: map[live.Key]bool{}}
	k.closings[w.Record] = c
	for _, key := range keys {
		e := k.kept[key]
		c.left[key] = true
		e.release, e.look = true, true
		k.enqueue(key, e, 0)
	}
}

// covered lists what a window covers of this sync.
func (k *keeper) covered(l *life, w *record.Window) []live.Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life != l {
		return nil
	}
	var keys []live.Key
	if w.Scope == v1alpha1.WindowObject {
		if key, ok := k.keyOf(w.Place); ok {
			keys = append(keys, key)
		}
		return keys
	}
	for key := range k.kept {
		if w.Covers(k.placeLocked(key)) {
			keys = append(keys, key)
		}
	}
	return keys
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
