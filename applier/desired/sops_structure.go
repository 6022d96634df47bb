package desired

import (
	"encoding/base64"
	"errors"
	"time"

	"github.com/getsops/sops/v3"
)

var errStructure = errors.New("its apiVersion, kind or name is encrypted too, so that nothing can be checked without a key: " +
	"encrypt it with --encrypted-regex '^(data|stringData)$'")

// placehold makes an encrypted file renderable without a key. Text stays as it is in
// git, ENC[...]; in the data of a Secret it is that in base64, as the field asks for.
// A number is 1, a truth value true, a time the first: where those stand, text would
// be refused.
func placehold(branches sops.TreeBranches) error {
	var err error
	eachLeaf(branches, func(at place, value any) any {
		text, _ := value.(string)
		match := cipherText.FindStringSubmatch(text)
		if match == nil {
			return value
		}
		if at.isIdentity() {
			err = errStructure
		}
		switch match[1] {
		case "int":
			return 1
		case "float":
			return 1.0
		case "bool":
			return true
		case "time":
			return time.Unix(0, 0).UTC()
		}
		if at.kind == secretKind && len(at.keys) > 1 && at.keys[0] == "data" {
			return base64.StdEncoding.EncodeToString([]byte(text))
		}
		return text
	})
	return err
}
