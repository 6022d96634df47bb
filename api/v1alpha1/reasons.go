package v1alpha1

// Class is the answer to "what kind of write is this?". The classes are asked
// in the order of the decision table; the first that fits decides.
type Class string

const (
	// ClassUngoverned: no policy governs the request.
	ClassUngoverned Class = "ungoverned"
	ClassOwn        Class = "own"
	ClassSync       Class = "sync"
	ClassCredential Class = "credential"
	ClassSystem     Class = "system"
	ClassUnchanged  Class = "unchanged"
	ClassTrusted    Class = "trusted"
	ClassFinalizer  Class = "finalizer"
	ClassStatus     Class = "status"
	ClassController Class = "controller"
	ClassOperation  Class = "operation"
	ClassBreakGlass Class = "break-glass"
	ClassOutOfBand  Class = "out-of-band"
	// ClassReview: a reviewer sets status.review of somebody else's record.
	ClassReview Class = "review"
	// ClassCanary: the question whether the gate denies, see policy.CanaryGate.
	ClassCanary Class = "canary"
)

// Reason is the short, stable word at the head of a denial or a flag. Alerts,
// tests and people's scripts may rely on it.
type Reason string

const (
	// ReasonOutOfBand: a write by somebody other than git.
	ReasonOutOfBand Reason = "OutOfBand"
	// ReasonCredential: a way to become an identity that the gate lets through.
	ReasonCredential Reason = "Credential"
	// ReasonForged: a sync field manager's name, its entries, a tracking mark or a
	// key of Gitlatch's own, written by somebody whom it does not belong to.
	ReasonForged Reason = "Forged"
	// ReasonOperation: an act that changes no declared state, denied or flagged
	// by the policy.
	ReasonOperation Reason = "Operation"
	// ReasonBuiltIn: an object that keeps the gate itself standing.
	ReasonBuiltIn Reason = "BuiltIn"
	// ReasonSelfReview: nobody reviews their own change.
	ReasonSelfReview Reason = "SelfReview"
	// ReasonInvalidReview: a verdict that is taken back, a comment that is changed, or
	// something else that a review can't be.
	ReasonInvalidReview Reason = "InvalidReview"
	// ReasonInvalidPolicy: a policy that can't work.
	ReasonInvalidPolicy Reason = "InvalidPolicy"
	// ReasonBreakGlass: admitted by an open window.
	ReasonBreakGlass Reason = "BreakGlass"
	// ReasonBreakGlassDisabled: no policy that governs the target has break-glass.
	ReasonBreakGlassDisabled Reason = "BreakGlassDisabled"
	// ReasonBreakGlassUnauthorized: not in the allowed groups, or without the verb
	// "breakglass" on the target's resource.
	ReasonBreakGlassUnauthorized Reason = "BreakGlassUnauthorized"
	// ReasonBreakGlassReason: the reason is missing or not of the asked form.
	ReasonBreakGlassReason Reason = "BreakGlassReason"
	// ReasonBreakGlassDuration: not a duration, or longer than the maximum.
	ReasonBreakGlassDuration Reason = "BreakGlassDuration"
	// ReasonBreakGlassUnrecorded: the record could not be written.
	ReasonBreakGlassUnrecorded Reason = "BreakGlassUnrecorded"
	// ReasonUnrecorded: a flagged write whose record could not be written.
	ReasonUnrecorded Reason = "Unrecorded"
	// ReasonUndecided: the gate could not tell: a review that it can't read, a
	// look-up that failed or took too long, load that it had to shed.
	ReasonUndecided Reason = "Undecided"
	// ReasonDrift: a live object was not as git declares it.
	ReasonDrift Reason = "Drift"
	// ReasonTakeover: people owned fields of an object that git declares.
	ReasonTakeover Reason = "Takeover"
	// ReasonFight: somebody kept writing what the applier kept pulling back.
	ReasonFight Reason = "Fight"
	// ReasonHistoryRewritten: the commit that was applied last is not among the
	// ancestors of the one that follows it.
	ReasonHistoryRewritten Reason = "HistoryRewritten"
	// ReasonCanary: the reporter's own question whether the gate denies.
	ReasonCanary Reason = "Canary"
	// ReasonNotEnforcing: the gate was not in the state that it should be in.
	ReasonNotEnforcing Reason = "NotEnforcing"
	// ReasonUnguarded: the API server's audit log has a write around git of which the
	// gate was not asked.
	ReasonUnguarded Reason = "Unguarded"
	// ReasonFailedOpen: the API server asked the gate, got no answer, and let the
	// write through.
	ReasonFailedOpen Reason = "FailedOpen"
	// ReasonImpersonation: somebody acted under the name of an identity that the gate
	// lets through.
	ReasonImpersonation Reason = "Impersonation"
	// ReasonForeignManager: an object's managedFields name a field manager that is
	// neither a sync identity's nor one that a policy lets write.
	ReasonForeignManager Reason = "ForeignManager"
	// ReasonMissing: an object that git declares, and that was there, is gone.
	ReasonMissing Reason = "Missing"
	// ReasonErased: an object that git declares has no entry of its sync identity in
	// managedFields any more.
	ReasonErased Reason = "Erased"
)
