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
	// origin is from where the request came, as the audit log tells. Left out: the
	// witness does not know.
	// +optional
	Origin *Origin `json:"origin,omitempty"`
	// gap is the time in which the gate was not in the state that it should be in.
	// Left out: the record is of something else.
	// +optional
	Gap *Gap `json:"gap,omitempty"`
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

// Origin is where a request came from.
type Origin struct {
	// sourceIPs, the nearest last, as the API server saw them.
	// +kubebuilder:validation:MaxItems=8
	// +listType=atomic
	// +optional
	SourceIPs []string `json:"sourceIPs,omitempty"`
	// userAgent as the client named itself, cut at 256 bytes.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	UserAgent string `json:"userAgent,omitempty"`
	// impersonator is who made the request under the requester's name. Left out: the
	// requester did.
	// +optional
	Impersonator string `json:"impersonator,omitempty"`
}

// GateState is what the gate does to a change around git.
// +kubebuilder:validation:Enum=Enforcing;Auditing;Off;Failing
type GateState string

const (
	// GateEnforcing: it is denied.
	GateEnforcing GateState = "Enforcing"
	// GateAuditing: it is recorded; no policy enforces.
	GateAuditing GateState = "Auditing"
	// GateOff: somebody switched the gate off, and said so.
	GateOff GateState = "Off"
	// GateFailing: the gate was not asked, did not answer, or not in every place.
	GateFailing GateState = "Failing"
)

// Gap is a time in which the gate was not in the state that it should be in. Its end
// is status.gap.
type Gap struct {
	// state that the gate was in.
	State GateState `json:"state"`
	// expected is the state that it should have been in.
	Expected GateState `json:"expected"`
	// since is when it was last seen in the expected state, or, where it never was, when
	// the other was seen first.
	Since metav1.MicroTime `json:"since"`
	// cause is a stable word for what was found: see the Cause constants of
	// reporter/heartbeat.
	// +optional
	Cause string `json:"cause,omitempty"`
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
	// .spec.template.spec.containers[name="web"].image; "…" stands for declared
	// fields that did not fit.
	Path string `json:"path"`
	// from is the old value as JSON, redacted and cut. Left out: the field was not
	// there.
	// +optional
	From string `json:"from,omitempty"`
	// to is the new value as JSON, redacted and cut. Left out: the field is gone.
	// +optional
	To string `json:"to,omitempty"`
	// declared says that git declared the field, or part of it. It stays guarded
	// while the record is unresolved. Left out: false.
	// +optional
	Declared bool `json:"declared,omitempty"`
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
