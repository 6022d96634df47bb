package policy

import (
	"time"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Action is what becomes of a request. The zero value denies.
type Action int

const (
	// Deny refuses the request and records it.
	Deny Action = iota
	// Flag admits it, recorded first.
	Flag
	// Allow admits it.
	Allow
)

func (a Action) String() string {
	switch a {
	case Allow:
		return "allow"
	case Flag:
		return "flag"
	}
	return "deny"
}

// Decision is the answer to one request. The zero value denies.
type Decision struct {
	Action Action
	// Class that fit, and the stable reason where the action is not Allow.
	Class  v1alpha1.Class
	Reason v1alpha1.Reason
	// Policy that was strictest; "" for a built-in rule or no policy.
	Policy string
	// Mode of that policy. Under Warn the client is warned.
	Mode v1alpha1.Mode
	// Message is one sentence for the person, without values and without its full
	// stop, such as "apps/Deployment prod/web is changed through git only".
	Message string
	// Next says what to do instead, such as "change it in git; flux-system/
	// kustomize-controller brings it here"; "" when nothing is known.
	Next string
	// Emergency says how this requester could break glass; nil when they can't.
	Emergency *Emergency
	// Record is the outcome to record; "" when nothing is recorded.
	Record v1alpha1.Outcome
	// OnRecordFailure is what becomes of a flag whose record can't be written.
	// Break-glass is refused whatever it says.
	OnRecordFailure v1alpha1.FailureRule
	// Opens is the window that this request opens, when it is admitted; its Record
	// is left to the caller.
	Opens *Window
	// Within is the open window that covers this request.
	Within *Window
	// Closes lists windows that end with this request: their annotation is removed.
	Closes []Window
	// Missing says which facts could change this answer: look them up, ask again.
	Missing Need
	// Redact lists the field names that the policies keep out of records.
	Redact []string
	// Touched lists the declared paths that the write touches, as in [Change]; set
	// where a rule read them.
	Touched []string
}

// Emergency is the break-glass that is open to a requester.
type Emergency struct {
	Group string
	Max   time.Duration
}

// Change is one field that differs between two objects. Path is in the form of
// managedFields paths, such as .spec.template.spec.containers[name="web"].image;
// an absent side has its flag false.
type Change struct {
	Path    string
	From    any
	To      any
	HasFrom bool
	HasTo   bool
}
