package record

import (
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Change is one field that differs, with its raw values: the writer redacts
// and cuts them. Path is in the form of managedFields paths; "" is the whole
// object.
type Change struct {
	Path    string
	From    any
	To      any
	HasFrom bool
	HasTo   bool
	// Declared says that git declared it: it stays guarded, so it is kept before
	// others where a record is cut.
	Declared bool
}

// Entry is one attempt to be recorded.
type Entry struct {
	// Spec is filled but for Changes, ChangesOmitted and Folded. Its
	// Request.Name is "prefix*" where the API server has yet to generate it.
	Spec v1alpha1.ChangeRecordSpec
	// Changes are what differs, raw; Omitted counts those that were left out.
	Changes []Change
	Omitted int
	// DeclaredOmitted says that declared ones are among those that were left out.
	DeclaredOmitted bool
	// Redact lists further names of fields whose values are never stored.
	Redact []string
	// Payload identifies what was sent where Changes don't (they are incomplete,
	// or the target is new): a hash of the object without metadata.name and the
	// marks of Gitlatch. It is compared in memory only and never stored. Left
	// out: Changes say it all.
	Payload string
	// GenerateName is the object's metadata.generateName, on a CREATE.
	GenerateName string
	// OpensWindow and Unresolved become labels.
	OpensWindow bool
	Unresolved  bool
	// Final says that the validating call asks: the mutating call of the same
	// request has most likely recorded it.
	Final bool
	// Retry says that the write is admitted even when its record can't be written
	// now: it is tried again in the background for a while.
	Retry bool
}

// generated tells whether the name is still to be generated.
func (e *Entry) generated() bool { return strings.HasSuffix(e.Spec.Request.Name, "*") }

// connect tells whether the entry is counted instead of recorded each time: a
// proxied page is hundreds of calls.
func (e *Entry) connect() bool { return e.Spec.Request.Operation == operationConnect }

// Operations of an admission request.
const (
	operationCreate  = "CREATE"
	operationUpdate  = "UPDATE"
	operationDelete  = "DELETE"
	operationConnect = "CONNECT"
)
