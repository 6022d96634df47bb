package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	// review is a second person's verdict, and what was said on the way. Left out: not
	// yet.
	// +optional
	Review *Review `json:"review,omitempty"`
	// gap is how a gap ended, and what was found to have passed through it. Left out:
	// it is open, or the record is of something else.
	// +optional
	Gap *GapEnd `json:"gap,omitempty"`
	// notified lists the receivers that were told of the record. Left out: none.
	// +listType=map
	// +listMapKey=receiver
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Notified []Notified `json:"notified,omitempty"`
}

// GapEnd is how a gap ended.
type GapEnd struct {
	// at is when the gate was seen in the expected state again.
	At metav1.MicroTime `json:"at"`
	// audited is when the gap's bypass review was complete. Left out: not yet.
	// +optional
	Audited *metav1.Time `json:"audited,omitempty"`
	// findings counts the bypasses that it found; each has a record of its own.
	// +optional
	Findings int32 `json:"findings,omitempty"`
}

// Notified is a receiver that was told.
type Notified struct {
	// receiver is the name that the reporter's configuration gives it.
	// +kubebuilder:validation:MaxLength=63
	Receiver string `json:"receiver"`
	// at is when it took the notification.
	At metav1.Time `json:"at"`
	// endAt is when it took the notification that a gap has ended. Left out: not yet, or
	// the record is of something else.
	// +optional
	EndAt *metav1.Time `json:"endAt,omitempty"`
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

// Review is a second person's verdict, and what was said on the way to it.
type Review struct {
	// verdict is Approved or Rejected. Left out: comments only, the record still waits.
	// +optional
	Verdict ReviewVerdict `json:"verdict,omitempty"`
	// reviewer is who gave the verdict, written by the gate from the request, whatever
	// was sent.
	// +optional
	Reviewer string `json:"reviewer,omitempty"`
	// comment is the reviewer's on the verdict. Left out: none.
	// +kubebuilder:validation:MaxLength=4096
	// +optional
	Comment string `json:"comment,omitempty"`
	// at is when the verdict was given, written by the gate, whatever was sent.
	// +optional
	At metav1.Time `json:"at,omitempty"`
	// comments are what people said without a verdict, oldest first. They are added to,
	// and never changed.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Comments []ReviewComment `json:"comments,omitempty"`
}

// ReviewComment is what somebody said of a record.
type ReviewComment struct {
	// author is written by the gate from the request, whatever was sent.
	// +optional
	Author string `json:"author,omitempty"`
	// text of the comment.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Text string `json:"text"`
	// at is written by the gate, whatever was sent.
	// +optional
	At metav1.Time `json:"at,omitempty"`
}
