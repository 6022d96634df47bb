package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Account names a service account.
type Account struct {
	// namespace of the account.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace"`
	// name of the account.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// AccountMatch names one service account, or all of a namespace.
type AccountMatch struct {
	// namespace of the accounts.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Namespace string `json:"namespace"`
	// name of the account. Left out: every account of the namespace.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Name string `json:"name,omitempty"`
}

// Subject is exactly one of a service account, a user and a group.
type Subject struct {
	// serviceAccount names a service account.
	// +optional
	ServiceAccount *Account `json:"serviceAccount,omitempty"`
	// user is an exact user name that is no service account's.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	User string `json:"user,omitempty"`
	// group is an exact group name.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Group string `json:"group,omitempty"`
	// podBound says whether the service account must present a token that is bound
	// to a pod; the name alone proves nothing. Left out: true. With false, any token
	// of the account that shows a credential id is accepted, a minted one too. The
	// token of a Secret (the legacy kind) shows none and is never accepted; a sync
	// identity that has no other needs impersonated: true.
	// +kubebuilder:default=true
	// +optional
	PodBound *bool `json:"podBound,omitempty"`
}

// SyncIdentity is a requester that carries git's changes.
// +kubebuilder:validation:XValidation:rule="(has(self.serviceAccount) ? 1 : 0) + (has(self.user) && size(self.user) > 0 ? 1 : 0) + (has(self.group) && size(self.group) > 0 ? 1 : 0) == 1",message="exactly one of serviceAccount, user and group"
// +kubebuilder:validation:XValidation:rule="!has(self.user) || !self.user.startsWith('system:serviceaccount:')",message="name a service account under serviceAccount, where its token is checked"
// +kubebuilder:validation:XValidation:rule="!has(self.group) || !(self.group in ['system:authenticated', 'system:unauthenticated', 'system:masters', 'system:serviceaccounts'])",message="a group that everybody is in, or system:masters, would let every write through"
type SyncIdentity struct {
	Subject `json:",inline"`
	// fieldManagers lists the field managers that this identity writes under. What
	// they own, outside of status, is what git declared.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	// +listType=set
	FieldManagers []string `json:"fieldManagers"`
	// impersonated accepts the service account by its name alone, for a tool that
	// impersonates its tenants. Weaker: whoever may impersonate the account passes.
	// Left out: false.
	// +optional
	Impersonated bool `json:"impersonated,omitempty"`
}

// TrustedSubject may change the named fields of the named resources.
// +kubebuilder:validation:XValidation:rule="(has(self.serviceAccount) ? 1 : 0) + (has(self.user) && size(self.user) > 0 ? 1 : 0) + (has(self.group) && size(self.group) > 0 ? 1 : 0) == 1",message="exactly one of serviceAccount, user and group"
// +kubebuilder:validation:XValidation:rule="!has(self.user) || !self.user.startsWith('system:serviceaccount:')",message="name a service account under serviceAccount, where its token is checked"
type TrustedSubject struct {
	Subject `json:",inline"`
	// resources lists what the subject may change.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	Resources []ResourceRule `json:"resources"`
	// fields lists what it may change there: dotted paths from the root of the
	// object, "[*]" for every item of a list, such as
	// "webhooks[*].clientConfig.caBundle". A path covers what is below it. Left out:
	// every field, creation and deletion included.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	// +listType=set
	// +optional
	Fields []string `json:"fields,omitempty"`
}

// Operations says what becomes of acts that change no declared state.
type Operations struct {
	// evict is pods/eviction. Left out: Allow.
	// +kubebuilder:default=Allow
	// +optional
	Evict Verdict `json:"evict,omitempty"`
	// deletePod is the deletion of a pod that a controller owns. Left out: Flag.
	// +kubebuilder:default=Flag
	// +optional
	DeletePod Verdict `json:"deletePod,omitempty"`
	// cordon is a change of nothing but a node's spec.unschedulable and its taint.
	// Left out: Flag.
	// +kubebuilder:default=Flag
	// +optional
	Cordon Verdict `json:"cordon,omitempty"`
	// restart is a change of nothing but kubectl.kubernetes.io/restartedAt in a pod
	// template. Left out: Flag.
	// +kubebuilder:default=Flag
	// +optional
	Restart Verdict `json:"restart,omitempty"`
	// reconcile is a change of nothing but the annotations that ask Flux, Argo CD or
	// Gitlatch to sync now. Left out: Allow.
	// +kubebuilder:default=Allow
	// +optional
	Reconcile Verdict `json:"reconcile,omitempty"`
	// suspend is a change of nothing but the fields that pause Flux, Argo CD or
	// Gitlatch. Left out: Flag.
	// +kubebuilder:default=Flag
	// +optional
	Suspend Verdict `json:"suspend,omitempty"`
	// exec is exec, attach and port-forward. Left out: Flag.
	// +kubebuilder:default=Flag
	// +optional
	Exec Verdict `json:"exec,omitempty"`
	// proxy is the proxy of pods, services and nodes. Left out: Allow.
	// +kubebuilder:default=Allow
	// +optional
	Proxy Verdict `json:"proxy,omitempty"`
	// ephemeralContainers is a debug container in a running pod. Left out: Deny.
	// +kubebuilder:default=Deny
	// +optional
	EphemeralContainers Verdict `json:"ephemeralContainers,omitempty"`
}

// BreakGlass is who may make an emergency exception, and how.
type BreakGlass struct {
	// allowedGroups lists the groups whose members may. Required, since the wildcard
	// of cluster-admin holds every verb, so that the verb "breakglass" alone would be
	// no list. Both are asked for.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:XValidation:rule="!self.exists(g, g in ['system:authenticated', 'system:unauthenticated', 'system:serviceaccounts'])",message="a group that everybody is in is no list"
	// +listType=set
	AllowedGroups []string `json:"allowedGroups"`
	// maxDuration is the longest window, and the default one. Left out: 1h.
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="between 1s and 168h"
	// +optional
	MaxDuration metav1.Duration `json:"maxDuration,omitempty"`
	// reasonPattern is a regular expression (RE2) that the reason must match. Left
	// out: any reason of at least ten characters.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="'x'.matches(self) in [true, false]",message="a regular expression in RE2 syntax"
	// +optional
	ReasonPattern string `json:"reasonPattern,omitempty"`
}

// ChangePolicyStatus is what the gate made of a policy.
type ChangePolicyStatus struct {
	// observedGeneration is the generation that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready is True when the API server sends the gate what this policy
	// governs.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ConditionReady of a policy is its one condition: it says that the policy works. On a
// sync it says that the commit is applied.
const ConditionReady = "Ready"
