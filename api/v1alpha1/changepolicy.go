package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ChangePolicy says who may write what. Every policy that matches a request is
// asked, and the strictest answer wins.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=cpol,categories=gitlatch
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Objects",type=string,JSONPath=`.spec.objects`
// +kubebuilder:printcolumn:name="Fields",type=string,JSONPath=`.spec.fields`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ChangePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the policy governs and how.
	Spec ChangePolicySpec `json:"spec"`
	// status is what the gate made of it. Written by Gitlatch alone.
	// +optional
	Status ChangePolicyStatus `json:"status,omitempty"`
}

// ChangePolicyList is a list of policies.
//
// +kubebuilder:object:root=true
type ChangePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ChangePolicy `json:"items"`
}

// Mode is what becomes of an out-of-band write.
// +kubebuilder:validation:Enum=Enforce;Warn;Audit
type Mode string

const (
	// ModeEnforce denies and records.
	ModeEnforce Mode = "Enforce"
	// ModeWarn admits, warns the client, and records first.
	ModeWarn Mode = "Warn"
	// ModeAudit admits and records first.
	ModeAudit Mode = "Audit"
)

// Scope is how much of a thing is guarded.
// +kubebuilder:validation:Enum=All;Declared
type Scope string

const (
	// ScopeAll guards everything that matches.
	ScopeAll Scope = "All"
	// ScopeDeclared guards only what git declared.
	ScopeDeclared Scope = "Declared"
)

// ControllerRule is what pod-bound service accounts may do.
// +kubebuilder:validation:Enum=Undeclared;None
type ControllerRule string

const (
	// ControllersUndeclared lets them write what git did not declare.
	ControllersUndeclared ControllerRule = "Undeclared"
	// ControllersNone judges them as persons.
	ControllersNone ControllerRule = "None"
)

// Verdict is what becomes of an operation. Under Warn and Audit a Deny is only
// recorded.
// +kubebuilder:validation:Enum=Allow;Flag;Deny
type Verdict string

const (
	VerdictAllow Verdict = "Allow"
	VerdictFlag  Verdict = "Flag"
	VerdictDeny  Verdict = "Deny"
)

// FailureRule is what becomes of a flagged write whose record can't be written.
// +kubebuilder:validation:Enum=Deny;Admit
type FailureRule string

const (
	FailureDeny  FailureRule = "Deny"
	FailureAdmit FailureRule = "Admit"
)

// ChangePolicySpec is what is governed, and by which rules.
type ChangePolicySpec struct {
	// mode is what becomes of an out-of-band write: Enforce denies it, Warn admits
	// it with a warning to the client, Audit admits it silently. All three record
	// it. It has no default: whoever writes a policy says which one they mean.
	Mode Mode `json:"mode"`
	// match is what the policy governs. Left out: everything.
	// +optional
	Match Match `json:"match,omitempty"`
	// objects is All (nobody but git writes what matches) or Declared (only
	// objects that git declared are guarded). Left out: All.
	// +kubebuilder:default=All
	// +optional
	Objects Scope `json:"objects,omitempty"`
	// fields is All (every field of a guarded object) or Declared (only the fields
	// that a field manager of a sync identity owns). Left out: All.
	// +kubebuilder:default=All
	// +optional
	Fields Scope `json:"fields,omitempty"`
	// sync lists who carries git's changes. At least one: a policy without one
	// would lock git out as well.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	Sync []SyncIdentity `json:"sync"`
	// steering lists the resources that tell a sync identity what to apply, such as
	// Flux's Kustomization. They are guarded whole, as declared. Left out: none.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	Steering []ResourceRule `json:"steering,omitempty"`
	// trusted lists subjects with a named, limited right on declared objects, such
	// as the injector of a CA bundle. Left out: none.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Trusted []TrustedSubject `json:"trusted,omitempty"`
	// controllers is Undeclared (a pod-bound service account may write what git did
	// not declare) or None (it is judged as a person). Left out: Undeclared.
	// +kubebuilder:default=Undeclared
	// +optional
	Controllers ControllerRule `json:"controllers,omitempty"`
	// untrustedControllers lists pod-bound service accounts that are judged as
	// persons, such as those of continuous-integration runners. Left out: none.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	UntrustedControllers []AccountMatch `json:"untrustedControllers,omitempty"`
	// operations says what becomes of acts that change no declared state. Left
	// out: the default of each.
	// +kubebuilder:default={}
	// +optional
	Operations Operations `json:"operations,omitempty"`
	// breakGlass is who may make an emergency exception, and how. Left out: nobody.
	// +optional
	BreakGlass *BreakGlass `json:"breakGlass,omitempty"`
	// onRecordFailure is what becomes of a flagged write whose record can't be
	// written: Deny or Admit. Left out: Deny under Enforce, Admit under Warn and
	// Audit. Break-glass without a record is always refused.
	// +optional
	OnRecordFailure FailureRule `json:"onRecordFailure,omitempty"`
	// redact lists names of fields whose values never enter a record, at any depth,
	// in any kind, such as "password". An item of a list that bears one as its name
	// keeps its value out as well, such as the environment variable DB_PASSWORD.
	// Upper and lower case are the same. Secrets are redacted without it. Left out:
	// none.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +listType=set
	// +optional
	Redact []string `json:"redact,omitempty"`
}

// Match is what a policy governs. Every field narrows; leaving one out means
// all.
type Match struct {
	// namespaceSelector selects namespaces by label. A namespace is judged on its
	// old and its new labels, so that relabelling is no way out. Cluster-scoped
	// objects other than namespaces are not affected. Left out: all.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// excludeNamespaces lists namespaces, by name, that are not governed. Left out:
	// none.
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +listType=set
	// +optional
	ExcludeNamespaces []string `json:"excludeNamespaces,omitempty"`
	// clusterScoped says whether cluster-scoped objects are governed. Left out:
	// true.
	// +kubebuilder:default=true
	// +optional
	ClusterScoped *bool `json:"clusterScoped,omitempty"`
	// resources lists what is governed. Left out: every resource of every group.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Resources []ResourceRule `json:"resources,omitempty"`
	// excludeResources lists what is not governed, and wins over resources. Left
	// out: none.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	ExcludeResources []ResourceRule `json:"excludeResources,omitempty"`
	// objectSelector selects objects by label, judged on the old and the new
	// object: a request is governed if either matches. A request whose object has
	// no labels of its own (Scale, Eviction, exec) is governed. Left out: all.
	// +optional
	ObjectSelector *metav1.LabelSelector `json:"objectSelector,omitempty"`
}

// ResourceRule names resources; a subresource belongs to its resource.
type ResourceRule struct {
	// apiGroups lists API groups; "" is the core group, "*" is all.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^(\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?|)$`
	// +listType=set
	APIGroups []string `json:"apiGroups"`
	// resources lists resources by plural name, without subresource; "*" is all.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:Pattern=`^(\*|[a-z0-9]([-a-z0-9.]*[a-z0-9])?)$`
	// +listType=set
	Resources []string `json:"resources"`
}
