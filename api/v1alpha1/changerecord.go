package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ChangeRecord is the durable memory of one attempt to change the cluster
// around git. It is cluster-scoped, so that deleting a namespace deletes no
// evidence. Gitlatch alone writes it, save status.review.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=crec,categories=gitlatch
// +kubebuilder:printcolumn:name="Outcome",type=string,JSONPath=`.spec.outcome`
// +kubebuilder:printcolumn:name="User",type=string,JSONPath=`.spec.requester.username`
// +kubebuilder:printcolumn:name="Verb",type=string,JSONPath=`.spec.request.operation`
// +kubebuilder:printcolumn:name="Kind",type=string,JSONPath=`.spec.request.kind`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.request.namespace`
// +kubebuilder:printcolumn:name="Target",type=string,JSONPath=`.spec.request.name`
// +kubebuilder:printcolumn:name="Count",type=integer,JSONPath=`.status.count`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Review",type=string,JSONPath=`.status.review.verdict`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.spec.reason`
// +kubebuilder:printcolumn:name="Policy",type=string,priority=1,JSONPath=`.spec.policy`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ChangeRecord struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what happened. It never changes.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a record of what happened does not change"
	Spec ChangeRecordSpec `json:"spec"`
	// status is what became of it.
	// +optional
	Status ChangeRecordStatus `json:"status,omitempty"`
}

// ChangeRecordList is a list of records.
//
// +kubebuilder:object:root=true
type ChangeRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ChangeRecord `json:"items"`
}

// Outcome is what the gate, or whoever noticed, made of the attempt.
// +kubebuilder:validation:Enum=Denied;Flagged;BreakGlass;Drift;Bypass;Tampered
type Outcome string

const (
	OutcomeDenied     Outcome = "Denied"
	OutcomeFlagged    Outcome = "Flagged"
	OutcomeBreakGlass Outcome = "BreakGlass"
	OutcomeDrift      Outcome = "Drift"
	OutcomeBypass     Outcome = "Bypass"
	OutcomeTampered   Outcome = "Tampered"
)

// Evidence is the witness of a record.
// +kubebuilder:validation:Enum=Admission;AuditLog;ManagedFields;Watch
type Evidence string

const (
	EvidenceAdmission     Evidence = "Admission"
	EvidenceAuditLog      Evidence = "AuditLog"
	EvidenceManagedFields Evidence = "ManagedFields"
	EvidenceWatch         Evidence = "Watch"
)

// Confidence says how sure the witness is of the requester.
// +kubebuilder:validation:Enum=Proven;Indicated
type Confidence string

const (
	ConfidenceProven    Confidence = "Proven"
	ConfidenceIndicated Confidence = "Indicated"
)

// ChangeRecordSpec is who tried what, on what, and what was answered.
type ChangeRecordSpec struct {
	// outcome is what was made of the attempt.
	Outcome Outcome `json:"outcome"`
	// class of the decision table that decided.
	// +optional
	Class Class `json:"class,omitempty"`
	// reason is the stable word of the decision.
	// +optional
	Reason Reason `json:"reason,omitempty"`
	// policy that decided. Left out: a rule that is built in.
	// +optional
	Policy string `json:"policy,omitempty"`
	// requester is who tried, as the API server authenticated them.
	// +optional
	Requester Requester `json:"requester,omitempty"`
	// request is what they tried.
	Request RecordedRequest `json:"request"`
	// target is the object as it was before. Left out: it did not exist, or was not
	// shown.
	// +optional
	Target *Target `json:"target,omitempty"`
	// changes lists what differs, redacted, and cut so that the record stays under
	// 8 KiB. Left out: nothing to compare.
	// +listType=atomic
	// +optional
	Changes []Change `json:"changes,omitempty"`
	// changesOmitted counts the changes that were cut. Left out: none.
	// +optional
	ChangesOmitted int32 `json:"changesOmitted,omitempty"`
	// folded says that this record stands for many targets of one requester,
	// resource and namespace, which came faster than the budget allows; see
	// status.count and status.sample. Left out: false.
	// +optional
	Folded bool `json:"folded,omitempty"`
	// evidence is the witness.
	Evidence Evidence `json:"evidence"`
	// confidence says how sure it is.
	Confidence Confidence `json:"confidence"`
	// breakGlass is the window under which the write was admitted. Left out: none.
	// +optional
	BreakGlass *RecordedWindow `json:"breakGlass,omitempty"`
	// message is what the requester was told, without values. Left out: nothing.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`
}

// Requester is the user of a request.
type Requester struct {
	// username as authenticated.
	// +optional
	Username string `json:"username,omitempty"`
	// uid as authenticated. Left out: the authenticator gives none.
	// +optional
	UID string `json:"uid,omitempty"`
	// groups as authenticated.
	// +listType=atomic
	// +optional
	Groups []string `json:"groups,omitempty"`
	// extra as authenticated, cut where long.
	// +optional
	Extra map[string][]string `json:"extra,omitempty"`
}

// RecordedRequest is the attempted act.
type RecordedRequest struct {
	// uid of the admission review that was recorded first.
	// +optional
	UID types.UID `json:"uid,omitempty"`
	// operation is CREATE, UPDATE, DELETE or CONNECT.
	// +optional
	Operation string `json:"operation,omitempty"`
	// group, version and resource of the target, and the subresource if any.
	// +optional
	Group string `json:"group,omitempty"`
	// +optional
	Version string `json:"version,omitempty"`
	// +optional
	Resource string `json:"resource,omitempty"`
	// +optional
	Subresource string `json:"subresource,omitempty"`
	// kind of the target; of the options for a CONNECT.
	// +optional
	Kind string `json:"kind,omitempty"`
	// namespace of the target. Left out: cluster-scoped.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// name of the target; "prefix*" where the API server generates it (then
	// status.name completes it), and "*" on a folded record.
	// +optional
	Name string `json:"name,omitempty"`
	// fieldManager that the client named. Left out: it named none.
	// +optional
	FieldManager string `json:"fieldManager,omitempty"`
}

// Target is the state of the object that was to be changed.
type Target struct {
	// +optional
	UID types.UID `json:"uid,omitempty"`
	// +optional
	ResourceVersion string `json:"resourceVersion,omitempty"`
	// +optional
	Generation int64 `json:"generation,omitempty"`
}

// Change is one field that differs.
type Change struct {
	// path from the root of the object, such as
	// .spec.template.spec.containers[name="web"].image
	Path string `json:"path"`
	// from is the old value as JSON, redacted and cut. Left out: the field was not
	// there.
	// +optional
	From string `json:"from,omitempty"`
	// to is the new value as JSON, redacted and cut. Left out: the field is gone.
	// +optional
	To string `json:"to,omitempty"`
}

// WindowScope is what a break-glass window covers.
// +kubebuilder:validation:Enum=Object;Namespace
type WindowScope string

const (
	WindowObject    WindowScope = "Object"
	WindowNamespace WindowScope = "Namespace"
)

// RecordedWindow is a break-glass window: user, target, reason, end.
type RecordedWindow struct {
	// reason that the user gave.
	Reason string `json:"reason"`
	// until is when it ends at the latest.
	Until metav1.Time `json:"until"`
	// scope is the one object, or everything in the namespace.
	Scope WindowScope `json:"scope"`
	// window names the record that opened the window, on records of writes inside
	// it. Left out: this record opened it.
	// +optional
	Window string `json:"window,omitempty"`
}

// Phase is where a record stands.
// +kubebuilder:validation:Enum=Denied;Admitted;Observed;NotPersisted;Unconfirmed;Resolved;Closed
type Phase string

const (
	// PhaseDenied: the write was refused.
	PhaseDenied Phase = "Denied"
	// PhaseAdmitted: let through; whether it was stored is not known (yet, or, for
	// what leaves nothing to read, ever).
	PhaseAdmitted Phase = "Admitted"
	// PhaseObserved: the change is stored.
	PhaseObserved Phase = "Observed"
	// PhaseNotPersisted: a later webhook, a conflict or a quota stopped it.
	PhaseNotPersisted Phase = "NotPersisted"
	// PhaseUnconfirmed: neither could be told.
	PhaseUnconfirmed Phase = "Unconfirmed"
	// PhaseResolved: the target matches git again.
	PhaseResolved Phase = "Resolved"
	// PhaseClosed: reviewed, or closed by age.
	PhaseClosed Phase = "Closed"
)

// ChangeRecordStatus is what became of an attempt.
type ChangeRecordStatus struct {
	// count is how often it was tried, over all replicas of the gate.
	// +optional
	Count int64 `json:"count,omitempty"`
	// counts is the share of each replica, so that none writes over another's.
	// +listType=map
	// +listMapKey=replica
	// +optional
	Counts []ReplicaCount `json:"counts,omitempty"`
	// firstSeen and lastSeen are the times of the first and the last attempt.
	// +optional
	FirstSeen metav1.MicroTime `json:"firstSeen,omitempty"`
	// +optional
	LastSeen metav1.MicroTime `json:"lastSeen,omitempty"`
	// sample lists some of the targets of a folded record.
	// +kubebuilder:validation:MaxItems=20
	// +listType=set
	// +optional
	Sample []string `json:"sample,omitempty"`
	// name is what the API server generated where spec.request.name is a prefix.
	// +optional
	Name string `json:"name,omitempty"`
	// phase is where the record stands.
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// window is how a break-glass window ended. Left out: it is open, or the record
	// opened none.
	// +optional
	Window *WindowEnd `json:"window,omitempty"`
	// resolution is how the target came to match git again. Left out: not yet.
	// +optional
	Resolution *Resolution `json:"resolution,omitempty"`
	// review is a second person's verdict. Left out: not yet.
	// +optional
	Review *Review `json:"review,omitempty"`
}

// ReplicaCount is one replica's count.
type ReplicaCount struct {
	// replica is the pod's name.
	Replica string `json:"replica"`
	// count of attempts that this replica saw.
	Count int64 `json:"count"`
}

// WindowEndReason says why a window ended.
// +kubebuilder:validation:Enum=Expired;Removed
type WindowEndReason string

const (
	// WindowExpired: its time was over.
	WindowExpired WindowEndReason = "Expired"
	// WindowRemoved: the annotation was taken away, or the namespace that carried it
	// deleted.
	WindowRemoved WindowEndReason = "Removed"
)

// WindowEnd is how a break-glass window ended.
type WindowEnd struct {
	// at is when.
	At metav1.MicroTime `json:"at"`
	// reason is why.
	Reason WindowEndReason `json:"reason"`
	// differs says whether the target still differed from its state before the
	// window when it closed. Left out: it could not be told.
	// +optional
	Differs *bool `json:"differs,omitempty"`
	// message says the same for people.
	// +optional
	Message string `json:"message,omitempty"`
}

// ResolutionState says how a target came to match git again.
// +kubebuilder:validation:Enum=Reverted;Committed;Accepted
type ResolutionState string

const (
	ResolutionReverted  ResolutionState = "Reverted"
	ResolutionCommitted ResolutionState = "Committed"
	ResolutionAccepted  ResolutionState = "Accepted"
)

// Resolution is how a target came to match git again.
type Resolution struct {
	// state is Reverted (the applier pulled it back), Committed (git caught up) or
	// Accepted (by review, where git declares nothing).
	State ResolutionState `json:"state"`
	// commit that the target matches. Left out: none is known.
	// +optional
	Commit string `json:"commit,omitempty"`
	// at is when.
	At metav1.Time `json:"at"`
}

// ReviewVerdict is a reviewer's answer.
// +kubebuilder:validation:Enum=Approved;Rejected
type ReviewVerdict string

const (
	ReviewApproved ReviewVerdict = "Approved"
	ReviewRejected ReviewVerdict = "Rejected"
)

// Review is a second person's verdict.
type Review struct {
	// verdict is Approved or Rejected.
	Verdict ReviewVerdict `json:"verdict"`
	// reviewer is written by the gate from the request, whatever was sent.
	// +optional
	Reviewer string `json:"reviewer,omitempty"`
	// comment is the reviewer's. Left out: none.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Comment string `json:"comment,omitempty"`
	// at is written by the gate, whatever was sent.
	// +optional
	At metav1.Time `json:"at,omitempty"`
}
