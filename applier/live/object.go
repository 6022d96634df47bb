package live

import (
	"crypto/sha256"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Key identifies an object whatever the version that it is written in.
type Key struct {
	Group, Kind, Namespace, Name string
}

// String is "apps/Deployment prod/web", "Namespace prod".
func (k Key) String() string {
	text := k.Kind
	if k.Group != "" {
		text = k.Group + "/" + text
	}
	if k.Namespace != "" {
		return text + " " + k.Namespace + "/" + k.Name
	}
	return text + " " + k.Name
}

// Ref is a key and the version in which the object is asked for.
type Ref struct {
	Key
	Version string
}

// GVK is the ref's group, version and kind.
func (r Ref) GVK() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
}

// Entry is the ref as an inventory holds it.
func (r Ref) Entry() v1alpha1.InventoryEntry {
	id := strings.Join([]string{r.Namespace, strings.ReplaceAll(r.Name, ":", "__"), r.Group, r.Kind}, "_")
	return v1alpha1.InventoryEntry{ID: id, Version: r.Version}
}

// Object is one declared object, ready to be applied, kept small since there may be
// thousands.
type Object struct {
	Ref
	// Source is the file in git that declares it.
	Source string
	// Payload is what is sent to the API server: JSON with the sync's label and
	// annotations, without [v1alpha1.AnnotationCommit].
	Payload []byte
	// Hash is the payload's, without what is left to others by ignore rules.
	Hash [sha256.Size]byte
	// Stage is when it is applied: all of a stage before any of the next.
	Stage int
	// Sync is the mark of the sync that declares it, see [v1alpha1.SyncLabel].
	Sync string
	// Secret says that its values must not be shown: it is a Secret, or is encrypted in
	// git.
	Secret bool
	// KeepsData says that git asks not to prune it.
	KeepsData bool

	ignored []pattern // what is left to others once it is there
}

// State is what the metadata of a live object say. The zero value is: not there, or
// not known.
type State struct {
	UID             string
	ResourceVersion string
	Generation      int64
	// Sync is the value of the owner mark, and Commit that of the commit annotation.
	Sync, Commit string
	// Hold is a digest of all that our claim on the object shows in metadata: our
	// entry in managedFields, the entries of people, and, as far as we declared them,
	// labels, annotations, finalizers and owner references. While it stays, no declared
	// field has changed.
	Hold [sha256.Size]byte
	// Held is when our entry was written last, by the API server's clock, in seconds
	// since 1970. Within that second another write under our name would look the same.
	Held int64
	// Manager, of the newest entry in managedFields that is neither ours nor a status,
	// and when it wrote, in seconds since 1970.
	Manager string
	Wrote   int64
	// Deleting says that the object is on its way out.
	Deleting bool
	// People says that entries of people's tools own more than a restart's annotation.
	People bool
	// Stamped says that it carries the mark of a break-glass window.
	Stamped bool
}
