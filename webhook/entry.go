package webhook

import (
	"encoding/hex"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
	"github.com/gitlatch/gitlatch/policy"
	"github.com/gitlatch/gitlatch/reporter/record"
)

// maxChanges is how many changes a record is offered; it keeps what fits.
const maxChanges = 64

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
		Unresolved:  leavesChange(req, d),
		Final:       req.Final,
		Retry:       d.Action == policy.Flag && d.OnRecordFailure == v1alpha1.FailureAdmit,
	}
	changes, omitted := policy.Diff(req.Old, req.Object, maxChanges)
	e.Omitted = omitted
	for _, c := range changes {
		e.Changes = append(e.Changes, record.Change(c))
	}
	if req.Operation == policy.Create {
		e.GenerateName = metaString(req.Object, "generateName")
	}
	if req.Operation == policy.Create || omitted > 0 {
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

// leavesChange says whether the admitted request leaves a difference to git
// behind. What goes into a pod, evicts it or mints a token does not, and the
// operations of a policy are those that change no declared state.
func leavesChange(req *policy.Request, d *policy.Decision) bool {
	if d.Action != policy.Flag || req.Operation == policy.Connect || d.Class == v1alpha1.ClassOperation {
		return false
	}
	switch req.Subresource {
	case "eviction", "token", "binding":
		return false
	}
	return !strings.HasSuffix(req.Name, "*") || req.Operation == policy.Create
}
