package applier

import (
	"context"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/applier/live"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// admissionTimeout bounds the search for who it was: a correction does not wait longer.
const admissionTimeout = time.Second

// difference is what a live object shows that git does not say.
type difference struct {
	gone    bool
	changes []policy.Change // from what is live to what is declared
	owned   bool            // people own fields of it
	loose   bool            // it is not us who own what is declared, whatever the values
	marks   []string        // annotations of a break-glass window, and what came with them
	manager string          // that wrote the first change
	wrote   int64
}

func (d *difference) drift() bool { return d.gone || d.owned || len(d.changes) > 0 }

// difference compares the object as it was found; nil: it is gone.
func (t *task) difference(found *unstructured.Unstructured) (*difference, error) {
	if found == nil {
		return &difference{gone: true}, nil
	}
	owned, goes, err := t.cluster.Personal(t.object, found)
	if err != nil {
		return nil, err
	}
	d := &difference{owned: owned, marks: marksOn(t.object, found), manager: t.now.Manager, wrote: t.now.Wrote}
	d.changes = live.Differences(t.object, found.Object)
	d.loose = t.loose(found)
	if d.loose && t.applied {
		goes = append(goes, t.cluster.Surplus(t.object, found)...)
	}
	for _, c := range goes {
		if !markPath(c.Path) && !slices.ContainsFunc(d.changes, func(is policy.Change) bool { return is.Path == c.Path }) {
			d.changes = append(d.changes, c)
		}
	}
	if len(d.changes) > 0 {
		if manager, at := live.Writer(found, d.changes[0].Path); manager != "" {
			d.manager, d.wrote = manager, at
		}
	}
	return d, nil
}

// recordOf is the drift as it is recorded.
func (k *keeper) recordOf(t *task, d *difference) record.Drift {
	k.mu.Lock()
	resource := k.resources[groupKind(t.key)]
	k.mu.Unlock()
	out := record.Drift{
		Sync: k.sync.String(), Reason: v1alpha1.ReasonDrift,
		Request: v1alpha1.RecordedRequest{
			Operation: "UPDATE", Group: t.key.Group, Version: t.object.Version, Resource: resource.Resource,
			Kind: t.key.Kind, Namespace: t.key.Namespace, Name: t.key.Name, FieldManager: d.manager,
		},
		Target: &v1alpha1.Target{UID: types.UID(t.now.UID)},
	}
	if isNamespace(t.key) {
		out.Request.Namespace = t.key.Name
	}
	if d.wrote > 0 {
		out.Wrote = time.Unix(d.wrote, 0)
	}
	if d.gone {
		out.Request.Operation, out.Request.FieldManager, out.Target = "DELETE", "", nil
		if t.state.UID != "" {
			out.Target = &v1alpha1.Target{UID: types.UID(t.state.UID)}
		}
	}
	for _, c := range d.changes {
		out.Changes = append(out.Changes, changeOf(t.object, c))
	}
	return out
}

// changeOf is a change as a record takes it. What is encrypted in git is hidden here,
// since the record can't know.
func changeOf(o *live.Object, c policy.Change) record.Change {
	out := record.Change{Path: c.Path, From: c.From, To: c.To, HasFrom: c.HasFrom, HasTo: c.HasTo, Declared: true}
	if o.Secret && !strings.HasPrefix(c.Path, ".metadata.") {
		out.From, out.To = record.Hidden(c.From, c.To, c.HasFrom && c.HasTo)
	}
	return out
}

// remember records a drift before anything is done about it. It is bounded: what could
// not be written in time is written later, and stands in the log.
func (k *keeper) remember(ctx context.Context, t *task, d record.Drift) (name string, admission *v1alpha1.ChangeRecord) {
	limited, cancel := context.WithTimeout(ctx, admissionTimeout)
	admission, err := k.watch.Admission(limited, &d)
	cancel()
	if err != nil {
		k.log.V(1).Info("could not look for who it was", "object", t.key.String(), "error", err.Error())
	}
	d.Admission = admission
	name, err = k.records.Drifted(ctx, d)
	fields := []any{"object", t.key.String(), "operation", d.Request.Operation, "manager", d.Request.FieldManager, "record", name}
	if admission != nil {
		fields = append(fields, "user", admission.Spec.Requester.Username, "admitted", admission.Name)
	}
	if err != nil {
		k.log.Error(err, "drift, not recorded yet", fields...)
	} else {
		k.log.Info("drift", fields...)
	}
	return name, admission
}

// kick has what is in a namespace that is there again looked at now, and not when its
// pause is over. k.mu is held.
func (k *keeper) kick(key live.Key, did live.Action) {
	if !isNamespace(key) || did != live.Created {
		return
	}
	for other, e := range k.kept {
		if other.Namespace == key.Name && e.applied() {
			k.life.queue.Forget(other)
			k.enqueue(other, e, 0)
		}
	}
}

// report records drift that nobody pulls back, once.
func (k *keeper) report(ctx context.Context, t *task, d *difference) error {
	k.mu.Lock()
	e := k.kept[t.key]
	if e == nil || e.drifted && same(e.reported, t.now) {
		k.mu.Unlock()
		return nil
	}
	e.drifted, e.reported = true, t.now
	k.mu.Unlock()
	k.metrics.corrected(resultReported, 0)
	rec := k.recordOf(t, d)
	rec.Reason, rec.Message = v1alpha1.ReasonDrift, "it differs from "+t.commit+", and spec.drift of GitSync "+k.sync.String()+" is Report"
	name, _ := k.remember(ctx, t, rec)
	return k.records.Standing(ctx, name)
}
