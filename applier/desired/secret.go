package desired

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

const secretKind = "Secret"

// secretLeaf is one value of a Secret that is not empty.
type secretLeaf struct {
	object string // such as "Secret prod/db"
	key    string // such as "data.password"
	value  any
}

// secretLeaves finds the values of every core Secret that a document holds: itself, an
// item of a list, or the copy that kubectl leaves in an annotation.
func secretLeaves(document any) []secretLeaf {
	object, ok := mapping(document)
	if !ok {
		return nil
	}
	kind, _ := object["kind"].(string)
	var found []secretLeaf
	if items, ok := object["items"].([]any); ok && strings.HasSuffix(kind, "List") {
		for _, item := range items {
			found = append(found, secretLeaves(inList(kind, item))...)
		}
		return found
	}
	title := secretTitle(object)
	secret := isCoreSecret(object)
	if secret {
		for _, field := range []string{"data", "stringData"} {
			found = append(found, scalars(title, field, object[field])...)
		}
	}
	metadata, _ := mapping(object["metadata"])
	annotations, _ := mapping(metadata["annotations"])
	if copied := annotations[corev1.LastAppliedConfigAnnotation]; holdsSecret(copied, secret) {
		found = append(found, secretLeaf{title, "metadata.annotations." + corev1.LastAppliedConfigAnnotation, copied})
	}
	return found
}

// inList gives an item of a SecretList the type that it may leave out.
func inList(kind string, item any) any {
	object, ok := mapping(item)
	if !ok || kind != "SecretList" || object["kind"] != nil {
		return item
	}
	object = maps.Clone(object)
	object["kind"] = secretKind
	return object
}

// isCoreSecret also takes a Secret that names no version for one: a patch may leave it
// out, and in doubt it is a Secret.
func isCoreSecret(object map[string]any) bool {
	kind, _ := object["kind"].(string)
	version, isText := object["apiVersion"].(string)
	return kind == secretKind && (!isText || version == "" || version == "v1")
}

// holdsSecret tells whether a last-applied annotation holds a value of a Secret. On a
// Secret, one that can't be read counts.
func holdsSecret(annotation any, onSecret bool) bool {
	text, ok := annotation.(string)
	if !ok {
		return onSecret && annotation != nil
	}
	if text == "" {
		return false
	}
	var object map[string]any
	if json.Unmarshal([]byte(text), &object) != nil {
		return onSecret
	}
	return len(secretLeaves(object)) > 0
}

// scalars is every value below a field that is not empty.
func scalars(title, key string, value any) []secretLeaf {
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		if value == "" {
			return nil
		}
	case []any:
		var found []secretLeaf
		for _, item := range value {
			found = append(found, scalars(title, key, item)...)
		}
		return found
	}
	if inner, ok := mapping(value); ok {
		var found []secretLeaf
		for _, name := range slices.Sorted(maps.Keys(inner)) {
			found = append(found, scalars(title, joinKey(key, name), inner[name])...)
		}
		return found
	}
	return []secretLeaf{{title, key, value}}
}

// mapping is a decoded mapping, whatever its keys are decoded as.
func mapping(value any) (map[string]any, bool) {
	switch value := value.(type) {
	case map[string]any:
		return value, true
	case map[any]any:
		out := make(map[string]any, len(value))
		for key, item := range value {
			out[fmt.Sprint(key)] = item
		}
		return out, true
	}
	return nil, false
}

var (
	secretKey  = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)
	objectName = regexp.MustCompile(`^[a-z0-9][-.:a-zA-Z0-9]{0,252}$`)
)

// joinKey leaves out what is no key of a Secret: a slip of indentation makes a key of a
// value.
func joinKey(key, name string) string {
	if !secretKey.MatchString(name) {
		return key
	}
	return key + "." + name
}

// secretTitle names an object, as far as it has a name that can be one.
func secretTitle(object map[string]any) string {
	kind, _ := object["kind"].(string)
	metadata, _ := mapping(object["metadata"])
	return titleOf(kind, metadata["namespace"], metadata["name"])
}

func titleOf(kind string, namespace, name any) string {
	if !objectKindName.MatchString(kind) {
		kind = "object"
	}
	plain, _ := name.(string)
	if !objectName.MatchString(plain) {
		return kind
	}
	if within, _ := namespace.(string); objectName.MatchString(within) {
		plain = within + "/" + plain
	}
	return kind + " " + plain
}

var objectKindName = regexp.MustCompile(`^[A-Z][a-zA-Z0-9]{0,62}$`)
