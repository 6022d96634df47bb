package webhook

import (
	"encoding/hex"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

const (
	// maxChanges is how many changes a record is offered; it keeps what fits.
	maxChanges = 64
	// maxCompared is how many are told apart, to choose them from.
	maxCompared = 1024
)

// entryOf is what a decision leaves behind.
func entryOf(req *policy.Request, d *policy.Decision) record.Entry {
	e := record.Entry{
		Spec: v1alpha1.ChangeRecordSpec{
			Outcome: d.Record,
			Class:   d.Class,
			Reason:  d.Reason,
			Policy:  d.Policy,
			Requester: v1alpha1.Requester{
				Username: req.User.Name, UID: req.User.UID, Groups: req.User.Groups, Extra: req.User.Extra,
			},
			Request:    recordedRequest(req),
			Target:     recordedTarget(req.Old),
			Evidence:   v1alpha1.EvidenceAdmission,
			Confidence: v1alpha1.ConfidenceProven,
			BreakGlass: recordedWindow(d),
			Message:    clean(d.Message),
		},
		Redact:      d.Redact,
		OpensWindow: d.Opens != nil,
		Final:       req.Final,
		Retry:       d.Action == policy.Flag && d.OnRecordFailure == v1alpha1.FailureAdmit,
	}
	listChanges(&e, req, d)
	if req.Operation == policy.Create {
		e.GenerateName = metaString(req.Object, "generateName")
	}
	if req.Operation == policy.Create || e.Omitted > 0 {
		sum := payloadOf(req.Object)
		e.Payload = hex.EncodeToString(sum[:])
	}
	return e
}

func recordedRequest(req *policy.Request) v1alpha1.RecordedRequest {
	return v1alpha1.RecordedRequest{
		UID:          req.UID,
		Operation:    string(req.Operation),
		Group:        req.Resource.Group,
		Version:      req.Resource.Version,
		Resource:     req.Resource.Resource,
		Subresource:  req.Subresource,
		Kind:         req.Kind.Kind,
		Namespace:    req.Namespace,
		Name:         req.Name,
		FieldManager: req.FieldManager,
	}
}

func recordedTarget(old map[string]any) *v1alpha1.Target {
	meta, ok := old["metadata"].(map[string]any)
	if !ok {
		return nil
	}
	t := v1alpha1.Target{}
	uid, _ := meta["uid"].(string)
	t.UID = types.UID(uid)
	t.ResourceVersion, _ = meta["resourceVersion"].(string)
	t.Generation, _ = meta["generation"].(int64)
	if t == (v1alpha1.Target{}) {
		return nil
	}
	return &t
}

// recordedWindow is the window that the request opens, or the one that it is
// admitted by.
func recordedWindow(d *policy.Decision) *v1alpha1.RecordedWindow {
	w, opener := d.Opens, ""
	if w == nil {
		if w = d.Within; w == nil || d.Record != v1alpha1.OutcomeBreakGlass {
			return nil
		}
		opener = w.Record
	}
	return &v1alpha1.RecordedWindow{
		Reason: w.Reason, Until: metav1.NewTime(w.Until), Scope: w.Scope, Window: opener,
	}
}

// listChanges lists what differs. Of an admitted update it says what git declared:
// that is kept before the rest, and stays guarded.
func listChanges(e *record.Entry, req *policy.Request, d *policy.Decision) {
	changes, omitted := policy.Diff(req.Old, req.Object, maxCompared)
	var touched []string
	if leavesChange(req, d) {
		touched = slices.DeleteFunc(slices.Clone(d.Touched), ownGuard)
	}
	all := make([]record.Change, len(changes))
	room := maxChanges // for what is not declared
	for i, c := range changes {
		all[i] = record.Change{Path: c.Path, From: c.From, To: c.To, HasFrom: c.HasFrom, HasTo: c.HasTo}
		if all[i].Declared = declared(c.Path, touched); all[i].Declared {
			room--
			e.Unresolved = true
		}
	}
	e.DeclaredOmitted = room < 0 || len(touched) > 0 && (omitted > 0 || len(touched) >= policy.MaxTouched)
	e.Unresolved = e.Unresolved || e.DeclaredOmitted
	for i := range all {
		switch {
		case len(e.Changes) == maxChanges, !all[i].Declared && room <= 0:
			omitted++
			continue
		case !all[i].Declared:
			room--
		}
		e.Changes = append(e.Changes, all[i])
	}
	e.Omitted = omitted
}

// declared says whether git declared the path, a whole value that it lies in, or
// part of it.
func declared(path string, touched []string) bool {
	return !ownGuard(path) && slices.ContainsFunc(touched, func(t string) bool {
		return path == t || below(path, t) || below(t, path)
	})
}

// leavesChange says whether the admitted request leaves a difference to what git
// declares of an object that goes on. The operations of a policy are those that
// change no declared state.
func leavesChange(req *policy.Request, d *policy.Decision) bool {
	return d.Action == policy.Flag && req.Operation == policy.Update && d.Class != v1alpha1.ClassOperation
}
