package desired

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Options say how a folder is rendered.
type Options struct {
	// Path of the folder below the root of the tree; "" is the root.
	Path string
	// Keys decrypt SOPS files. The zero value decrypts nothing: an encrypted file is
	// an error.
	Keys Keys
	// Encrypted leaves encrypted values as they are instead of decrypting them: only
	// the structure is checked. For those who hold no key. Text stays ENC[...], in the
	// data of a Secret in base64; a number is 1, a truth value true.
	Encrypted bool
	// Helm is used where the folder holds a chart.
	Helm Helm
}

// Keys are private keys. They are used in memory only.
type Keys struct {
	Age [][]byte // files of age identities
	PGP [][]byte // armored private keys
}

// Helm says how a chart is rendered.
type Helm struct {
	ReleaseName string
	Namespace   string
	// ValuesFiles are paths below the root of the tree, or, beginning with "./", below
	// the chart. Later ones win.
	ValuesFiles []string
	KubeVersion string   // such as v1.37.2; "": the library's default
	APIVersions []string // of .Capabilities.APIVersions, besides the library's
}

// Form is how a folder is written.
type Form string

const (
	FormYAML      Form = "YAML"
	FormKustomize Form = "Kustomize"
	FormHelm      Form = "Helm"
)

// Set is what a folder declares.
type Set struct {
	Form Form
	// Objects in the order in which they can be applied.
	Objects []Object
	// Inputs are the files that were read, below the root of the tree, sorted.
	Inputs []string
}

// Object is one declared object.
type Object struct {
	*unstructured.Unstructured
	// Source is the file that declares it, below the root of the tree: the document's
	// own, the resource or generator that Kustomize names as its origin, the chart's
	// template.
	Source string
	// Decrypted says that values of it are encrypted in git.
	Decrypted bool
}

// Reason is the short, stable word for what is wrong with a folder.
type Reason string

const (
	// ReasonPath: the folder is not there, empties the sync, or leaves the tree.
	ReasonPath Reason = "PathInvalid"
	// ReasonDocument: a document that can't be read, or is no object.
	ReasonDocument Reason = "DocumentInvalid"
	// ReasonDuplicate: one object declared twice.
	ReasonDuplicate Reason = "ObjectDuplicate"
	// ReasonRender: Kustomize or Helm failed, or renders differently each time.
	ReasonRender Reason = "RenderFailed"
	// ReasonDecryption: no key fits, or the MAC does not.
	ReasonDecryption Reason = "DecryptionFailed"
	// ReasonPlaintext: a Secret whose values are in git for everybody to read.
	ReasonPlaintext Reason = "PlaintextSecret"
)

// Error is one thing that is wrong, without any value.
type Error struct {
	Reason Reason
	File   string // below the root of the tree; "" where a key given is at fault
	Object string // such as "Secret prod/db"; "" where none is known
	Key    string // such as "data.password"; "" where none is known
	Err    error
}

func (e *Error) Error() string {
	text := e.File
	if e.Object != "" {
		text += fmt.Sprintf(" (%s)", e.Object)
	}
	if e.Key != "" {
		text += " " + e.Key
	}
	if text == "" {
		return e.Err.Error() // of keys, which are in no file
	}
	return fmt.Sprintf("%s: %v", text, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
