package record

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// content identifies what an attempt would make of its target, in this process
// only: raw values go in, under a key that is gone with the process.
func (e *Entry) content(key []byte) string {
	parts := []string{e.ruling(), string(e.targetUID()), e.within(), e.Spec.Request.FieldManager}
	for _, c := range e.Changes {
		if ownMark(c.Path) {
			continue
		}
		to, err := sumOf(c.To)
		if err != nil {
			to = string(e.Spec.Request.UID) // what can't be compared is its own
		}
		parts = append(parts, c.Path, strconv.FormatBool(c.HasTo), to)
	}
	if e.Omitted > 0 {
		// The rest is not here to compare: the payload speaks for it, or else the
		// version that it was computed from.
		parts = append(parts, "omitted", strconv.Itoa(e.Omitted), e.Payload, e.version())
	}
	return secretDigest(key, parts...)
}

// makes identifies the first value that an attempt sets; "" is none.
func (e *Entry) makes(key []byte) string {
	i := slices.IndexFunc(e.Changes, func(c Change) bool { return !ownMark(c.Path) })
	if i < 0 {
		return ""
	}
	c := e.Changes[i]
	return sideDigest(key, c.Path, c.To, c.HasTo)
}

// goesOnFrom tells whether an attempt changes the very value that another made.
func (e *Entry) goesOnFrom(key []byte, made string) bool {
	return made != "" && slices.ContainsFunc(e.Changes, func(c Change) bool {
		return sideDigest(key, c.Path, c.From, c.HasFrom) == made
	})
}

// sideDigest identifies one side of a change; "" can't be compared.
func sideDigest(key []byte, path string, v any, has bool) string {
	sum, err := sumOf(v)
	if err != nil {
		return ""
	}
	return secretDigest(key, "side", path, strconv.FormatBool(has), sum)
}

// sumOf is a value's fingerprint. By itself it would let a value be guessed.
func sumOf(v any) (string, error) {
	h := sha256.New()
	err := Fingerprint(h, v)
	return string(h.Sum(nil)), err
}

// ownMark tells the annotations that the gate itself stamps between the two
// calls of a request.
func ownMark(path string) bool {
	return strings.HasPrefix(path, `.metadata.annotations["`+v1alpha1.AnnotationBreakGlass+"-")
}
