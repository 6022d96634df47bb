package audit

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Finding is a write around git that no answer of the gate accounts for, as one of
// the two witnesses tells it. It holds no value of any field.
type Finding struct {
	// Evidence is AuditLog or ManagedFields; with it, Confidence is Proven or Indicated.
	Evidence   v1alpha1.Evidence   `json:"evidence"`
	Confidence v1alpha1.Confidence `json:"confidence"`
	// Reason is the stable word for what was found.
	Reason v1alpha1.Reason `json:"reason"`
	// Policy that governs the target; "" where a built-in rule does.
	Policy string `json:"policy,omitempty"`
	// Requester is known from the audit log alone. managedFields name a field manager
	// (Request.FieldManager), which the client chose.
	Requester v1alpha1.Requester `json:"requester,omitzero"`
	Origin    *v1alpha1.Origin   `json:"origin,omitempty"`
	// Request is what was done to what. The operation of a managedFields finding is
	// CREATE where the manager's entry is as old as the object, DELETE where it is gone, and
	// else UPDATE.
	Request v1alpha1.RecordedRequest `json:"request"`
	Target  *v1alpha1.Target         `json:"target,omitempty"`
	// At is when: of the audit event, or the time of the manager's last write, which
	// managedFields give to the second. Zero where the witness can't tell: of what is
	// gone, or was cleared.
	At time.Time `json:"at,omitzero"`
	// Fields that were written, as paths, at most 20; More counts the others.
	Fields []string `json:"fields,omitempty"`
	More   int      `json:"more,omitempty"`
	// Declared says that git declares one of the fields, or the object.
	Declared bool `json:"declared,omitempty"`
	// Records that explain the finding: the gate, or the applier, knew of it. An
	// explained finding is no bypass.
	Records []string `json:"records,omitempty"`
	// Message says it for people, and Next what to do.
	Message string `json:"message"`
	Next    string `json:"next,omitempty"`
}

// Explained says that records account for the finding.
func (f *Finding) Explained() bool { return len(f.Records) > 0 }
