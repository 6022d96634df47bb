package git

import (
	"time"
)

// Ref is what is followed on a remote; at most one field is set. None: the branch
// that the remote's HEAD names.
type Ref struct {
	Branch, Tag, Semver, Commit string
}

// Credentials are what a remote asks for. The zero value is nothing.
type Credentials struct {
	Username, Password string // https: basic
	BearerToken        string // https
	CA                 []byte // https: PEM, besides the system's
	ClientCert         []byte // https: PEM
	ClientKey          []byte // https: PEM
	Identity           []byte // ssh: a private key
	IdentityPassword   []byte // ssh: of that key
	KnownHosts         []byte // ssh: required
}

// Revision is what a ref names on the remote at one moment.
type Revision struct {
	// Name is the full name of the reference, such as refs/heads/main; "" for a
	// commit that was named by its hash.
	Name string
	// Object is the hash that the reference holds: of a tag object or of a commit.
	Object string
	// Commit is the hash of the commit.
	Commit string
	// Tags changes whenever any tag of the remote is added, moved or removed: a signed tag
	// may have approved the same commit.
	Tags string
}

// Commit is one commit, without its tree.
type Commit struct {
	Hash      string
	Tree      string
	Parents   []string
	Author    Person
	Committer Person
	Subject   string // the first line of the message
	Body      string // the rest, trimmed
	Signed    bool   // carries a signature, of whatever worth
}

// Person is an author or a committer, by their own word.
type Person struct {
	Name, Email string
	When        time.Time
}
