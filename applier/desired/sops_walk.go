package desired

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/getsops/sops/v3"
)

// cipherText is what SOPS writes in place of a value. It is read with space after it too,
// such as the half of a line end from elsewhere.
var cipherText = regexp.MustCompile(`^ENC\[AES256_GCM,data:[^,]*,iv:[^,]*,tag:[^,]*,type:([a-z]+)\]\s*$`)

func isCipherText(value any) bool {
	text, ok := value.(string)
	return ok && cipherText.MatchString(text)
}

// place is where a value of an encrypted file is.
type place struct {
	id string // by position; decryption changes none
	// keys below the innermost object around the value, list positions left out: an
	// object has a type, or looks like one of a list that leaves its items' out.
	keys   []string
	object bool   // whether there is one
	kind   string // of that object
}

// isIdentity tells the fields by which an object is known.
func (p place) isIdentity() bool {
	switch {
	case p.object && len(p.keys) == 1:
		return p.keys[0] == "apiVersion" || p.keys[0] == "kind"
	case p.object && len(p.keys) == 2:
		return p.keys[0] == "metadata" && slices.Contains([]string{"name", "namespace", "generateName"}, p.keys[1])
	}
	return false
}

// inside is the place of a part, under a key or, without one, of a list.
func (p place) inside(position int, key ...string) place {
	p.id += "/" + strconv.Itoa(position)
	p.keys = append(slices.Clone(p.keys), key...)
	return p
}

// eachLeaf visits every value of a file, comments aside, and puts what visit returns in
// its place.
func eachLeaf(branches sops.TreeBranches, visit func(at place, value any) any) {
	for i, branch := range branches {
		walkLeaf(branch, place{id: strconv.Itoa(i)}, visit)
	}
}

func walkLeaf(value any, at place, visit func(place, any) any) any {
	switch value := value.(type) {
	case sops.TreeBranch:
		if kind, ok := objectKind(value); ok {
			at.keys, at.object, at.kind = nil, true, kind
		}
		for i, item := range value {
			key, ok := item.Key.(string)
			if !ok {
				continue // a comment
			}
			value[i].Value = walkLeaf(item.Value, at.inside(i, key), visit)
		}
		return value
	case []any:
		for i, item := range value {
			value[i] = walkLeaf(item, at.inside(i), visit)
		}
		return value
	case sops.Comment, nil:
		return value
	}
	return visit(at, value)
}

// objectKind tells a branch that is a Kubernetes object.
func objectKind(branch sops.TreeBranch) (kind string, ok bool) {
	has := map[string]bool{}
	for _, item := range branch {
		key, _ := item.Key.(string)
		has[key] = true
		if text, isText := item.Value.(string); key == "kind" && isText {
			kind = text
		}
	}
	return kind, has["apiVersion"] && has["kind"] || has["metadata"] && (has["data"] || has["stringData"])
}

// encryptedLeaves is the ids of the values that are encrypted.
func encryptedLeaves(branches sops.TreeBranches) map[string]bool {
	ids := map[string]bool{}
	eachLeaf(branches, func(at place, value any) any {
		if isCipherText(value) {
			ids[at.id] = true
		}
		return value
	})
	return ids
}
