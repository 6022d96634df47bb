package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Conditions of a GitSync. Ready, Reconciling and Stalled are those of kstatus
// (sigs.k8s.io/cli-utils, "The kstatus conditions"): Reconciling and Stalled are
// there only while they are True. [ConditionReady] says that the commit that ref
// names is applied, and every object is as it declares.
const (
	// ConditionReconciling: on the way there.
	ConditionReconciling = "Reconciling"
	// ConditionStalled: no try of ours will get there; somebody must change something.
	ConditionStalled = "Stalled"
	// ConditionHealthy: what was applied works, as far as the objects' own status says.
	ConditionHealthy = "Healthy"
)

// Reasons of a sync's conditions. Those of a folder that can't be rendered are the
// renderer's: PathInvalid, DocumentInvalid, ObjectDuplicate, RenderFailed,
// DecryptionFailed, PlaintextSecret.
const (
	SyncApplied            = "Applied"
	SyncProgressing        = "Progressing"
	SyncRetrying           = "ProgressingWithRetry"
	SyncDependencyNotReady = "DependencyNotReady"
	SyncDependencyCycle    = "DependencyCycle"
	SyncReferenceMissing   = "ReferenceMissing"
	SyncSpecInvalid        = "SpecInvalid"
	SyncFetchFailed        = "FetchFailed"
	SyncRefNotFound        = "RefNotFound"
	SyncUnverified         = "Unverified"
	SyncInvalid            = "ObjectsInvalid"
	SyncWouldEmpty         = "WouldEmpty"
	SyncConflict           = "Conflict"
	SyncForbidden          = "Forbidden"
	SyncApplyFailed        = "ApplyFailed"
	SyncPruneFailed        = "PruneFailed"
	SyncTimedOut           = "TimedOut"
	SyncDrifted            = "Drifted"
	SyncDeletionFailed     = "DeletionFailed"
	SyncHealthy            = "Healthy"
	SyncUnhealthy          = "Unhealthy"
	SyncHealthUnknown      = "HealthUnknown"
)

// GitSyncStatus is what came of a sync.
type GitSyncStatus struct {
	// observedGeneration of the spec that the status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// lastAttemptedCommit is the newest commit that was tried.
	// +optional
	LastAttemptedCommit string `json:"lastAttemptedCommit,omitempty"`
	// lastAppliedCommit is the newest commit that was applied whole. It is kept and
	// guarded while a newer one fails.
	// +optional
	LastAppliedCommit string `json:"lastAppliedCommit,omitempty"`
	// lastAppliedGeneration of the spec with which it was applied.
	// +optional
	LastAppliedGeneration int64 `json:"lastAppliedGeneration,omitempty"`
	// lastHandledReconcileAt is the value of the annotation gitlatch.dev/requestedAt
	// that was answered last.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
	// history lists the commits that were applied, newest first, at most 10.
	// +kubebuilder:validation:MaxItems=10
	// +listType=atomic
	// +optional
	History []AppliedCommit `json:"history,omitempty"`
	// inventory lists the objects that the sync has applied and not yet pruned. It is
	// written before they are.
	// +optional
	Inventory *Inventory `json:"inventory,omitempty"`
	// conditions are Ready, Reconciling, Stalled and Healthy.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// AppliedCommit is one commit that was applied.
type AppliedCommit struct {
	// commit is its hash.
	Commit string `json:"commit"`
	// subject is the first line of its message.
	// +optional
	Subject string `json:"subject,omitempty"`
	// author as the commit says.
	// +optional
	Author string `json:"author,omitempty"`
	// signer is the principal whose signature was verified. Left out: none was asked
	// for.
	// +optional
	Signer string `json:"signer,omitempty"`
	// reviewers are the principals that signed the same tree.
	// +listType=atomic
	// +optional
	Reviewers []string `json:"reviewers,omitempty"`
	// rewritten says that the commit applied before is not among its ancestors: the
	// branch was force-pushed. Left out: false.
	// +optional
	Rewritten bool `json:"rewritten,omitempty"`
	// at is when it was applied.
	At metav1.Time `json:"at"`
}

// Inventory lists objects.
type Inventory struct {
	// entries are in order of id.
	// +listType=map
	// +listMapKey=id
	Entries []InventoryEntry `json:"entries"`
}

// InventoryEntry is one object, written small since there may be thousands.
type InventoryEntry struct {
	// id is <namespace>_<name>_<group>_<kind>; a ":" in a name stands as "__".
	ID string `json:"id"`
	// v is the API version that it was applied in.
	Version string `json:"v"`
}
