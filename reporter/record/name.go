package record

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"hash"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// Buckets of time that names are made of.
const (
	// attemptBucket bounds how far apart two identical calls may be and still be
	// one attempt of which another replica saw the first.
	attemptBucket = 30 * time.Second
	// coalesceBucket is how long repeats are counted in one record.
	coalesceBucket = 5 * time.Minute
)

// nameLength is 80 bits: an accidental collision is not to be expected. Made
// ones are found by comparing, see sameAct.
const nameLength = 16

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// digest shortens the parts to a hash. Every part goes in with its length, so
// that no two lists of parts read the same.
func digest(parts ...string) string { return sum(sha256.New(), parts) }

// secretDigest does the same under a key, for parts that may hold raw values.
func secretDigest(key []byte, parts ...string) string {
	return sum(hmac.New(sha256.New, key), parts)
}

func sum(h hash.Hash, parts []string) string {
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return encoding.EncodeToString(h.Sum(nil))[:nameLength]
}

// recordName is the name of a record.
func recordName(parts ...string) string { return "cr-" + digest(parts...) }

// bucket numbers the stretch of time that t lies in.
func bucket(t time.Time, size time.Duration) string {
	return strconv.FormatInt(t.UnixNano()/int64(size), 10)
}

// act is who did what to what: everything about an attempt but its content and
// its time.
func (e *Entry) act() string {
	s := &e.Spec
	return digest(string(s.Outcome), s.Requester.Username, s.Requester.UID, s.Request.Operation,
		s.Request.Group, s.Request.Resource, s.Request.Subresource, s.Request.Namespace, s.Request.Name)
}

// generatedAct is the act that the mutating call recorded when the name was
// still a prefix.
func (e *Entry) generatedAct() string {
	twin := *e
	twin.Spec.Request.Name = e.GenerateName + "*"
	return twin.act()
}

// ruling is an act and what was decided about it: what a later call makes worse is
// recorded again.
func (e *Entry) ruling() string {
	s := &e.Spec
	return digest("ruling", e.act(), string(s.Class), string(s.Reason), s.Policy)
}

// generatedRuling is the ruling of the mutating call when the name was still a
// prefix.
func (e *Entry) generatedRuling() string {
	twin := *e
	twin.Spec.Request.Name = e.GenerateName + "*"
	return twin.ruling()
}

// denialKey is what repeats of a denial share. Of tampering nobody is known: what
// was done, and under which name, is all that tells one act from another.
func (e *Entry) denialKey() string {
	s := &e.Spec
	if s.Outcome == v1alpha1.OutcomeTampered {
		return digest("tampered", e.act(), s.Request.FieldManager, s.Message)
	}
	return digest("denied", e.act(), string(s.Reason))
}

// connectKey is what repeats of an admitted CONNECT share: a window belongs to
// it, so that a record never names another one.
func (e *Entry) connectKey() string { return digest("connect", e.act(), e.within()) }

// within is the window by which it is admitted: the same in the next one is another
// attempt.
func (e *Entry) within() string {
	if e.Spec.BreakGlass == nil {
		return ""
	}
	return e.Spec.BreakGlass.Window
}

// opens tells that it opens a window of its own.
func (e *Entry) opens() bool { return e.Spec.BreakGlass != nil && e.Spec.BreakGlass.Window == "" }

// foldKey is what one requester's flood on a resource in a namespace shares.
// The namespace of a namespace is itself, and so tells nothing.
func (e *Entry) foldKey() string {
	s := &e.Spec
	namespace := s.Request.Namespace
	if isNamespace(s.Request) {
		namespace = ""
	}
	return digest("folded", string(s.Outcome), s.Requester.Username, s.Requester.UID, s.Request.Group, s.Request.Resource, namespace)
}

// foldAllKey is what all of one requester's flood shares.
func (e *Entry) foldAllKey() string {
	return digest("folded-all", string(e.Spec.Outcome), e.Spec.Requester.Username, e.Spec.Requester.UID)
}

// targetUID tells objects of one name apart.
func (e *Entry) targetUID() types.UID {
	if e.Spec.Target == nil {
		return ""
	}
	return e.Spec.Target.UID
}

func (e *Entry) version() string {
	if e.Spec.Target == nil {
		return ""
	}
	return e.Spec.Target.ResourceVersion
}
