package applier

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/applier/live"
)

// learnTimeout bounds the first look at what is there.
const learnTimeout = 2 * time.Minute

// learn compares what is declared with what is there, once after each start, by lists
// of whole objects in pages. What is as git declares it needs no call of the run. What
// is not is drift if the commit was applied whole before, else left to the run, as is
// what could not be listed.
func (k *keeper) learn() {
	k.mu.Lock()
	l, cluster := k.life, k.cluster
	if l == nil || k.learnt {
		k.mu.Unlock()
		return
	}
	wanted := k.wanted()
	applied := k.last != "" && k.last == commitOf(k.note)
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, learnTimeout)
	defer cancel()
	complete := true
	there := map[live.Key]bool{}
	for w := range wanted {
		err := cluster.List(ctx, live.Watched{GVK: w.gvk, Namespace: w.namespace, Selector: k.selector()}, func(found *unstructured.Unstructured) {
			key := live.Key{Group: w.gvk.Group, Kind: w.gvk.Kind, Namespace: found.GetNamespace(), Name: found.GetName()}
			there[key] = true
			k.compare(ctx, cluster, key, found, applied)
		})
		if err != nil {
			complete = false
			k.dim(w, err)
			k.log.V(1).Info("could not list what is there, so all of it is applied", "kind", w.gvk.String(), "error", err.Error())
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.learnt = true
	if !applied || !complete {
		return
	}
	for key, e := range k.kept { // what lost its mark or is gone
		if !there[key] && e.hash != e.object.Hash {
			e.hash, e.note = e.object.Hash, k.note
			k.stir(key, e)
		}
	}
}

// found records what people wrote while nobody watched, before the run applies a newer
// commit over it.
func (k *keeper) found(ctx context.Context, t *task, found *unstructured.Unstructured) []string {
	t.place = k.placeOf(t.key)
	d, err := t.difference(found)
	if err != nil || len(d.changes) == 0 {
		return nil
	}
	rec := k.recordOf(t, d)
	rec.Message = "pulled back to " + t.commit
	name, admission := k.remember(ctx, t, rec)
	if admission == nil {
		return []string{name}
	}
	return []string{name, admission.Name}
}

// compare takes one object as it was found.
func (k *keeper) compare(ctx context.Context, cluster *live.Cluster, key live.Key, found *unstructured.Unstructured, applied bool) {
	k.mu.Lock()
	e := k.kept[key]
	if e == nil {
		k.mu.Unlock()
		return
	}
	o := e.object
	k.mu.Unlock()
	state := cluster.StateOf(found)
	owned, _, err := cluster.Personal(o, found)
	equal := err == nil && !owned && !state.Deleting && state.Held > 0 && live.Whole(o, found) && len(live.Differences(o, found.Object)) == 0
	var noted []string
	if owned && !equal && !applied && err == nil {
		noted = k.found(ctx, &task{key: key, cluster: cluster, object: o, now: state, commit: commitOf(k.note)}, found)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(noted) > 0 {
		e.noted, e.recorded = append(e.noted, noted...), state
	}
	if e.object != o || !newer(state, e.seen) {
		return
	}
	k.writes++
	e.seen, e.note, e.told = state, state.Commit, k.writes
	if e.note == "" {
		e.note = k.note
	}
	if e.since.IsZero() {
		e.since = time.Unix(state.Held, 0)
	}
	switch {
	case equal:
		e.hash, e.state, e.claim = o.Hash, state, live.ClaimOn(o, found)
	case applied:
		e.hash = o.Hash
		k.stir(key, e)
	}
}
