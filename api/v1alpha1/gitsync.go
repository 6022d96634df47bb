package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GitSync carries one folder of one git repository to the cluster, and keeps what
// it declares there as it is declared.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=gsync,categories=gitlatch
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Healthy",type=string,JSONPath=`.status.conditions[?(@.type=="Healthy")].status`
// +kubebuilder:printcolumn:name="Commit",type=string,JSONPath=`.status.lastAppliedCommit`
// +kubebuilder:printcolumn:name="Suspended",type=boolean,priority=1,JSONPath=`.spec.suspend`
// +kubebuilder:printcolumn:name="URL",type=string,priority=1,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Path",type=string,priority=1,JSONPath=`.spec.path`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 253",message="the name is too long"
type GitSync struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is read from where, and how it is applied.
	Spec GitSyncSpec `json:"spec"`
	// status is what came of it.
	// +optional
	Status GitSyncStatus `json:"status,omitempty"`
}

// GitSyncList is a list of syncs.
//
// +kubebuilder:object:root=true
type GitSyncList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GitSync `json:"items"`
}

// GitSyncSpec says what is read from where, and how it is applied.
type GitSyncSpec struct {
	// url of the repository: https, ssh or file. Credentials belong in secretRef, not
	// here. A file URL has to lie below a folder that the applier's flag
	// --allow-file-root names.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:XValidation:rule="self.matches('^(https|ssh|file)://.+')",message="must begin with https://, ssh:// or file://"
	// +kubebuilder:validation:XValidation:rule="!self.matches('^https://[^/]*@')",message="must not carry credentials: put them into the Secret that secretRef names"
	URL string `json:"url"`
	// ref is what is followed. Left out: the branch that the remote's HEAD names.
	// +optional
	Ref GitRef `json:"ref,omitempty"`
	// path of the folder below the repository's root. Left out: the root.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('/')",message="must be relative to the repository's root"
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(p, p == '..')",message="must not leave the repository: no '..'"
	// +optional
	Path string `json:"path,omitempty"`
	// interval at which the remote is asked for news, at least 1s; a push receiver or
	// the annotation gitlatch.dev/requestedAt makes it immediate. Left out: 1m.
	// +kubebuilder:default="1m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="must be at least 1s"
	// +optional
	Interval *metav1.Duration `json:"interval,omitempty"`
	// timeout bounds one run: fetch, render, apply; at most 1h. Left out: 5m.
	// +kubebuilder:default="5m"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="must be between 1s and 1h"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`
	// secretRef names a Secret in the sync's namespace with what the remote asks for:
	// username and password, or bearerToken; identity (a private key), its password
	// and known_hosts for ssh; ca.crt; tls.crt and tls.key. Left out: none.
	// +optional
	SecretRef *LocalReference `json:"secretRef,omitempty"`
	// verify asks for signatures and reviews. Left out: every commit is applied.
	// +optional
	Verify *Verification `json:"verify,omitempty"`
	// decryption says where the keys of SOPS files are. Left out: an encrypted file
	// fails the sync.
	// +optional
	Decryption *Decryption `json:"decryption,omitempty"`
	// helm says how a chart at the path is rendered. Left out: with its own values, as
	// a release named after the sync.
	// +optional
	Helm *HelmOptions `json:"helm,omitempty"`
	// prune deletes what left git. Left out: true.
	// +kubebuilder:default=true
	// +optional
	Prune *bool `json:"prune,omitempty"`
	// deletionPolicy says what becomes of the applied objects when the sync is
	// deleted: Prune deletes them, Orphan leaves them. Left out: Orphan.
	// +kubebuilder:default=Orphan
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`
	// force deletes and creates an object anew where an immutable field changed, and
	// only when the new one is proven creatable. Left out: false, such a change fails.
	// +optional
	Force bool `json:"force,omitempty"`
	// ignore lists fields that are left to others although git sets them: they are set
	// when the object is created, and not touched after. Left out: none.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	Ignore []IgnoreRule `json:"ignore,omitempty"`
	// serviceAccountName names a service account in the sync's namespace that the
	// applier impersonates for every call. Left out: the applier's own rights.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// dependsOn lists syncs that must be Ready first. Left out: none.
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	// +optional
	DependsOn []SyncReference `json:"dependsOn,omitempty"`
	// drift says what is done when an applied object no longer is as git declares it:
	// Correct pulls it back at once, Report only records it. Left out: Correct.
	// +kubebuilder:default=Correct
	// +optional
	Drift DriftMode `json:"drift,omitempty"`
	// receiver names a Secret in the sync's namespace whose key "token" authenticates
	// push notifications at /push/<namespace>/<name>. Left out: none are taken.
	// +optional
	Receiver *Receiver `json:"receiver,omitempty"`
	// suspend stops everything: no fetch, no apply, no correction. Left out: false.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// GitRef is what is followed; at most one of its fields is set.
//
// +kubebuilder:validation:XValidation:rule="[has(self.branch), has(self.tag), has(self.semver), has(self.commit)].filter(x, x).size() <= 1",message="set at most one of branch, tag, semver, commit"
type GitRef struct {
	// branch by name.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Branch string `json:"branch,omitempty"`
	// tag by name.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Tag string `json:"tag,omitempty"`
	// semver is a range, such as ">=1.2.0 <2.0.0": the tag with the highest version in
	// it.
	// +kubebuilder:validation:MaxLength=255
	// +optional
	Semver string `json:"semver,omitempty"`
	// commit by its full hash.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{40}$`
	// +optional
	Commit string `json:"commit,omitempty"`
}

// LocalReference names an object in the sync's namespace.
type LocalReference struct {
	// name of the object.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// SyncReference names another sync.
type SyncReference struct {
	// name of the sync.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// namespace of the sync. Left out: that of the sync that refers to it.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// VerifyMode says which commits must be signed.
// +kubebuilder:validation:Enum=HEAD;Range
type VerifyMode string

const (
	// VerifyHead: the commit that is applied.
	VerifyHead VerifyMode = "HEAD"
	// VerifyRange: every commit since the last applied one.
	VerifyRange VerifyMode = "Range"
)

// Verification asks for signatures and reviews.
type Verification struct {
	// allowedSigners names a ConfigMap in the sync's namespace. Its keys that end in
	// ".asc" or ".gpg" hold OpenPGP public keys, all others lines of OpenSSH's
	// allowed_signers (ssh-keygen(1), "ALLOWED SIGNERS").
	AllowedSigners LocalReference `json:"allowedSigners"`
	// mode is HEAD or Range. Left out: HEAD.
	// +kubebuilder:default=HEAD
	// +optional
	Mode VerifyMode `json:"mode,omitempty"`
	// minReviewers is how many distinct principals besides the author signed the same
	// tree: by a signed merge, or by a signed tag on it. Left out: 0.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	// +optional
	MinReviewers int32 `json:"minReviewers,omitempty"`
}

// Decryption says where the keys of SOPS files are.
type Decryption struct {
	// secretRef names a Secret in the sync's namespace. Its keys that end in ".agekey"
	// hold age identities, those that end in ".asc" OpenPGP private keys.
	SecretRef LocalReference `json:"secretRef"`
}

// HelmOptions say how a chart is rendered.
type HelmOptions struct {
	// releaseName is .Release.Name. Left out: the sync's name.
	// +kubebuilder:validation:MaxLength=53
	// +optional
	ReleaseName string `json:"releaseName,omitempty"`
	// namespace is .Release.Namespace. Left out: the sync's.
	// +kubebuilder:validation:MaxLength=63
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// valuesFiles are paths below the repository's root, or, beginning with "./",
	// below the chart; later ones win. They may be encrypted with SOPS. Left out: the chart's values.yaml alone.
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +optional
	ValuesFiles []string `json:"valuesFiles,omitempty"`
	// kubeVersion is what .Capabilities.KubeVersion says. Left out: the cluster's.
	// +kubebuilder:validation:MaxLength=32
	// +optional
	KubeVersion string `json:"kubeVersion,omitempty"`
}

// DeletionPolicy says what becomes of applied objects when their sync is deleted.
// +kubebuilder:validation:Enum=Prune;Orphan
type DeletionPolicy string

const (
	DeletionPrune  DeletionPolicy = "Prune"
	DeletionOrphan DeletionPolicy = "Orphan"
)

// DriftMode says what is done about drift.
// +kubebuilder:validation:Enum=Correct;Report
type DriftMode string

const (
	DriftCorrect DriftMode = "Correct"
	DriftReport  DriftMode = "Report"
)

// IgnoreRule leaves fields of some objects to others.
type IgnoreRule struct {
	// group of the objects. Left out: any.
	// +optional
	Group string `json:"group,omitempty"`
	// kind of the objects.
	// +kubebuilder:validation:MinLength=1
	Kind string `json:"kind"`
	// namespace of the objects. Left out: any.
	// +optional
	Namespace string `json:"namespace,omitempty"`
	// name of the object. Left out: any.
	// +optional
	Name string `json:"name,omitempty"`
	// fields are paths such as spec.replicas or
	// metadata.annotations["example.com/note"].
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +listType=atomic
	Fields []string `json:"fields"`
}

// Receiver authenticates push notifications.
type Receiver struct {
	// secretRef names a Secret in the sync's namespace with the key "token".
	SecretRef LocalReference `json:"secretRef"`
}
