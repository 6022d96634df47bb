package record

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// reading is what one look at the target of an admitted write said.
type reading struct {
	// object is nil when there is none.
	object *metav1.PartialObjectMetadata
	// last says that nobody looks again: in doubt is an answer then.
	last bool
	// late says that it was long ago; much may have happened since.
	late bool
}

// Times in objects are whole seconds, and clocks differ a little.
const clockSlack = time.Second

// lateAfter is when a reading is late.
const lateAfter = 5 * time.Minute

// leavesTrace tells whether a write can be read back at all: what is asked of a
// connect, an eviction or a token is gone once it is answered.
func leavesTrace(r v1alpha1.RecordedRequest) bool {
	switch r.Operation {
	case operationUpdate:
		return true
	case operationCreate, operationDelete:
		return r.Subresource == ""
	}
	return false
}

// decidePhase says whether the change of an admitted record was stored; "" is
// to look again.
func decidePhase(rec *v1alpha1.ChangeRecord, seen reading) v1alpha1.Phase {
	phase, clear := v1alpha1.Phase(""), false
	switch rec.Spec.Request.Operation {
	case operationCreate:
		phase, clear = decideCreate(rec, seen)
	case operationUpdate:
		phase, clear = decideUpdate(rec, seen)
	case operationDelete:
		phase, clear = decideDelete(rec, seen)
	default:
		return ""
	}
	if clear || seen.last {
		return phase
	}
	return ""
}

func decideCreate(rec *v1alpha1.ChangeRecord, seen reading) (phase v1alpha1.Phase, clear bool) {
	began := since(rec)
	switch {
	case TargetName(rec) == "":
		return v1alpha1.PhaseUnconfirmed, false
	case seen.object == nil && seen.late:
		return v1alpha1.PhaseUnconfirmed, false
	case seen.object == nil, seen.object.CreationTimestamp.Time.Before(began):
		return v1alpha1.PhaseNotPersisted, false
	case seen.object.CreationTimestamp.Time.After(began.Add(time.Minute)):
		return v1alpha1.PhaseUnconfirmed, false // a later one of that name
	}
	return v1alpha1.PhaseObserved, true
}

func decideUpdate(rec *v1alpha1.ChangeRecord, seen reading) (phase v1alpha1.Phase, clear bool) {
	target := rec.Spec.Target
	switch {
	case seen.object == nil, otherObject(target, seen.object):
		return v1alpha1.PhaseUnconfirmed, false
	case sameVersion(target, seen.object):
		return v1alpha1.PhaseNotPersisted, false
	case showsChange(rec, seen.object.ManagedFields):
		return v1alpha1.PhaseObserved, true
	}
	return v1alpha1.PhaseUnconfirmed, false
}

func decideDelete(rec *v1alpha1.ChangeRecord, seen reading) (phase v1alpha1.Phase, clear bool) {
	target := rec.Spec.Target
	switch {
	case seen.object == nil, otherObject(target, seen.object), seen.object.DeletionTimestamp != nil:
		return v1alpha1.PhaseObserved, true
	case target != nil && target.UID != "", sameVersion(target, seen.object):
		return v1alpha1.PhaseNotPersisted, false // it lives, and a deletion can't be taken back
	}
	return v1alpha1.PhaseUnconfirmed, false
}

// since is the earliest time that an effect of the attempt may bear.
func since(rec *v1alpha1.ChangeRecord) time.Time {
	return Seen(rec).Truncate(time.Second).Add(-clockSlack)
}

func otherObject(target *v1alpha1.Target, object *metav1.PartialObjectMetadata) bool {
	return target != nil && target.UID != "" && target.UID != object.UID
}

func sameVersion(target *v1alpha1.Target, object *metav1.PartialObjectMetadata) bool {
	return target != nil && target.ResourceVersion != "" && target.ResourceVersion == object.ResourceVersion
}

// TargetName is the name of a record's target; "" when it is not known: never
// completed, or a record of many.
func TargetName(rec *v1alpha1.ChangeRecord) string {
	if name := rec.Spec.Request.Name; !strings.HasSuffix(name, "*") {
		return name
	}
	return rec.Status.Name
}

// showsChange looks for the change in managedFields: an entry from that time
// by the manager that the client named or that owns a changed path, or a path that was removed and
// that nobody owns.
func showsChange(rec *v1alpha1.ChangeRecord, entries []metav1.ManagedFieldsEntry) bool {
	began := since(rec)
	owned := map[string]struct{}{} // by anybody
	for _, entry := range entries {
		paths := ownedPaths(entry)
		if entry.Time != nil && !entry.Time.Time.Before(began) {
			manager := rec.Spec.Request.FieldManager
			if manager != "" && entry.Manager == manager || ownsChanged(rec, paths) {
				return true
			}
		}
		for path := range paths {
			owned[path] = struct{}{}
		}
	}
	return removedAndUnowned(rec, owned)
}

func ownsChanged(rec *v1alpha1.ChangeRecord, paths map[string]struct{}) bool {
	for _, c := range rec.Spec.Changes {
		if c.To != "" && owns(paths, c.Path) {
			return true
		}
	}
	return false
}

// removedAndUnowned tells that paths were to be removed, and that none of them
// has an owner any more.
func removedAndUnowned(rec *v1alpha1.ChangeRecord, owned map[string]struct{}) bool {
	removed := false
	for _, c := range rec.Spec.Changes {
		if c.To != "" || c.Path == Unlisted {
			continue
		}
		if owns(owned, c.Path) {
			return false
		}
		removed = true
	}
	return removed
}

// owns tells whether a set of paths holds the path, something below it, or an
// atomic value above it.
func owns(paths map[string]struct{}, path string) bool {
	path = strings.TrimSuffix(path, ellipsis)
	if path == "" {
		return false
	}
	for p := range paths {
		longer, shorter := p, path
		if len(path) > len(p) {
			longer, shorter = path, p
		}
		if rest, ok := strings.CutPrefix(longer, shorter); ok && startsStep(rest) {
			return true
		}
	}
	return false
}

// ownedPaths are the leaves that an entry owns. What can't be read owns nothing.
func ownedPaths(entry metav1.ManagedFieldsEntry) map[string]struct{} {
	paths := map[string]struct{}{}
	if entry.FieldsV1 == nil {
		return paths
	}
	var set fieldpath.Set
	if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
		return paths
	}
	set.Leaves().Iterate(func(p fieldpath.Path) { paths[pathText(p)] = struct{}{} })
	return paths
}
