package live

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/gitlatch/gitlatch/api/v1alpha1"
)

// head of every payload: what is added on sending goes in here, so that thousands of
// objects are not read and written again.
const head = `{"metadata":{"annotations":{`

// seal sets the payload, and its hash.
func (o *Object) seal(content map[string]any) error {
	payload, err := encode(content)
	if err != nil {
		return fmt.Errorf("writing %s (%s): %w", o.Key, o.Source, err)
	}
	o.Payload, o.Hash = payload, sha256.Sum256(payload)
	if len(o.ignored) == 0 {
		return nil
	}
	left, err := o.content() // a copy: the input's own maps stay as they are
	if err != nil {
		return err
	}
	var names []string
	for _, p := range o.ignored {
		left = p.edit(left, nil, false).(map[string]any)
		names = append(names, p.String())
	}
	rest, err := encode(left)
	if err != nil {
		return fmt.Errorf("writing %s (%s): %w", o.Key, o.Source, err)
	}
	o.Hash = sha256.Sum256(append(rest, strings.Join(names, "\n")...))
	return nil
}

// content is the payload, read; a copy.
func (o *Object) content() (map[string]any, error) {
	var content map[string]any
	if err := utiljson.Unmarshal(o.Payload, &content); err != nil {
		return nil, fmt.Errorf("reading the payload of %s (%s): %w", o.Key, o.Source, err)
	}
	return content, nil
}

// encode writes an object with its annotations, of which there is at least one, first.
func encode(content map[string]any) ([]byte, error) {
	meta, _ := content["metadata"].(map[string]any)
	annotations, err := json.Marshal(meta["annotations"])
	if err != nil {
		return nil, err
	}
	meta = maps.Clone(meta)
	delete(meta, "annotations")
	others, err := json.Marshal(meta) // a name, at least
	if err != nil {
		return nil, err
	}
	content = maps.Clone(content)
	delete(content, "metadata")
	rest, err := json.Marshal(content) // apiVersion and kind, at least
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(head)+len(annotations)+len(others)+len(rest))
	b = append(append(b, head[:len(head)-1]...), annotations...)
	b = append(append(b, ','), others[1:]...)
	return append(append(b, ','), rest[1:]...), nil
}

// conditions of a write: left out when empty.
type conditions struct{ uid, resourceVersion string }

// body is what is sent: the payload, the commit, and on what it depends.
func body(payload []byte, commit string, on conditions) []byte {
	b := make([]byte, 0, len(payload)+len(commit)+256)
	b = append(b, `{"metadata":{`...)
	if on.uid != "" {
		b = append(append(b, `"uid":`...), jsonText(on.uid)+","...)
	}
	if on.resourceVersion != "" {
		b = append(append(b, `"resourceVersion":`...), jsonText(on.resourceVersion)+","...)
	}
	b = append(b, `"annotations":{`...)
	if commit != "" {
		b = append(append(b, `"`+v1alpha1.AnnotationCommit+`":`...), jsonText(commit)+","...)
	}
	return append(b, payload[len(head):]...)
}

// encodeStrings turns the stringData of a Secret into data. The API server does the
// same, but after it has noted who owns which field: a key that later goes from git
// would stay in the Secret.
func encodeStrings(secret map[string]any) error {
	plain, ok := secret["stringData"].(map[string]any)
	if !ok && secret["stringData"] != nil {
		return fmt.Errorf("stringData is no map")
	}
	delete(secret, "stringData")
	if len(plain) == 0 {
		return nil
	}
	data, ok := secret["data"].(map[string]any)
	if !ok && secret["data"] != nil {
		return fmt.Errorf("data is no map")
	}
	data = maps.Clone(data)
	if data == nil {
		data = map[string]any{}
	}
	for key, v := range plain {
		text, ok := v.(string)
		if !ok {
			return fmt.Errorf("stringData[%q] is no text: quote it", key)
		}
		data[key] = base64.StdEncoding.EncodeToString([]byte(text))
	}
	secret["data"] = data
	return nil
}
