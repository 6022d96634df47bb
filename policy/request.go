package policy

import (
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Operation is the operation of an AdmissionRequest.
type Operation string

const (
	Create  Operation = "CREATE"
	Update  Operation = "UPDATE"
	Delete  Operation = "DELETE"
	Connect Operation = "CONNECT"
)

// User is a requester, as the API server authenticated them.
type User struct {
	Name   string
	UID    string
	Groups []string
	Extra  map[string][]string
}

// Request is one admission request, decoded. Objects are unstructured and are
// never changed by this package.
type Request struct {
	UID         types.UID
	User        User
	Operation   Operation
	Resource    schema.GroupVersionResource
	Kind        schema.GroupVersionKind
	Subresource string
	Namespace   string // "" for cluster-scoped; for a Namespace, its own name
	// Name of the target: the request's, else the object's, else the old object's,
	// else "prefix*" where it will be generated.
	Name string
	// FieldManager that the client named in its options; "" when it named none.
	FieldManager string
	DryRun       bool
	// Object and Old are nil where the request carries none. For CONNECT, Object
	// holds the options.
	Object map[string]any
	Old    map[string]any
	// Final says that this is the validating call: every mutation is done. The old
	// object of a /scale carries no managedFields then, see Facts.Parent.
	Final bool
}

// Facts are what the caller looked up. The zero value knows nothing, and what
// is not known never allows.
type Facts struct {
	// Now is the time of the decision.
	Now time.Time
	// Install is what Gitlatch itself consists of.
	Install Installation
	// NamespaceLabels are the labels of the request's namespace; nil: not known.
	NamespaceLabels map[string]string
	// Windows are the open break-glass windows that the caller knows of; those of
	// other users or targets do no harm.
	Windows []Window
	// WindowsLive says that Windows were read from the API server for this request,
	// so that none which another replica opened is missing.
	WindowsLive bool
	// Guarded are the paths of unresolved records of the target: an admitted change
	// takes a path out of the sync's managedFields, and it stays guarded until the
	// sync owns it again. Paths are as in [Change].
	Guarded []string
	// Pod is the pod that a CONNECT or an ephemeral container goes to.
	Pod *PodFact
	// Parent is the metadata of the object behind a /scale (its managedFields
	// above all), as {"metadata": {...}}; nil: not known.
	Parent map[string]any
	// BreakGlass is the API server's answer on the verb "breakglass".
	BreakGlass Authorization
}

// PodFact is what a look-up of a pod said. A pod that does not exist has Found
// false: then there is nothing to get into.
type PodFact struct {
	Found          bool
	ServiceAccount string
}

// Authorization is the answer of a SubjectAccessReview. The zero value is
// "not asked".
type Authorization int

const (
	NotAsked Authorization = iota
	Authorized
	Unauthorized
	// AuthorizationFailed: it could not be told; that is a denial.
	AuthorizationFailed
)

// Installation names Gitlatch's own parts.
type Installation struct {
	// Namespace that Gitlatch runs in, such as "gitlatch-system".
	Namespace string
	// Accounts of that namespace that are Gitlatch's components, by name.
	Webhook, Applier, Reporter string
}

// Window is an open break-glass window: one user, one object or namespace,
// until a time.
type Window struct {
	Record    string // name of the ChangeRecord that opened it
	User      string
	Scope     v1alpha1.WindowScope
	Group     string // of the resource; of an object window
	Resource  string
	Namespace string
	Name      string
	Reason    string
	Until     time.Time
}

// Need is a set of facts that are missing.
type Need uint8

const (
	NeedNamespaceLabels Need = 1 << iota
	NeedPod
	NeedParent
	NeedBreakGlass
	NeedWindows // a live read of the windows
)
