package history

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitlatch/gitlatch/applier/desired"
)

// Object is what is asked about, whatever version it is written in.
type Object struct {
	Group, Kind string
	Namespace   string // "": of a kind without namespaces; then whatever namespace git writes is overlooked
	Name        string
	// Default is the namespace of an object that git writes without one. "": such an
	// object is not this one.
	Default string
}

// String is "apps/Deployment prod/web".
func (o Object) String() string {
	kind, name := o.Kind, o.Name
	if o.Group != "" {
		kind = o.Group + "/" + kind
	}
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return kind + " " + name
}

// is says whether a declared object is the one, and whether it says so itself.
func (o Object) is(declared *unstructured.Unstructured) (same, exact bool) {
	kind := declared.GroupVersionKind()
	if kind.Kind != o.Kind || kind.Group != o.Group || declared.GetName() != o.Name {
		return false, false
	}
	namespace := declared.GetNamespace()
	switch {
	case namespace == o.Namespace:
		return true, true
	case o.Namespace == "":
		return true, false
	}
	return namespace == "" && o.Namespace == o.Default, false
}

// value is what a folder renders for an object. The zero value: nothing.
type value struct {
	present bool
	digest  [sha256.Size]byte
}

// in finds the object among those that a folder declares, and the file that does.
func (o Object) in(declared []desired.Object) (value, string, error) {
	var found *desired.Object
	for i := range declared {
		same, exact := o.is(declared[i].Unstructured)
		if same && (found == nil || exact) {
			found = &declared[i]
		}
		if exact {
			break
		}
	}
	if found == nil {
		return value{}, "", nil
	}
	// That git names the namespace, or leaves it to the sync, is the same object.
	found.SetNamespace(o.Namespace)
	content, err := json.Marshal(found.Object)
	if err != nil {
		return value{}, "", fmt.Errorf("encoding %s of %s: %w", o, found.Source, err)
	}
	return value{present: true, digest: sha256.Sum256(content)}, found.Source, nil
}
