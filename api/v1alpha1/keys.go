package v1alpha1

// Annotations that a person sets.
const (
	// AnnotationBreakGlass asks for an emergency exception; its value is the
	// reason, such as "INC-42: db failover". On an object it covers that object,
	// on a namespace everything in it.
	AnnotationBreakGlass = "gitlatch.dev/break-glass"
	// AnnotationBreakGlassFor shortens the exception to a Go duration, such as
	// "30m". Left out: the maximum of the policy.
	AnnotationBreakGlassFor = "gitlatch.dev/break-glass-for"
	// AnnotationRequestedAt asks Gitlatch's applier for a sync now.
	AnnotationRequestedAt = "gitlatch.dev/requestedAt"
	// AnnotationOff, on Gitlatch's webhook configurations, is the off switch: its
	// value is the reason, and registration stands down while it is there.
	AnnotationOff = "gitlatch.dev/off"
)

// Marks of the applier. No person may set them.
const (
	// LabelSync, on an applied object, names the sync that declares it, see
	// [SyncLabel].
	LabelSync = "gitlatch.dev/sync"
	// AnnotationSource, on an applied object, is where in git it is declared, see
	// [Source].
	AnnotationSource = "gitlatch.dev/source"
	// AnnotationCommit, on an applied object, is the commit that changed it last, as
	// the applier saw it: its hash and, in quotes, its subject.
	AnnotationCommit = "gitlatch.dev/commit"
	// FinalizerSync keeps a GitSync until its deletion policy is carried out.
	FinalizerSync = "gitlatch.dev/sync"
	// FieldManager is the applier's.
	FieldManager = "gitlatch"
)

// Annotations in git that steer the applier.
const (
	// AnnotationPrune set to "disabled" on an object spares it from pruning.
	AnnotationPrune = "gitlatch.dev/prune"
	// AnnotationAllowEmpty set to "true" on a GitSync lets a commit that declares
	// nothing, or no namespace any more, delete what was declared before.
	AnnotationAllowEmpty = "gitlatch.dev/allow-empty"
)

// Annotations that only the gate sets, as a copy of the record for people. The
// record is the authority.
const (
	AnnotationBreakGlassBy     = "gitlatch.dev/break-glass-by"
	AnnotationBreakGlassUntil  = "gitlatch.dev/break-glass-until" // RFC 3339
	AnnotationBreakGlassRecord = "gitlatch.dev/break-glass-record"
)

// Labels of ChangeRecords, for selection. Values that do not fit a label are
// replaced by their hash.
const (
	LabelOutcome   = "gitlatch.dev/outcome"
	LabelNamespace = "gitlatch.dev/namespace"
	LabelKind      = "gitlatch.dev/kind"
	LabelPolicy    = "gitlatch.dev/policy"
	// LabelUser is the hash of the user name, see record.UserHash.
	LabelUser = "gitlatch.dev/user"
	// LabelWindow is "open" on a record that opened a break-glass window which
	// has not ended yet. The gate watches only these.
	LabelWindow = "gitlatch.dev/window"
	// LabelUnresolved is "true" on a record of an admitted update of declared
	// fields until the target matches git again. These fields stay guarded.
	LabelUnresolved = "gitlatch.dev/unresolved"
	// LabelGap is on a record of a gap: "open" until it ends, then "unaudited" until its
	// bypass review is complete.
	LabelGap = "gitlatch.dev/gap"
	// LabelOwner marks what Gitlatch installed itself ("gitlatch").
	LabelOwner = "gitlatch.dev/owner"
)

// ExtraSync is the key in a requester's extra under which Gitlatch's applier,
// and only its account, names the GitSync for which it impersonates.
const ExtraSync = "gitlatch.dev/sync"

// Names of the two webhooks. They differ because one name in both
// configurations would lose the audit annotations of the second.
const (
	GateName  = "gate.gitlatch.dev"
	FinalName = "final.gitlatch.dev"
)

// Keys of the audit annotations on every request seen; the API server puts the
// webhook's name and a slash before them.
const (
	AuditDecision = "decision"
	AuditClass    = "class"
	AuditReason   = "reason"
	AuditPolicy   = "policy"
	AuditRecord   = "record"
)
