package git

// Trust is what signatures are judged by. It comes from the cluster, never from the
// commit that is judged.
type Trust struct {
	// AllowedSigners are files in the form of OpenSSH's allowed_signers, by name.
	AllowedSigners map[string][]byte
	// Keyrings are armored or binary OpenPGP public keys, by name.
	Keyrings map[string][]byte
}

// Demand says what must be signed, and by how many.
type Demand struct {
	Trust Trust
	// Commit is judged; with Range every commit that it has and Since has not.
	Commit string
	Range  bool
	Since  string // "" : all its ancestors
	// MinReviewers is how many distinct principals besides the author signed the same
	// tree.
	MinReviewers int
}

// Verified is who stands for a commit.
type Verified struct {
	Commit    string
	Signer    string   // the principal: an allowed_signers principal, or the OpenPGP user id's address
	Key       string   // fingerprint: SHA256:... or the OpenPGP fingerprint
	Reviewers []string // principals, sorted
}

// UnverifiedError says why a commit is not applied. It is a verdict, not a failure to
// judge: only another commit or other trust roots change it.
type UnverifiedError struct {
	Commit string
	Reason string // for people: "commit 3f2c1ab is not signed", never a key's content
}

func (e *UnverifiedError) Error() string { return e.Reason }
