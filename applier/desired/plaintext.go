package desired

import (
	"bytes"
	"encoding/json"
	"errors"
)

// What is said of a value of a Secret. What may be done about it comes last, so that it
// is read.
var (
	errPlaintext = errors.New("is readable in git: encrypt it with SOPS, or declare a SealedSecret or an ExternalSecret; " +
		"and rotate it: a revert does not take it out of history")
	errUntraced = errors.New("can't be traced to a value that is encrypted in git: the folder does not render it with other values in place of the encrypted ones; " +
		"encrypt only what is secret, and rotate what was readable: a revert does not take it out of history")
	errStrayCipherText = errors.New("was encrypted by SOPS, but its file's sops metadata are gone or leave it out: it can't be decrypted")
)

// Plaintext finds the values of Secrets that are in a file for everybody to read: in
// its documents, in lists, in last-applied annotations, and in the generators and
// inline patches of a kustomization. A value that SOPS encrypted is none. The file need
// not be valid: what can't be read as YAML or JSON holds no object, and a chart's
// templates are judged when they are rendered. The errors name file, object and key.
func Plaintext(file string, content []byte) []*Error {
	return plaintext(file, content, detect(file, content))
}

func plaintext(file string, content []byte, format sopsFormat) []*Error {
	if format == sopsBinary || format == sopsDotenv || format == sopsINI || !mayHoldSecret(content) {
		return nil
	}
	var found []*Error
	for _, document := range parsed(content) {
		for _, leaf := range append(secretLeaves(document), kustomizationLeaves(file, document)...) {
			if err := judge(leaf, format); err != nil {
				err.File = file
				found = append(found, err)
			}
		}
	}
	return found
}

// judge says what is wrong with a leaf as it stands in git.
func judge(leaf secretLeaf, format sopsFormat) *Error {
	wrong := &Error{Reason: ReasonPlaintext, Object: leaf.object, Key: leaf.key, Err: errPlaintext}
	if isCipherText(leaf.value) {
		if format != sopsNone {
			return nil
		}
		wrong.Reason, wrong.Err = ReasonDecryption, errStrayCipherText
	}
	return wrong
}

// mayHoldSecret spares most files the parser. What writes the word in another way
// (escapes, tags, other encodings) is parsed.
func mayHoldSecret(content []byte) bool {
	return bytes.Contains(content, []byte("ecret")) || bytes.ContainsAny(content, "\\!\x00\xff\xfe")
}

// parsed is every document of a file that can be read, up to the first that can't.
func parsed(content []byte) (all []any) {
	// The parser has panicked on broken input before; such a document can't be read.
	defer func() { _ = recover() }()
	if json.Valid(content) {
		var document any
		if json.Unmarshal(content, &document) == nil {
			return []any{document}
		}
	}
	for _, node := range yamlNodes(content) {
		var document any
		if node.Decode(&document) == nil {
			all = append(all, document)
		}
	}
	return all
}
